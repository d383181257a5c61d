"""Parts of series that are still open, encrypted, until their result is spooled."""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from edge.store.database import open_database

_SCHEMA = """
CREATE TABLE IF NOT EXISTS series (
    series BLOB PRIMARY KEY, study BLOB NOT NULL, generation BLOB NOT NULL, touched REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS part (
    series BLOB NOT NULL, object BLOB NOT NULL, sealed BLOB NOT NULL, PRIMARY KEY (series, object)
) WITHOUT ROWID;
"""


class PartialSeries:
    """Contributions of objects to their series; one row an object, so that doing one again replaces it.

    Args:
        path: SQLite file, made owner-only.
        key: 32 bytes; each part is AES-256-GCM under it, bound to its series and object.
    """

    def __init__(self, path: Path, key: bytes) -> None:
        self._aead = AESGCM(key)
        self._lock = threading.Lock()
        self._db = open_database(path, _SCHEMA)

    def put(self, study: bytes, series: bytes, object_id: bytes, part: bytes, now: float) -> None:
        """Store one object's part; ``now`` is Unix time in seconds."""
        nonce = os.urandom(12)
        sealed = nonce + self._aead.encrypt(nonce, part, series + object_id)
        with self._lock, self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute(
                "INSERT INTO series VALUES (?, ?, ?, ?)"
                " ON CONFLICT (series) DO UPDATE SET touched = excluded.touched",
                (series, study, os.urandom(16), now),
            )
            self._db.execute("INSERT OR REPLACE INTO part VALUES (?, ?, ?)", (series, object_id, sealed))

    def objects(self, series: bytes) -> int:
        """How many objects of the series are here."""
        with self._lock:
            row = self._db.execute("SELECT COUNT(*) FROM part WHERE series = ?", (series,)).fetchone()
        return int(row[0])

    def parts(self, series: bytes) -> list[bytes]:
        """All parts of the series, in the order of their objects' handles."""
        with self._lock:
            rows = self._db.execute(
                "SELECT object, sealed FROM part WHERE series = ? ORDER BY object", (series,)
            ).fetchall()
        return [
            self._aead.decrypt(sealed[:12], sealed[12:], series + object_id) for object_id, sealed in rows
        ]

    def silent_since(self, moment: float) -> list[tuple[bytes, bytes]]:
        """(study, series) of each open series whose last object came before ``moment``."""
        with self._lock:
            rows = self._db.execute(
                "SELECT study, series FROM series WHERE touched <= ? ORDER BY touched", (moment,)
            ).fetchall()
        return [(bytes(study), bytes(series)) for study, series in rows]

    def generation(self, series: bytes) -> bytes:
        """A name of this opening of the series: a result is sent once for each."""
        with self._lock:
            row = self._db.execute("SELECT generation FROM series WHERE series = ?", (series,)).fetchone()
        return hashlib.sha256(series + bytes(row[0])).digest()[:16]

    def drop(self, series: bytes) -> None:
        """Forget a series whose result is in the spool."""
        with self._lock, self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute("DELETE FROM part WHERE series = ?", (series,))
            self._db.execute("DELETE FROM series WHERE series = ?", (series,))

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()
