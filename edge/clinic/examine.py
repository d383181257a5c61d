"""What the receiver believes: bytes from a topic in, a record or a reason out. Pure.

A body is kept only if a box of the manifest, not revoked, signed it for this topic and for us, and
its head says the same as the topic. A body of a kind that this program does not know yet is kept
too, so that a newer box loses nothing to an older clinic.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from edge.clinic.sequence import MAX_SEQ
from edge.clinic.vault import IdentityBlock, Record
from edge.messages import Body, DeviceState, Gap, Head, Message, ObjectResult
from edge.wire import cbor, cose, envelope
from edge.wire.codec import CodecError, decode, decode_as
from edge.wire.codec import Reason as CodecReason
from edge.wire.errors import EnvelopeError, EnvelopeReason
from edge.wire.keys import PrivateKey
from edge.wire.manifest import Manifest
from edge.wire.signed import verify_message
from edge.wire.topics import TopicError, parse

Reason = Literal["bad_topic", "other_head", "bad_number"] | EnvelopeReason | CodecReason
"""Why a message was refused; `other_head`: its head names another place than its topic."""

_EVIDENCE = cbor.Limits(size=envelope.MAX_BYTES + 4096, depth=3, items=32)


class AnyBody(Message):
    """A body of a kind or version that this program does not know."""

    kind: str
    head: Head


class Refused(Exception):  # noqa: N818 - a verdict, not a fault of ours
    """A message is not believed; ``reason`` is all there is to say."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason: Reason = reason


@dataclass(frozen=True)
class Examined:
    """A believed body and its record for the vault."""

    body: Body | AnyBody
    record: Record


def examine_result(
    topic: str, data: bytes, manifest: Manifest, keys: Sequence[PrivateKey], arrived_ms: int
) -> Examined:
    """Open and check what came on ``result/<stream>`` or ``event/<kind>``.

    Raises:
        Refused: with its reason.
    """
    try:
        where = parse(topic)
        opened = envelope.open_(data, topic, keys, manifest.box_keys(where.device))
        body = _decode(opened.payload)
    except TopicError as error:
        raise Refused("bad_topic") from error
    except (EnvelopeError, CodecError) as error:
        raise Refused(error.reason) from error
    head = body.head
    if (head.site, head.device) != (manifest.site, where.device) or where.site != manifest.site:
        raise Refused("other_head")
    # Events are numbered in a stream of the box's choice; their topic names the kind of body.
    if where.name != (head.stream if where.kind == "result" else body.kind):
        raise Refused("other_head")
    gap = (body.first, body.last, body.why) if isinstance(body, Gap) else None
    if head.seq > MAX_SEQ or (gap and not gap[0] <= gap[1] <= MAX_SEQ):
        raise Refused("bad_number")
    record = Record(
        device=head.device,
        stream=head.stream,
        epoch=head.epoch,
        seq=head.seq,
        kind=body.kind,
        payload=pack_evidence(opened),
        arrived_ms=arrived_ms,
        study=getattr(body, "study", None),
        identity=_identity(body),
        gap=gap,
    )
    return Examined(body, record)


def examine_state(topic: str, data: bytes, manifest: Manifest) -> DeviceState:
    """Check what came on ``state``: signed by the box, not sealed.

    Raises:
        Refused: with its reason.
    """
    try:
        where = parse(topic)
        state = decode_as(DeviceState, verify_message(data, topic, manifest.box_keys(where.device)).payload)
    except TopicError as error:
        raise Refused("bad_topic") from error
    except (EnvelopeError, CodecError) as error:
        raise Refused(error.reason) from error
    if state.device != where.device:
        raise Refused("other_head")
    return state


# --- evidence -------------------------------------------------------------------------------------
# The vault keeps what the box signed, with topic and recipients, and not our reading of it: so anybody
# who may read a result can check again, years later, which box made it.


def pack_evidence(opened: envelope.Opened) -> bytes:
    """Return what the vault stores of an opened envelope."""
    return cbor.dumps([1, opened.topic, list(opened.recipients), opened.sender_kid, opened.signed])


def read_evidence(data: bytes) -> Body | AnyBody:
    """Return the body that `pack_evidence` stored. It was verified before it was stored."""
    return _decode(cose.parse_signed(_unpack(data)[4], envelope.MAX_BYTES).payload)


def check_evidence(data: bytes, manifest: Manifest) -> bool:
    """Whether a box of the manifest signed the stored body, as of now."""
    _, topic, recipients, sender, signed = _unpack(data)
    key = next((key for key in manifest.box_keys(parse(topic).device) if key.kid == sender), None)
    if key is None:
        return False
    try:
        envelope.verify_inner(signed, topic, key, recipients)
    except EnvelopeError:
        return False
    return True


def _unpack(data: bytes) -> list[Any]:
    value: list[Any] = cbor.loads(data, _EVIDENCE)
    return value


def _decode(payload: bytes) -> Body | AnyBody:
    try:
        return decode(payload)
    except CodecError as error:
        if error.reason != "unknown_kind":
            raise
    return decode_as(AnyBody, payload)


def _identity(body: Body | AnyBody) -> IdentityBlock | None:
    if not isinstance(body, ObjectResult) or body.identity is None:
        return None
    head = body.head
    return IdentityBlock(
        device=head.device,
        epoch=head.epoch,
        stream=head.stream,
        seq=head.seq,
        study=body.study,
        series=body.series,
        object=body.object,
        kid=body.identity_kid,
        block=body.identity,
    )
