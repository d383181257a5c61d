"""Identities that the custodian sealed anew, to a newer key, in a file of the custodian's own.

The vault keeps each identity block as the box sealed and signed it: so the evidence stays what it was. What
is sealed anew stands beside it and names, by SHA-256, the block that it was read from.

It is AES-256-GCM under a key that only the holder of the identity key can make (HKDF of the private key),
and not HPKE to the public one: to that, anybody could seal another patient's name.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from edge.clinic.vault import IdentityBlock, VaultError
from edge.imaging.frames import Identity
from edge.wire import cbor
from edge.wire.errors import EnvelopeError
from edge.wire.identity import from_plain, to_plain
from edge.wire.keys import PrivateKey

FILE = "resealed.sqlite"
_PURPOSE = "edge resealed identity 1"
_NONCE = 12
_SCHEMA = """
CREATE TABLE IF NOT EXISTS resealed (
    device TEXT NOT NULL, epoch BLOB NOT NULL, stream TEXT NOT NULL, seq INTEGER NOT NULL,
    kid BLOB NOT NULL, sealed BLOB NOT NULL, PRIMARY KEY (device, epoch, stream, seq)
) WITHOUT ROWID;
"""

Place = tuple[str, bytes, str, int]
"""Device, epoch, stream and number of the result that a block came with."""


def place_of(block: IdentityBlock) -> Place:
    """Where a block stands."""
    return block.device, block.epoch, block.stream, block.seq


class Resealed:
    """The file in the custodian's folder ``place``; nothing is made before something is put into it."""

    def __init__(self, place: Path) -> None:
        self._path = place / FILE

    def kids(self) -> dict[Place, bytes]:
        """To which key each identity is sealed here.

        Raises:
            VaultError: the file is damaged.
        """
        return {
            (device, epoch, stream, seq): kid
            for device, epoch, stream, seq, kid in self._read(
                "SELECT device, epoch, stream, seq, kid FROM resealed", ()
            )
        }

    def put(self, block: IdentityBlock, identity: Identity, key: PrivateKey) -> None:
        """Seal what ``block`` was opened to; what was there for it is replaced.

        Raises:
            VaultError: the file cannot be written.
        """
        nonce = os.urandom(_NONCE)
        sealed = nonce + AESGCM(key.derive(_PURPOSE)).encrypt(nonce, to_plain(identity), _bound(block))
        try:
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
            with closing(sqlite3.connect(self._path)) as database:
                database.execute("PRAGMA synchronous = FULL")
                database.execute("PRAGMA secure_delete = ON")
                database.executescript(_SCHEMA)
                with database:
                    database.execute(
                        "INSERT OR REPLACE INTO resealed VALUES (?, ?, ?, ?, ?, ?)",
                        (*place_of(block), key.kid, sealed),
                    )
        except (OSError, sqlite3.Error) as error:
            raise VaultError(f"{self._path} cannot be written: {error}") from error

    def open(self, block: IdentityBlock, keys: list[PrivateKey]) -> Identity | None:
        """The identity that was sealed anew for this very block, or None.

        Raises:
            EnvelopeError: ``wrong_recipient``: none of ``keys`` opens it; ``forged``: it was altered, or is
                of another block.
            VaultError: the file is damaged.
        """
        rows = self._read(
            "SELECT kid, sealed FROM resealed WHERE device = ? AND epoch = ? AND stream = ? AND seq = ?",
            place_of(block),
        )
        if not rows:
            return None
        kid, sealed = rows[0]
        key = next((key for key in keys if key.kid == kid), None)
        if key is None:
            raise EnvelopeError("wrong_recipient")
        try:
            aead = AESGCM(key.derive(_PURPOSE))
            return from_plain(aead.decrypt(sealed[:_NONCE], sealed[_NONCE:], _bound(block)))
        except InvalidTag as error:
            raise EnvelopeError("forged") from error

    def _read(self, query: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        if not self._path.exists():
            return []
        try:
            with closing(sqlite3.connect(f"{self._path.resolve().as_uri()}?mode=ro", uri=True)) as database:
                return database.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise VaultError(f"{self._path} cannot be read: {error}") from error


def _bound(block: IdentityBlock) -> bytes:
    """Associated data: the result, its handles, and the block as the box made it."""
    handles = [block.study, block.series, block.object]
    return cbor.dumps([_PURPOSE, *place_of(block), *handles, hashlib.sha256(block.block).digest()])
