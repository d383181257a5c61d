"""Receipts at the clinic: taken out of the vault, read from a file, checked, and put into plain words."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone

from edge.clinic.examine import check_evidence, read_evidence
from edge.clinic.known_detectors import KNOWN
from edge.clinic.places import ClinicError
from edge.clinic.vault import Stored, Vault
from edge.imaging.layout_template import LAYOUT
from edge.messages import LiveBatch, ObjectResult
from edge.wire.manifest import Manifest
from edge.wire.receipts import FrameReceipt, ReceiptError, Receipts, belongs_to, verify_receipts

_SIGN1 = b"\xd2"
"""First byte of every COSE_Sign1 (RFC 9052 section 2: tag 18)."""
_PAGE = 256

WORDS = {
    "revoked": "it is signed with a key that was revoked; whether before or after, nobody can tell",
    "unknown_sender": "no box of this clinic's manifest signed it",
    "other_box": "another box signed it than the one that it names",
    "other_site": "it is of another site",
    "too_early": "it claims to be older than the box's key",
    "forged": "its signature does not hold: something in it was altered",
    "unknown_version": "it is of a newer version; verify it with a newer program",
    "other_result": "it is signed, but belongs to another result than the one that carries it",
    "unsigned_result": "no box of this clinic's manifest signed the result that carries it",
}
"""Reasons of a refusal, in words; any other reason means that the file is no receipt, or is damaged."""


@dataclass(frozen=True)
class Found:
    """Signed receipts of one result, and the name of the result that they were found in."""

    where: str
    signed: bytes


# --- out of the vault -----------------------------------------------------------------------------


def in_vault(vault: Vault, wanted: str = "") -> Iterator[tuple[Stored, ObjectResult | LiveBatch]]:
    """Yield results that carry receipts: all, or those of ``wanted``.

    Args:
        vault: the receiver's, opened with its key.
        wanted: the first hex digits of an object's, series' or study's handle, or DEVICE/STREAM/NUMBER.
    """
    after = 0
    while rows := vault.results(after, _PAGE):
        after = rows[-1].id
        for row in rows:
            if row.kind not in ("object", "live"):
                continue
            body = read_evidence(row.payload)
            if not isinstance(body, (ObjectResult, LiveBatch)) or body.receipts is None:
                continue
            names = [f"{row.device}/{row.stream}/{row.seq}"]
            if isinstance(body, ObjectResult):
                names += [handle.hex() for handle in (body.object, body.series, body.study)]
            if not wanted or names[0] == wanted or any(name.startswith(wanted) for name in names[1:]):
                yield row, body


def export_line(row: Stored, body: ObjectResult | LiveBatch) -> str:
    """One JSON line that `read_file` reads: where the receipts stand, and they themselves in base64."""
    assert body.receipts is not None
    fields: dict[str, str | int] = {"device": row.device, "stream": row.stream, "seq": row.seq}
    return json.dumps({**fields, "receipts": base64.b64encode(body.receipts).decode()})


def verify_in_place(row: Stored, body: ObjectResult | LiveBatch, manifest: Manifest) -> Receipts:
    """Check the receipts of a result of the vault, and that they belong to it.

    Raises:
        ReceiptError: as `verify_receipts`.
        MisplacedError: they are another result's, or the result itself is not signed.
    """
    assert body.receipts is not None
    receipts = verify_receipts(body.receipts, manifest)
    if not check_evidence(row.payload, manifest):
        raise MisplacedError("unsigned_result")
    if not belongs_to(receipts, body):
        raise MisplacedError("other_result")
    return receipts


class MisplacedError(Exception):
    """Receipts that hold, but not where they stand; the text is a key of `WORDS`."""


# --- from a file ----------------------------------------------------------------------------------


def read_file(data: bytes) -> list[Found]:
    """The signed receipts of a file: one COSE_Sign1 as it is, or JSON lines as `export_line` writes them.

    Raises:
        ClinicError: it is neither.
    """
    if data.startswith(_SIGN1):
        return [Found("the file", data)]
    try:
        lines = [json.loads(line) for line in data.decode().splitlines() if line.strip()]
        found = [
            Found(f"line {number}", base64.b64decode(line["receipts"], validate=True))
            for number, line in enumerate(lines, 1)
        ]
    except (ValueError, KeyError, TypeError, binascii.Error) as error:
        raise ClinicError(
            "expected a COSE_Sign1, or JSON lines with receipts in base64 (edge clinic receipts writes them)"
        ) from error
    if not found:
        raise ClinicError("the file holds no receipts")
    return found


def why(error: ReceiptError | MisplacedError) -> str:
    """A refusal in words."""
    reason = error.reason if isinstance(error, ReceiptError) else str(error)
    return WORDS.get(reason, "it is no receipt, or it is damaged")


# --- in words -------------------------------------------------------------------------------------


def describe(receipts: Receipts) -> tuple[list[str], list[str]]:
    """What was done to the frames, a line each, and what the reader should be warned of."""
    head, warnings = receipts.head, []
    place = f"stream {head.stream}, number {head.seq}, epoch {head.epoch.hex()[:8]}"
    made = f"model bundle {_short(receipts.bundle)}, settings {_short(receipts.settings)}"
    lines = [
        f"box {head.device} of {head.site}, {place}",
        f"made {_time(head.made_ms)} by edge {receipts.version}, {made}",
    ]
    if head.clock != "trusted":
        warnings.append("the box's clock was not trusted: its times prove nothing")
    for number, weights in enumerate(receipts.detectors):
        known = KNOWN.get(weights.sha256)
        said = f"{known.what}, {known.origin}" if known else "UNKNOWN WEIGHTS"
        if weights.name == LAYOUT:  # the clinic's own: this version cannot know it, and need not
            said = "a layout template; edge layout show tells which file has this digest"
        lines.append(f"detector {number}: {weights.name}, SHA-256 {_short(weights.sha256)}: {said}")
        if known is None and weights.name != LAYOUT:
            warnings.append(f"the weights of {weights.name} are not known to this version")
    lines += [_frame(frame, receipts) for frame in receipts.frames]
    if receipts.dropped:
        lines.append(f"{receipts.dropped} frames gave way to newer ones and were never looked at")
    if any(frame.gate == "passed" and not frame.looks for frame in receipts.frames):
        warnings.append("a frame passed the gate without a detector that looked")
    if any(frame.gate == "passed" and frame.self_test != "passed" for frame in receipts.frames):
        warnings.append("a frame passed the gate without a self-test that had passed")
    return [_printable(line) for line in lines], [_printable(line) for line in warnings]


def _printable(line: str) -> str:
    """A box that turned bad could name a policy so that a terminal obeys it."""
    return "".join(letter if letter.isprintable() else "?" for letter in line)


def _frame(frame: FrameReceipt, receipts: Receipts) -> str:
    said = f"frame {frame.frame}, captured {_time(frame.captured_ms)}: {_fate(frame)}"
    if frame.policy is None:
        return said
    policy = receipts.policies[frame.policy]
    said += f"; policy {policy.name} ({_short(policy.sha256)})"
    if frame.kept_share is not None and frame.masked_share is not None:
        said += f"; kept {frame.kept_share:.1%} of the image, filled {frame.masked_share:.1%} of that"
    said += f"; {frame.faces or 0} faces, {frame.texts or 0} texts"
    for number, before, after, found in frame.looks or ():
        said += f"; {receipts.detectors[number].name} looked {_ages(before, after)} and found {found}"
    test = {"passed": "passed", "failed": "FAILED", None: "not told"}[frame.self_test]
    age = "" if frame.self_test_age_ms is None else f" {frame.self_test_age_ms / 1000:.0f} s before"
    return f"{said}; self-test {test}{age}"


def _fate(frame: FrameReceipt) -> str:
    if frame.reason is None:
        return "passed the gate" if frame.gate == "passed" else "held back"
    where = "after the gate passed it, at" if frame.gate == "passed" else "at"
    return f"held back {where} {frame.stage or 'an unnamed stage'}: {frame.reason}"


def _ages(before: int | None, after: int | None) -> str:
    if (before, after) == (0, 0):
        return "at this very frame"
    sides = [f"{age} ms {side}" for age, side in ((before, "before"), (after, "after")) if age is not None]
    return " and ".join(sides) or "at no known time"


def _time(ms: int) -> str:
    try:
        return datetime.fromtimestamp(ms / 1000, timezone.utc).isoformat(" ", "milliseconds")
    except (ValueError, OverflowError, OSError):
        return f"{ms} ms after 1970"  # no clock says so, but it is signed


def _short(digest: bytes) -> str:
    return digest.hex()[:16]
