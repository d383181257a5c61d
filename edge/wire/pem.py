"""Private keys as files: owner-only, never overwritten, encrypted on request."""

from __future__ import annotations

import base64
import errno
import os
import re
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

_SCRYPT_LOG_N = 16
_PEM = re.compile(rb"-----BEGIN ([A-Z0-9 -]+)-----\s+([A-Za-z0-9+/=\s]+)-----END \1-----\s*")


def armour(label: str, data: bytes) -> bytes:
    """RFC 7468 text encoding."""
    text = base64.b64encode(data).decode()
    lines = [text[i : i + 64] for i in range(0, len(text), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""]).encode()


def unarmour(data: bytes) -> tuple[str, bytes]:
    """Label and content; ValueError if it is not PEM."""
    match = _PEM.fullmatch(data)
    if match is None:
        raise ValueError("not PEM")
    return match[1].decode(), base64.b64decode(match[2])


def write_new(path: Path, data: bytes) -> None:
    """Create ``path`` with mode 0600 and flush it to the disk; FileExistsError if it is there.

    It appears whole or not at all: a key that was cut short by a power cut could neither be used
    nor be made again.
    """
    if path.exists():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    aside = path.with_name(f".{path.name}.{secrets.token_hex(8)}.new")
    handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.link(aside, path)  # unlike a rename, it fails if the name is taken
    finally:
        aside.unlink()
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def read_private(path: Path) -> bytes:
    """Content of an owner-only file; ValueError if its group or others may read it."""
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_mode & 0o077:
            raise ValueError("others may read it (run: chmod 600)")
        return file.read()


def pkcs8(key: Ed25519PrivateKey | X25519PrivateKey, passphrase: bytes | None) -> bytes:
    """PKCS#8 PEM, encrypted if there is a passphrase."""
    how = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how)


def load_pkcs8(data: bytes, passphrase: bytes | None) -> object:
    """The key; ValueError or TypeError if it is not PKCS#8 or the passphrase does not fit."""
    return load_pem_private_key(data, passphrase or None)


def _der(tag: int, content: bytes) -> bytes:
    assert len(content) < 128
    return bytes([tag, len(content)]) + content


def _xwing_der(seed: bytes, oid: bytes) -> bytes:
    # PrivateKeyInfo (RFC 5208): version 0, AlgorithmIdentifier without parameters, OCTET STRING
    return _der(0x30, b"\x02\x01\x00" + _der(0x30, oid) + _der(0x04, seed))


def _scrypt(passphrase: bytes, salt: bytes) -> AESGCM:
    return AESGCM(Scrypt(salt=salt, length=32, n=1 << _SCRYPT_LOG_N, r=8, p=1).derive(passphrase))


def xwing(seed: bytes, oid: bytes, passphrase: bytes | None) -> bytes:
    """PEM of an X-Wing seed (32 bytes). Encrypted: salt 16, nonce 12, AES-256-GCM of the PKCS#8."""
    der = _xwing_der(seed, oid)
    if not passphrase:
        return armour("X-WING PRIVATE KEY", der)
    salt, nonce = os.urandom(16), os.urandom(12)
    return armour(
        "ENCRYPTED X-WING PRIVATE KEY", salt + nonce + _scrypt(passphrase, salt).encrypt(nonce, der, None)
    )


def load_xwing(data: bytes, oid: bytes, passphrase: bytes | None) -> bytes:
    """The seed; ValueError if the file is of another kind or the passphrase does not fit."""
    label, der = unarmour(data)
    if label == "ENCRYPTED X-WING PRIVATE KEY":
        if not passphrase:
            raise ValueError("needs its passphrase")
        try:
            der = _scrypt(passphrase, der[:16]).decrypt(der[16:28], der[28:], None)
        except InvalidTag as error:
            raise ValueError("wrong passphrase") from error
    seed = der[-32:]
    if len(der) < 32 or der != _xwing_der(seed, oid):
        raise ValueError("not an X-Wing private key")
    return seed
