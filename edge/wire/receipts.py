"""Signed receipts: what was done to each frame of one result, and nothing of what was found in it.

One COSE_Sign1 for a result, under the name ``receipts`` (see `edge.wire.signed`): for all frames of a
scanner object, or of one second of a live source. It travels in the sealed body and can be taken out of
it: it names no class, no probability and nobody, so whoever must not see the finding may see it. Its
head is the result's own, so it says which result it belongs to, and which number in that box's stream.

There is no digest of pixels: clean pixels are kept nowhere and leave nowhere, so there is nothing that
one could be matched with, and a digest of a poor image can be undone by guessing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from edge.messages import Digest, Head, LiveBatch, Message, ObjectResult, Share, Suppressed, UnixMs
from edge.wire import cbor, codec, cose
from edge.wire.errors import EnvelopeError, EnvelopeReason
from edge.wire.keys import SigningKey, VerifyKey
from edge.wire.manifest import Manifest
from edge.wire.signed import MAX_BYTES, sign_message, verify_message

CONTEXT = "receipts"
"""Stands where a topic stands in a signed message; no topic reads so."""

ReceiptReason = Literal["revoked", "other_box", "other_site", "too_early", "unknown_version"] | EnvelopeReason

Word = Annotated[str, Field(pattern=r"^[a-z][a-z_]{0,39}$")]
"""A stage or a reason. Those of `edge.messages`, or of a newer box: a word, never free text."""
Count = Annotated[int, Field(ge=0)]
Ms = Annotated[int, Field(ge=0, description="whole milliseconds, rounded up")]
Look = tuple[Count, Ms | None, Ms | None, Count]
"""Which detector of the table, age of its look before and after the frame, and how much it found."""


class PolicyUse(Message):
    """A gate's policy: its name, which ends in its version, and the digest of all its limits."""

    name: str
    sha256: Digest


class DetectorWeights(Message):
    """A detector and the digest of its weights."""

    name: str
    sha256: Digest


class FrameReceipt(Message):
    """What was done to one frame. What is absent was not done: the frame was held back before."""

    frame: Count
    captured_ms: UnixMs
    gate: Literal["passed", "suppressed"]
    stage: Word | None = None
    reason: Word | None = None
    policy: Count | None = Field(default=None, description="place in ``policies``")
    looks: list[Look] | None = None
    kept_share: Share | None = None
    masked_share: Share | None = None
    faces: Count | None = None
    texts: Count | None = None
    self_test: Literal["passed", "failed"] | None = None
    self_test_age_ms: Ms | None = None


class Receipts(Message):
    """The receipts of one result. ``settings``: digest of what ``edge.toml`` says of anonymization."""

    v: Literal[1] = 1
    kind: Literal["receipts"] = "receipts"
    head: Head
    version: str
    bundle: Digest
    settings: Digest
    policies: list[PolicyUse]
    detectors: list[DetectorWeights]
    frames: list[FrameReceipt]
    dropped: Count = Field(default=0, description="live frames that gave way to newer ones, never looked at")

    @model_validator(mode="after")
    def _tables_are_complete(self) -> Receipts:
        for frame in self.frames:
            if frame.policy is not None and frame.policy >= len(self.policies):
                raise ValueError("a policy that is not in the table")
            if any(look[0] >= len(self.detectors) for look in frame.looks or ()):
                raise ValueError("a detector that is not in the table")
        return self

    def sign(self, box: SigningKey) -> bytes:
        """The receipts as the box gives them out; absent values are left out."""
        return sign_message(CONTEXT, cbor.dumps(self.model_dump(mode="python", exclude_none=True)), box)


class ReceiptError(Exception):
    """Receipts were refused; ``reason`` says why."""

    def __init__(self, reason: ReceiptReason) -> None:
        super().__init__(reason)
        self.reason: ReceiptReason = reason


def verify_receipts(data: bytes, manifest: Manifest) -> Receipts:
    """Check receipts against the clinic's manifest alone; neither result nor image is needed.

    Raises:
        ReceiptError: ``malformed``, ``too_large``, ``downgraded``, ``forged``; ``unknown_sender``: signed
            by no box of the manifest; ``revoked``: by one whose key was revoked, when is not known;
            ``other_box``: by another box than it names; ``other_site``; ``too_early``: made before the box
            joined; ``unknown_version``: of a newer box.
    """
    boxes = {(key := VerifyKey(box.public)).kid: (box, key) for box in manifest.boxes}
    try:
        verified = verify_message(data, CONTEXT, [key for _, key in boxes.values()])
        receipts = codec.decode_as(Receipts, verified.payload)
    except EnvelopeError as error:
        raise ReceiptError(error.reason) from error
    except codec.CodecError as error:
        raise ReceiptError("unknown_version" if error.reason == "unknown_kind" else "malformed") from error
    box, head = boxes[verified.kid][0], receipts.head
    if head.site != manifest.site:
        raise ReceiptError("other_site")
    if head.device != box.device:
        raise ReceiptError("other_box")
    if verified.kid in manifest.revoked:
        raise ReceiptError("revoked")
    if head.clock == "trusted" and head.made_ms < box.since_ms:
        raise ReceiptError("too_early")
    return receipts


def peek(data: bytes) -> dict[str, Any]:
    """The fields of receipts that were verified elsewhere, or are only shown; nothing is checked.

    Raises:
        EnvelopeError: not even the shape is right.
    """
    payload = cose.parse_signed(data, MAX_BYTES).payload
    try:
        value = cbor.loads(payload, codec.LIMITS)
    except cbor.CborError as error:
        raise EnvelopeError("malformed") from error
    if not isinstance(value, dict):
        raise EnvelopeError("malformed")
    return value


def belongs_to(receipts: Receipts, body: ObjectResult | LiveBatch) -> bool:
    """Whether these are the receipts of this very result: its head, its model, and its frames."""
    told = {(frame.frame, frame.captured_ms, frame.reason) for frame in receipts.frames}
    outcomes: Sequence[Any] = body.outcomes if isinstance(body, ObjectResult) else body.findings
    expected = {(o.frame, o.captured_ms, o.reason if isinstance(o, Suppressed) else None) for o in outcomes}
    if isinstance(body, LiveBatch):  # it counts the frames held back, and does not name them
        told = {frame for frame in told if frame[2] is None}
    bundles = {outcome.bundle for outcome in outcomes if not isinstance(outcome, Suppressed)}
    return receipts.head == body.head and told == expected and bundles <= {receipts.bundle}
