"""Keys of the wire: Ed25519 for signatures, HPKE key pairs (X-Wing, X25519) for recipients.

A key is named by its ``kid``: the first 16 bytes of its COSE Key Thumbprint (RFC 9679), which is
SHA-256 over the deterministic CBOR of the key's required parameters. X-Wing has no registered COSE
key type yet; its thumbprint is taken over an AKP key (kty 7) with our private algorithm number.

On disk a private key is PEM: PKCS#8 for Ed25519 and X25519, and for X-Wing the PKCS#8 of the 32-byte
seed under the object identifier of draft-connolly-cfrg-xwing-kem (1.3.6.1.4.1.62253.25722). With a
passphrase, Ed25519 and X25519 use PKCS#8 encryption; X-Wing a scrypt and AES-256-GCM box, PEM label
``ENCRYPTED X-WING PRIVATE KEY``. Public keys on disk are PEM, too.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import TypeVar

import cbor2
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, hpke
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)

from edge.wire import pem

_T = TypeVar("_T")

KID_BYTES = 16
XWING_SEED_BYTES = 32
_MLKEM_PUBLIC_BYTES = 1184
_XWING_PUBLIC_BYTES = _MLKEM_PUBLIC_BYTES + 32

XWING_OID = bytes.fromhex("060b2b0601040183e62d81c87a")
"""DER of 1.3.6.1.4.1.62253.25722."""


class KeyFileError(Exception):
    """A key file is missing, unreadable, of the wrong kind, or open to others."""


class Kem(IntEnum):
    """How a content key is wrapped; the value is the COSE algorithm number of key encryption."""

    X25519 = 49
    """HPKE-3-KE (draft-ietf-cose-hpke): DHKEM(X25519), HKDF-SHA256, AES-128-GCM."""
    XWING = -91258
    """Private use, -65536 - 0x647A: X-Wing (MLKEM768-X25519), HKDF-SHA256, AES-256-GCM."""


_SUITES = {
    Kem.X25519: hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_128_GCM),
    Kem.XWING: hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM),
}
ENC_BYTES = {
    Kem.X25519: hpke.KEM.X25519.enc_length(),
    Kem.XWING: hpke.KEM.MLKEM768_X25519.enc_length(),
}
"""Length of HPKE's encapsulated key (Nenc, RFC 9180 section 7.1)."""

_PublicHandle = X25519PublicKey | hpke.MLKEM768X25519PublicKey
_PrivateHandle = X25519PrivateKey | hpke.MLKEM768X25519PrivateKey


def _thumbprint(required: dict[int, int | bytes]) -> bytes:
    return hashlib.sha256(cbor2.dumps(required, canonical=True)).digest()[:KID_BYTES]


@dataclass(frozen=True)
class VerifyKey:
    """An Ed25519 public key; ``raw`` is its 32 bytes (RFC 8032 section 5.1.5)."""

    raw: bytes

    def __post_init__(self) -> None:
        if len(self.raw) != 32:
            raise ValueError("an Ed25519 public key has 32 bytes")

    @property
    def kid(self) -> bytes:
        """Name of the key, 16 bytes."""
        return _thumbprint({1: 1, -1: 6, -2: self.raw})

    def verify(self, signature: bytes, data: bytes) -> bool:
        """Whether ``signature`` (64 bytes) over ``data`` was made by this key."""
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, data)
        except (InvalidSignature, ValueError):
            return False
        return True

    def save(self, path: Path) -> None:
        """Write as SubjectPublicKeyInfo PEM."""
        key = Ed25519PublicKey.from_public_bytes(self.raw)
        path.write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))

    @staticmethod
    def load(path: Path) -> VerifyKey:
        """Read a SubjectPublicKeyInfo PEM.

        Raises:
            KeyFileError: missing, or not an Ed25519 public key.
        """
        try:
            key = load_pem_public_key(path.read_bytes())
        except (OSError, ValueError) as error:
            raise KeyFileError(f"{path}: expected an Ed25519 public key in PEM") from error
        if not isinstance(key, Ed25519PublicKey):
            raise KeyFileError(f"{path}: expected an Ed25519 public key in PEM")
        return VerifyKey(key.public_bytes_raw())


class SigningKey:
    """An Ed25519 private key."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = VerifyKey(key.public_key().public_bytes_raw())
        self.kid = self.public.kid

    @staticmethod
    def generate() -> SigningKey:
        """A new key."""
        return SigningKey(Ed25519PrivateKey.generate())

    def sign(self, data: bytes) -> bytes:
        """Ed25519 signature over ``data``, 64 bytes."""
        return self._key.sign(data)

    def save(self, path: Path, passphrase: bytes | None = None) -> None:
        """Write as PKCS#8 PEM, owner-only; fails if the file exists."""
        pem.write_new(path, pem.pkcs8(self._key, passphrase))

    @staticmethod
    def load(path: Path, passphrase: bytes | None = None) -> SigningKey:
        """Read a PKCS#8 PEM.

        Raises:
            KeyFileError: missing, readable by others, wrong passphrase, or not Ed25519.
        """
        key = _loaded(path, lambda data: pem.load_pkcs8(data, passphrase))
        if not isinstance(key, Ed25519PrivateKey):
            raise KeyFileError(f"{path}: expected an Ed25519 private key in PKCS#8 PEM")
        return SigningKey(key)


@dataclass(frozen=True)
class Recipient:
    """A public key that messages are sealed to.

    ``raw``: X25519 32 bytes (RFC 7748); X-Wing 1216 bytes, ML-KEM-768 key then X25519 key.
    """

    kem: Kem
    raw: bytes
    kid: bytes = field(init=False, repr=False, compare=False)
    _handle: _PublicHandle = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.raw) != {Kem.X25519: 32, Kem.XWING: _XWING_PUBLIC_BYTES}[self.kem]:
            raise ValueError(f"a public key of {self.kem.name} has another length")
        object.__setattr__(self, "_handle", self._make_handle())
        object.__setattr__(self, "kid", self._make_kid())

    def _make_handle(self) -> _PublicHandle:
        if self.kem is Kem.X25519:
            return X25519PublicKey.from_public_bytes(self.raw)
        return hpke.MLKEM768X25519PublicKey(
            MLKEM768PublicKey.from_public_bytes(self.raw[:_MLKEM_PUBLIC_BYTES]),
            X25519PublicKey.from_public_bytes(self.raw[_MLKEM_PUBLIC_BYTES:]),
        )

    def _make_kid(self) -> bytes:
        if self.kem is Kem.X25519:
            return _thumbprint({1: 1, -1: 4, -2: self.raw})
        return _thumbprint({1: 7, 3: int(self.kem), -1: self.raw})

    def wrap(self, secret: bytes, info: bytes) -> tuple[bytes, bytes]:
        """HPKE base mode, single shot (RFC 9180 section 6.1), empty aad: (enc, ciphertext)."""
        both = _SUITES[self.kem].encrypt(secret, self._handle, info)
        return both[: ENC_BYTES[self.kem]], both[ENC_BYTES[self.kem] :]

    def save(self, path: Path) -> None:
        """Write as PEM, label ``EDGE <KEM> PUBLIC KEY``, holding ``raw``."""
        path.write_bytes(pem.armour(f"EDGE {self.kem.name} PUBLIC KEY", self.raw))

    @staticmethod
    def load(path: Path) -> Recipient:
        """Read what `save` wrote.

        Raises:
            KeyFileError: missing, or not a recipient's public key.
        """
        try:
            label, raw = pem.unarmour(path.read_bytes())
            return Recipient(Kem[label.split(" ")[1]], raw)
        except (OSError, ValueError, KeyError, IndexError) as error:
            raise KeyFileError(f"{path}: expected a recipient's public key") from error


class PrivateKey:
    """The private half of a `Recipient`. ``secret`` is the X25519 key or the X-Wing seed, 32 bytes."""

    def __init__(self, kem: Kem, secret: bytes) -> None:
        if len(secret) != 32:
            raise ValueError("a private key of X25519 or X-Wing has 32 bytes")
        self.kem = kem
        self._secret = secret
        self._handle: _PrivateHandle
        if kem is Kem.X25519:
            classical = X25519PrivateKey.from_private_bytes(secret)
            self._handle = classical
            public = classical.public_key().public_bytes_raw()
        else:
            # draft-connolly-cfrg-xwing-kem section 5.2, expandDecapsulationKey
            expanded = hashlib.shake_256(secret).digest(96)
            lattice = MLKEM768PrivateKey.from_seed_bytes(expanded[:64])
            curve = X25519PrivateKey.from_private_bytes(expanded[64:])
            self._handle = hpke.MLKEM768X25519PrivateKey(lattice, curve)
            public = lattice.public_key().public_bytes_raw() + curve.public_key().public_bytes_raw()
        self.recipient = Recipient(kem, public)
        self.kid = self.recipient.kid

    @staticmethod
    def generate(kem: Kem = Kem.XWING) -> PrivateKey:
        """A new key."""
        return PrivateKey(kem, os.urandom(32))

    def unwrap(self, enc: bytes, ciphertext: bytes, info: bytes) -> bytes:
        """Undo `Recipient.wrap`.

        Raises:
            cryptography.exceptions.InvalidTag: made for another key, another info, or altered.
        """
        return _SUITES[self.kem].decrypt(enc + ciphertext, self._handle, info)

    def derive(self, purpose: str) -> bytes:
        """A symmetric key, 32 bytes, that only the holder of this key can make: HKDF-SHA256 (RFC 5869)."""
        return HKDF(hashes.SHA256(), 32, salt=None, info=purpose.encode()).derive(self._secret)

    def save(self, path: Path, passphrase: bytes | None = None) -> None:
        """Write owner-only as this module says; fails if the file exists."""
        if isinstance(self._handle, X25519PrivateKey):
            pem.write_new(path, pem.pkcs8(self._handle, passphrase))
        else:
            pem.write_new(path, pem.xwing(self._secret, XWING_OID, passphrase))

    @staticmethod
    def load(path: Path, passphrase: bytes | None = None) -> PrivateKey:
        """Read what `save` wrote.

        Raises:
            KeyFileError: missing, readable by others, wrong passphrase, or of another kind.
        """

        def read(data: bytes) -> PrivateKey:
            if b"X-WING" in data:
                return PrivateKey(Kem.XWING, pem.load_xwing(data, XWING_OID, passphrase))
            key = pem.load_pkcs8(data, passphrase)
            if not isinstance(key, X25519PrivateKey):
                raise TypeError("not X25519")
            return PrivateKey(Kem.X25519, key.private_bytes_raw())

        return _loaded(path, read)


def _loaded(path: Path, read: Callable[[bytes], _T]) -> _T:
    try:
        return read(pem.read_private(path))
    except OSError as error:
        raise KeyFileError(f"{path}: {error.strerror}; expected a private key") from error
    except (ValueError, TypeError) as error:
        raise KeyFileError(
            f"{path}: {error}; expected a private key, owner-only, and its passphrase"
        ) from error
