"""``edge clinic receipts`` and ``verify-receipt``: what was done to frames, shown without what was found."""

# ruff: noqa: PLC0415, T201 - imports wait until they are needed; this is a command's output

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from edge.clinic.arguments import Sub, errors, new_parser, usage_error

if TYPE_CHECKING:
    from edge.clinic.vault import Stored
    from edge.messages import LiveBatch, ObjectResult
    from edge.wire.manifest import Manifest
    from edge.wire.receipts import Receipts

_EXIT_CODES = """\

exit code: 0 every receipt is signed by a box of this clinic; what to mind is said as a warning
           1 a receipt is refused, or none was found
           2 nothing could be judged: no clinic here, or the file holds no receipts
"""
_RESULT = "handle of an object, series or study (8 to 32 hex digits), or DEVICE/STREAM/NUMBER"


def add_receipts(sub: Sub[argparse.ArgumentParser]) -> None:
    """Add ``edge clinic receipts``."""
    parser = new_parser(
        sub,
        "receipts",
        "take the signed receipts out of the vault, without findings, as JSON lines",
        " or the receiver's",
    )
    parser.add_argument("result", nargs="?", default="", metavar="RESULT", help=f"{_RESULT}; default: all")
    parser.set_defaults(run=_receipts)


def _receipts(args: argparse.Namespace) -> int:
    from edge.clinic.receipts import export_line

    count = 0
    with errors():
        for row, body in _stored(args.dir, args.result):
            print(export_line(row, body))
            count += 1
    return 0 if count else _none()


def add_verify(sub: Sub[argparse.ArgumentParser]) -> None:
    """Add ``edge clinic verify-receipt``."""
    parser = new_parser(
        sub,
        "verify-receipt",
        "check signed receipts and say in words what was done to each frame",
        ", or that of any role but the broker",
    )
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = f"{parser.description}\n{_EXIT_CODES}"
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "file", nargs="?", type=Path, metavar="FILE", help="receipts, as JSON lines or COSE_Sign1"
    )
    what.add_argument("--result", metavar="RESULT", help=f"of the receiver's vault: {_RESULT}")
    parser.set_defaults(run=_verify)


def _verify(args: argparse.Namespace) -> int:
    from edge.clinic.places import any_role_folder, current_manifest, read_config
    from edge.clinic.receipts import MisplacedError, why
    from edge.wire.receipts import ReceiptError

    count = refused = 0
    with errors():
        folder = any_role_folder(args.dir)
        # Receipts outlive a manifest: what an expired one says of keys still holds.
        manifest = current_manifest(folder, read_config(folder), None)
        for where, check in _checks(args):
            count += 1
            try:
                _print(where, check(manifest))
            except (ReceiptError, MisplacedError) as error:
                refused += 1
                print(f"{where}: REFUSED: {why(error)}")
    if not count:
        return _none()
    return 1 if refused else 0


def _checks(args: argparse.Namespace) -> Iterator[tuple[str, Callable[[Manifest], Receipts]]]:
    """Where receipts stand, and how they are checked there."""
    from edge.clinic.receipts import read_file, verify_in_place
    from edge.wire.receipts import verify_receipts

    if args.file is not None:
        for found in read_file(args.file.read_bytes()):
            yield found.where, partial(verify_receipts, found.signed)
        return
    for row, body in _stored(args.dir, args.result):
        yield f"{row.device}/{row.stream}/{row.seq}", partial(verify_in_place, row, body)


def _print(where: str, receipts: Receipts) -> None:
    from edge.clinic.receipts import describe

    lines, warnings = describe(receipts)
    print(f"{where}: the signature holds")
    for line in lines:
        print(f"  {line}")
    for warning in warnings:
        print(f"  WARNING: {warning}")


def _stored(folder: Path, wanted: str) -> Iterator[tuple[Stored, ObjectResult | LiveBatch]]:
    from edge.clinic.places import role_folder
    from edge.clinic.receipts import in_vault
    from edge.clinic.receive import VAULT, vault_key
    from edge.clinic.vault import Vault

    if wanted and "/" not in wanted and not 8 <= len(wanted) <= 32:
        raise usage_error(f"{wanted!r} names no result; expected a {_RESULT}")
    place = role_folder(folder, "receiver")
    with Vault(place / VAULT, vault_key(place), readonly=True) as vault:
        yield from in_vault(vault, wanted.lower())


def _none() -> int:
    print("no receipts of such a result in this vault", file=sys.stderr)
    return 1
