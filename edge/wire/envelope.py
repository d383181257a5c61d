"""The envelope: COSE_Sign1 inside COSE_Encrypt, padded, bound to topic, sender and recipients.

Pure: bytes and keys in, bytes or an `EnvelopeError` out. The external aad of both layers, and the
extra info of each wrapped key, is the deterministic CBOR of::

    ["edge envelope 1", topic, sender kid, [recipient kid, ...]]

Binding the recipients inside the signature stops surreptitious forwarding (a recipient who
encrypts a signed body anew to somebody else) and stripping (a broker that drops a recipient).
Topic and sender stand in the protected header, too, so that a refusal can say what was wrong; they
are believed only because the aad holds them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edge.wire import cbor, cose
from edge.wire.errors import EnvelopeError, EnvelopeReason
from edge.wire.keys import KID_BYTES, Kem, PrivateKey, Recipient, SigningKey, VerifyKey
from edge.wire.padding import pad, unpad

__all__ = ["MAX_BYTES", "EnvelopeError", "EnvelopeReason", "Opened", "open_", "seal", "verify_inner"]

CONTEXT = "edge envelope 1"
SENDER, TOPIC = -70001, -70002
"""Private-use header labels: kid of the signer, topic."""

MAX_PAYLOAD = 1 << 22
MAX_BYTES = MAX_PAYLOAD + (1 << 16)
"""Largest envelope that is looked at: 4 MiB of body and 64 KiB of keys and headers."""

_LABELS = frozenset({SENDER, TOPIC})
_POST_QUANTUM = frozenset({Kem.XWING})
_ALL = frozenset(Kem)


@dataclass(frozen=True)
class Opened:
    """A verified envelope.

    ``signed`` is the inner COSE_Sign1: with ``recipients`` it lets a third party, such as the
    custodian, check the box's signature without the receiver's key (see `verify_inner`).
    """

    payload: bytes
    topic: str
    sender_kid: bytes
    recipients: tuple[bytes, ...]
    signed: bytes


def _aad(topic: str, sender: bytes, recipients: Sequence[bytes]) -> bytes:
    return cbor.dumps([CONTEXT, topic, sender, list(recipients)])


def seal(
    payload: bytes,
    topic: str,
    signer: SigningKey,
    recipients: Sequence[Recipient],
    *,
    allow_classical: bool = False,
) -> bytes:
    """Sign, pad and encrypt.

    ``allow_classical`` admits X25519 recipients, whose messages a quantum computer could read
    later; the default refuses them.

    Raises:
        EnvelopeError: ``no_recipient``; ``too_large`` (payload over 4 MiB or more than 8
            recipients); ``downgraded``.
    """
    by_kid = {recipient.kid: recipient for recipient in recipients}
    if not by_kid:
        raise EnvelopeError("no_recipient")
    if len(by_kid) > cose.MAX_RECIPIENTS or len(payload) > MAX_PAYLOAD:
        raise EnvelopeError("too_large")
    if not allow_classical and any(r.kem not in _POST_QUANTUM for r in by_kid.values()):
        raise EnvelopeError("downgraded")
    kids = sorted(by_kid)
    aad = _aad(topic, signer.kid, kids)
    inner = cose.sign(payload, {}, aad, signer)
    header = {SENDER: signer.kid, TOPIC: topic}
    return cose.encrypt(pad(inner), header, aad, [by_kid[kid] for kid in kids])


def open_(
    data: bytes,
    topic: str,
    private_keys: Sequence[PrivateKey],
    sender_keys: Iterable[VerifyKey],
    *,
    allow_classical: bool = False,
) -> Opened:
    """Decrypt, unpad and verify what was published on ``topic``.

    Raises:
        EnvelopeError: with its reason, and nothing else, whatever ``data`` is.
    """
    kems = _ALL if allow_classical else _POST_QUANTUM
    outer = cose.parse_encrypted(data, MAX_BYTES, _LABELS, kems)
    senders = {key.kid: key for key in sender_keys}
    sender, named = outer.header[SENDER], outer.header[TOPIC]
    if not isinstance(sender, bytes) or len(sender) != KID_BYTES or not isinstance(named, str):
        raise EnvelopeError("malformed")
    if named != topic:
        raise EnvelopeError("wrong_topic")
    if sender not in senders:
        raise EnvelopeError("unknown_sender")
    kids = tuple(item.kid for item in outer.recipients)
    inner = unpad(cose.decrypt(outer, _aad(topic, sender, kids), private_keys))
    payload = verify_inner(inner, topic, senders[sender], kids)
    return Opened(payload, topic, sender, kids, inner)


def verify_inner(signed: bytes, topic: str, sender: VerifyKey, recipients: Sequence[bytes]) -> bytes:
    """The payload of an inner COSE_Sign1, if ``sender`` made it for this topic and these recipients.

    Raises:
        EnvelopeError: ``malformed``, ``downgraded``, ``unknown_sender``, ``forged``.
    """
    parsed = cose.parse_signed(signed, MAX_BYTES)
    return cose.verify(parsed, _aad(topic, sender.kid, recipients), {sender.kid: sender})
