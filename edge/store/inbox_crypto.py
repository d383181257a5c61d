"""How one object of the inbox is sealed: a key of its own, wrapped to the daemon's disk key.

File ``key``: HPKE (RFC 9180) single shot, KEM X-Wing (ML-KEM-768 with X25519), HKDF-SHA256,
AES-256-GCM, of a fresh 32-byte AES key, with the object's id in ``info``.

File ``data``: the length of the first sealed chunk (2 bytes, big-endian), then the chunks, each
AES-256-GCM under that key. The first chunk is the CBOR map of kind, source, time and length; the
others are the object in pieces of `CHUNK` bytes. The nonce is the number of the chunk (11 bytes,
big-endian) and one byte that is 1 for the last chunk, as in the STREAM construction (Hoang,
Reyhanitabar, Rogaway, Vizar 2015): chunks can be neither reordered nor cut off at the end. The key
serves one object, so a nonce never repeats.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import mlkem, x25519
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)

CHUNK = 1 << 20
TAG = 16
_INFO = b"edge inbox 1 "
_SUITE = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_MLKEM_PUBLIC, _MLKEM_SEED, _X25519 = 1184, 64, 32

DiskPublicKey = MLKEM768X25519PublicKey
DiskPrivateKey = MLKEM768X25519PrivateKey


class SealBroken(Exception):  # noqa: N818  it says what happened
    """A sealed object or its key was changed, cut short, or sealed to another disk key."""


def new_key() -> bytes:
    """A fresh key for one object."""
    return AESGCM.generate_key(256)


def wrap(key: bytes, public_key: DiskPublicKey, object_id: bytes) -> bytes:
    """The content of the file ``key``."""
    return _SUITE.encrypt(key, public_key, _INFO + object_id)


def unwrap(wrapped: bytes, private_key: DiskPrivateKey, object_id: bytes) -> bytes:
    """The object's key.

    Raises:
        SealBroken: it was not wrapped to this disk key for this object.
    """
    try:
        return _SUITE.decrypt(wrapped, private_key, _INFO + object_id)
    except (InvalidTag, ValueError) as error:
        raise SealBroken("the object's key does not open with this box's disk key") from error


def _nonce(number: int, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])


def seal_chunks(key: bytes, head: bytes, data: bytes | bytearray | memoryview) -> Iterator[bytes]:
    """Sealed chunks: first ``head``, then ``data`` in pieces of `CHUNK`."""
    cipher = AESGCM(key)
    view = memoryview(data)
    pieces = -(-len(view) // CHUNK)
    sealed_head = cipher.encrypt(_nonce(0, pieces == 0), head, None)
    yield len(sealed_head).to_bytes(2, "big") + sealed_head
    for number in range(pieces):
        piece = view[number * CHUNK : (number + 1) * CHUNK]
        yield cipher.encrypt(_nonce(number + 1, number + 1 == pieces), piece, None)


def open_chunk(key: bytes, number: int, last: bool, sealed: bytes) -> bytes:
    """One chunk in plain.

    Raises:
        SealBroken: the chunk was changed or stands in the wrong place.
    """
    try:
        return AESGCM(key).decrypt(_nonce(number, last), sealed, None)
    except (InvalidTag, ValueError) as error:
        raise SealBroken("a chunk of the object was changed or is cut short") from error


def make_disk_key(state: Path) -> None:
    """Make the box's disk key pair: ``keys/disk.key`` (0600, 96 bytes) and ``disk.pub`` (1216 bytes).

    Both are raw: seed of ML-KEM-768 (64, FIPS 203 d and z) and X25519 private key (32); public keys
    1184 and 32. An existing private key is kept, since what lies in the inbox is sealed to it.

    Raises:
        OSError: the directory cannot be written.
        ValueError: there is a private key, and it is none.
    """
    private_path = state / "keys" / "disk.key"
    private_path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not private_path.exists():
        seeds = mlkem.MLKEM768PrivateKey.generate().private_bytes_raw()
        _write(private_path, seeds + x25519.X25519PrivateKey.generate().private_bytes_raw(), 0o600)
    mlkem_key, x25519_key = _private_parts(private_path)
    public = mlkem_key.public_key().public_bytes_raw() + x25519_key.public_key().public_bytes_raw()
    _write(state / "disk.pub", public, 0o644)


def load_public(path: Path) -> DiskPublicKey:
    """Read ``disk.pub``.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no disk key.
    """
    raw = path.read_bytes()
    if len(raw) != _MLKEM_PUBLIC + _X25519:
        raise ValueError(f"{path}: not a disk key; make one with: edge init-box")
    return MLKEM768X25519PublicKey(
        mlkem.MLKEM768PublicKey.from_public_bytes(raw[:_MLKEM_PUBLIC]),
        x25519.X25519PublicKey.from_public_bytes(raw[_MLKEM_PUBLIC:]),
    )


def load_private(path: Path) -> DiskPrivateKey:
    """Read ``keys/disk.key``.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no disk key.
    """
    return MLKEM768X25519PrivateKey(*_private_parts(path))


def _private_parts(path: Path) -> tuple[mlkem.MLKEM768PrivateKey, x25519.X25519PrivateKey]:
    raw = path.read_bytes()
    if len(raw) != _MLKEM_SEED + _X25519:
        raise ValueError(f"{path}: not a disk key; make one with: edge init-box")
    return (
        mlkem.MLKEM768PrivateKey.from_seed_bytes(raw[:_MLKEM_SEED]),
        x25519.X25519PrivateKey.from_private_bytes(raw[_MLKEM_SEED:]),
    )


def _write(path: Path, content: bytes, mode: int) -> None:
    partial = path.with_name(path.name + ".part")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make renames and removals in a directory last through a power cut."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
