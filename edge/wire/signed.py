"""Signed messages that are not secret: acknowledgements, commands, statuses, states.

A COSE_Sign1 (RFC 9052, tag 18) with Ed25519, whose external aad is the deterministic CBOR of
``["edge signed 1", topic]``: a message cannot be moved to another topic, nor pass for an envelope's
inside. The signer's kid stands in the protected header.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from edge.wire import cbor, cose
from edge.wire.keys import SigningKey, VerifyKey

CONTEXT = "edge signed 1"
MAX_BYTES = 1 << 20


@dataclass(frozen=True)
class Verified:
    """A payload whose signature was checked, and whose key made it."""

    payload: bytes
    kid: bytes


def _aad(topic: str) -> bytes:
    return cbor.dumps([CONTEXT, topic])


def sign_message(topic: str, payload: bytes, key: SigningKey) -> bytes:
    """Sign ``payload`` for ``topic``."""
    return cose.sign(payload, {}, _aad(topic), key)


def verify_message(data: bytes, topic: str, keys: Iterable[VerifyKey]) -> Verified:
    """Check what was published on ``topic``.

    Raises:
        EnvelopeError: ``too_large``, ``malformed``, ``downgraded``, ``unknown_sender``, ``forged``
            (made for another topic included).
    """
    parsed = cose.parse_signed(data, MAX_BYTES)
    payload = cose.verify(parsed, _aad(topic), {key.kid: key for key in keys})
    return Verified(payload, parsed.header[cose.KID])
