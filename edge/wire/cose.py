"""The two COSE layers (RFC 9052) that envelope, identity block and signed messages are made of.

COSE_Encrypt: AES-256-GCM under a fresh content key, which each recipient gets by HPKE key
encryption (draft-ietf-cose-hpke): HPKE's info is the draft's Recipient_structure
``["HPKE Recipient", 3, protected, extra]`` and its aad is empty. COSE_Sign1: Ed25519.

Both layers are strict. Each header holds exactly the parameters named here, each structure is its
one deterministic encoding, and an algorithm that is not named here is refused before any key is
used. ``aad`` is the external additional authenticated data; it is also ``extra``, so that a wrapped
key cannot be moved into another message.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cbor2
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from edge.wire import cbor
from edge.wire.errors import EnvelopeError
from edge.wire.keys import ENC_BYTES, KID_BYTES, Kem, PrivateKey, Recipient, SigningKey, VerifyKey

TAG_SIGN1, TAG_ENCRYPT = 18, 96
ALG, KID, IV, EK = 1, 4, 5, -4
AES_256_GCM, ED25519 = 3, -19
CEK_BYTES, IV_BYTES, SIGNATURE_BYTES, TAG_BYTES = 32, 12, 64, 16
MAX_RECIPIENTS = 8

Header = dict[int, Any]


@dataclass(frozen=True)
class Encrypted:
    """A COSE_Encrypt that has been parsed but not believed."""

    protected: bytes
    header: Header
    iv: bytes
    ciphertext: bytes
    recipients: tuple[WrappedKey, ...]


@dataclass(frozen=True)
class WrappedKey:
    """One COSE_recipient."""

    kem: Kem
    kid: bytes
    enc: bytes
    ciphertext: bytes


@dataclass(frozen=True)
class Signed:
    """A COSE_Sign1 that has been parsed but not believed."""

    protected: bytes
    header: Header
    payload: bytes
    signature: bytes


def _recipient_info(kem: Kem, aad: bytes) -> bytes:
    return cbor.dumps(["HPKE Recipient", AES_256_GCM, _recipient_protected(kem), aad])


def _recipient_protected(kem: Kem) -> bytes:
    return cbor.dumps({ALG: int(kem)})


def encrypt(plaintext: bytes, header: Header, aad: bytes, recipients: Sequence[Recipient]) -> bytes:
    """COSE_Encrypt of ``plaintext``; ``header`` is added to the protected header."""
    protected = cbor.dumps({ALG: AES_256_GCM, **header})
    cek, iv = os.urandom(CEK_BYTES), os.urandom(IV_BYTES)
    ciphertext = AESGCM(cek).encrypt(iv, plaintext, cbor.dumps(["Encrypt", protected, aad]))
    wrapped = []
    for recipient in recipients:
        enc, key = recipient.wrap(cek, _recipient_info(recipient.kem, aad))
        wrapped.append([_recipient_protected(recipient.kem), {KID: recipient.kid, EK: enc}, key])
    return cbor.dumps(cbor2.CBORTag(TAG_ENCRYPT, [protected, {IV: iv}, ciphertext, wrapped]))


def sign(payload: bytes, header: Header, aad: bytes, signer: SigningKey) -> bytes:
    """COSE_Sign1 of ``payload``; ``header`` is added to the protected header."""
    protected = cbor.dumps({ALG: ED25519, KID: signer.kid, **header})
    signature = signer.sign(cbor.dumps(["Signature1", protected, aad, payload]))
    return cbor.dumps(cbor2.CBORTag(TAG_SIGN1, [protected, {}, payload, signature]))


def _load(data: bytes, size: int, tag: int, parts: int) -> list[Any]:
    try:
        value = cbor.loads(data, cbor.Limits(size=size, depth=5, items=256), frozenset({tag}))
    except cbor.CborError as error:
        raise EnvelopeError("too_large" if error.reason == "too_large" else "malformed") from error
    if not isinstance(value, cbor2.CBORTag) or value.tag != tag:
        raise EnvelopeError("malformed")
    body = value.value
    if not isinstance(body, list) or len(body) != parts:
        raise EnvelopeError("malformed")
    return body


def _protected(data: object, algorithms: frozenset[int], others: frozenset[int]) -> Header:
    if not isinstance(data, bytes):
        raise EnvelopeError("malformed")
    try:
        header = cbor.loads(data, cbor.Limits(size=1024, depth=2, items=32))
    except cbor.CborError as error:
        raise EnvelopeError("malformed") from error
    if not isinstance(header, dict) or header.keys() != {ALG} | others:
        raise EnvelopeError("malformed")
    if type(header[ALG]) is not int or header[ALG] not in algorithms:
        raise EnvelopeError("downgraded")
    return header


def _bytes(value: object, length: int | None = None) -> bytes:
    if not isinstance(value, bytes) or (length is not None and len(value) != length):
        raise EnvelopeError("malformed")
    return value


def _unprotected(value: object, keys: set[int]) -> Header:
    if not isinstance(value, dict) or value.keys() != keys:
        raise EnvelopeError("malformed")
    return value


def parse_encrypted(data: bytes, size: int, labels: frozenset[int], kems: frozenset[Kem]) -> Encrypted:
    """Take a COSE_Encrypt apart. ``labels``: what its protected header holds besides the algorithm.

    Raises:
        EnvelopeError: ``too_large``, ``malformed``, ``downgraded``.
    """
    protected, unprotected, ciphertext, recipients = _load(data, size, TAG_ENCRYPT, 4)
    header = _protected(protected, frozenset({AES_256_GCM}), labels)
    iv = _bytes(_unprotected(unprotected, {IV})[IV], IV_BYTES)
    if len(_bytes(ciphertext)) < TAG_BYTES:
        raise EnvelopeError("malformed")
    if not isinstance(recipients, list) or not 1 <= len(recipients) <= MAX_RECIPIENTS:
        raise EnvelopeError("malformed")
    wrapped = tuple(_parse_recipient(item, kems) for item in recipients)
    if len({item.kid for item in wrapped}) != len(wrapped):
        raise EnvelopeError("malformed")
    return Encrypted(protected, header, iv, ciphertext, wrapped)


def _parse_recipient(item: object, kems: frozenset[Kem]) -> WrappedKey:
    if not isinstance(item, list) or len(item) != 3:
        raise EnvelopeError("malformed")
    kem = Kem(_protected(item[0], frozenset(map(int, kems)), frozenset())[ALG])
    unprotected = _unprotected(item[1], {KID, EK})
    return WrappedKey(
        kem,
        _bytes(unprotected[KID], KID_BYTES),
        _bytes(unprotected[EK], ENC_BYTES[kem]),
        _bytes(item[2], CEK_BYTES + TAG_BYTES),
    )


def decrypt(parsed: Encrypted, aad: bytes, keys: Sequence[PrivateKey]) -> bytes:
    """Open with the first of ``keys`` that is among the recipients.

    Raises:
        EnvelopeError: ``wrong_recipient``, ``downgraded``, ``forged``.
    """
    ours = {key.kid: key for key in keys}
    wrapped = next((item for item in parsed.recipients if item.kid in ours), None)
    if wrapped is None:
        raise EnvelopeError("wrong_recipient")
    key = ours[wrapped.kid]
    if key.kem is not wrapped.kem:
        raise EnvelopeError("downgraded")
    try:
        cek = key.unwrap(wrapped.enc, wrapped.ciphertext, _recipient_info(wrapped.kem, aad))
        return AESGCM(cek).decrypt(
            parsed.iv, parsed.ciphertext, cbor.dumps(["Encrypt", parsed.protected, aad])
        )
    except (InvalidTag, ValueError) as error:
        raise EnvelopeError("forged") from error


def parse_signed(data: bytes, size: int, labels: frozenset[int] = frozenset()) -> Signed:
    """Take a COSE_Sign1 apart. ``labels``: what its protected header holds besides algorithm and kid.

    Raises:
        EnvelopeError: ``too_large``, ``malformed``, ``downgraded``.
    """
    protected, unprotected, payload, signature = _load(data, size, TAG_SIGN1, 4)
    header = _protected(protected, frozenset({ED25519}), labels | {KID})
    _bytes(header[KID], KID_BYTES)
    _unprotected(unprotected, set())
    return Signed(protected, header, _bytes(payload), _bytes(signature, SIGNATURE_BYTES))


def verify(parsed: Signed, aad: bytes, keys: Mapping[bytes, VerifyKey]) -> bytes:
    """The payload, if its signature verifies under the key that its kid names.

    Raises:
        EnvelopeError: ``unknown_sender``, ``forged``.
    """
    key = keys.get(parsed.header[KID])
    if key is None:
        raise EnvelopeError("unknown_sender")
    if not key.verify(parsed.signature, cbor.dumps(["Signature1", parsed.protected, aad, parsed.payload])):
        raise EnvelopeError("forged")
    return parsed.payload
