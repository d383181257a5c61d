"""The receiver's signed word that it holds a stream up to a number.

A PUBACK says that the broker took a message. Only this says that the clinic has it on disk, so
only on this does the spool let go of a row.
"""

from __future__ import annotations

from collections.abc import Iterable

from edge.messages import Acknowledgement
from edge.wire.codec import decode_as, encode
from edge.wire.errors import EnvelopeError
from edge.wire.keys import SigningKey, VerifyKey
from edge.wire.signed import sign_message, verify_message
from edge.wire.topics import parse


def sign_ack(topic: str, ack: Acknowledgement, key: SigningKey) -> bytes:
    """The bytes to publish on ``ack/<stream>``, after the receiver's own fsync."""
    return sign_message(topic, encode(ack), key)


def verify_ack(data: bytes, topic: str, keys: Iterable[VerifyKey]) -> Acknowledgement:
    """Check an acknowledgement that came on ``topic``.

    Raises:
        EnvelopeError: as `verify_message`; ``wrong_topic`` if the body names another site, device
            or stream than the topic.
        CodecError: signed, but no acknowledgement.
        TopicError: ``topic`` is none of ours.
    """
    where = parse(topic)
    ack = decode_as(Acknowledgement, verify_message(data, topic, keys).payload)
    if (ack.site, ack.device, ack.stream, "ack") != (where.site, where.device, where.name, where.kind):
        raise EnvelopeError("wrong_topic")
    return ack
