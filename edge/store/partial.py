"""Parts of series that are still open, encrypted, until their result is spooled.

What is collected for one result is an *opening* of its series. `PartialSeries.parts` and
`PartialSeries.generation` freeze it: what comes later goes into a new opening beside it, and is
told by a result of its own. So what is sent is what is dropped, and a kill between the two loses
nothing that came meanwhile.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from edge.store.database import Guarded

# At most one opening of a series is not frozen. Studies of their own never share one, even if a
# scanner gives one series UID to both.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS opening (
    n INTEGER PRIMARY KEY AUTOINCREMENT, study BLOB NOT NULL, series BLOB NOT NULL,
    generation BLOB NOT NULL, touched REAL NOT NULL, frozen INTEGER NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX IF NOT EXISTS opening_open ON opening (series, study) WHERE frozen = 0;
CREATE INDEX IF NOT EXISTS opening_of ON opening (series, study, n);
CREATE TABLE IF NOT EXISTS opening_part (
    n INTEGER NOT NULL, object BLOB NOT NULL, sealed BLOB NOT NULL, PRIMARY KEY (n, object)
) WITHOUT ROWID;
"""


class PartialSeries:
    """Contributions of objects to their series; one row an object, so that doing one again replaces it.

    Where a call takes ``study``, it may be left out by a caller to whom a series handle is enough.

    Every call raises `edge.store.database.StoreError` if the disk fails; nothing was changed then.

    Args:
        path: SQLite file, made owner-only.
        key: 32 bytes; each part is AES-256-GCM under it, bound to its opening and object.
    """

    def __init__(self, path: Path, key: bytes) -> None:
        self._aead = AESGCM(key)
        self._file = Guarded(path, _SCHEMA)

    def put(self, study: bytes, series: bytes, object_id: bytes, part: bytes, now: float) -> None:
        """Store one object's part; ``now`` is Unix time in seconds.

        An object that stands in a frozen opening already is done again after a crash; it is counted
        there, and nothing changes.
        """
        with self._file.writing() as db:
            if db.execute(
                "SELECT 1 FROM opening JOIN opening_part USING (n)"
                " WHERE series = ? AND study = ? AND frozen = 1 AND object = ?",
                (series, study, object_id),
            ).fetchone():
                return
            n, generation = db.execute(
                "INSERT INTO opening (study, series, generation, touched) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (series, study) WHERE frozen = 0 DO UPDATE SET touched = excluded.touched"
                " RETURNING n, generation",
                (study, series, os.urandom(16), now),
            ).fetchone()
            nonce = os.urandom(12)
            sealed = nonce + self._aead.encrypt(nonce, part, generation + object_id)
            db.execute("INSERT OR REPLACE INTO opening_part VALUES (?, ?, ?)", (n, object_id, sealed))

    def objects(self, series: bytes, study: bytes | None = None) -> int:
        """How many objects are in the opening that still takes some."""
        with self._file.reading() as db:
            (count,) = db.execute(
                "SELECT COUNT(*) FROM opening JOIN opening_part USING (n)"
                " WHERE series = ?1 AND (?2 IS NULL OR study = ?2) AND frozen = 0",
                (series, study),
            ).fetchone()
        return int(count)

    def parts(self, series: bytes, study: bytes | None = None) -> list[bytes]:
        """All parts of the oldest opening, in the order of their objects' handles. Freezes it."""
        with self._file.writing() as db:
            found = _freeze(db, series, study)
            if found is None:
                return []
            n, generation = found
            rows = db.execute(
                "SELECT object, sealed FROM opening_part WHERE n = ? ORDER BY object", (n,)
            ).fetchall()
        return [self._aead.decrypt(sealed[:12], sealed[12:], generation + name) for name, sealed in rows]

    def silent_since(self, moment: float) -> list[tuple[bytes, bytes]]:
        """(study, series) of each opening whose last object came before ``moment``, oldest first.

        An opening that is frozen is due at once: its end was begun. A series that has one and is
        silent beside it is named twice.
        """
        with self._file.reading() as db:
            rows = db.execute(
                "SELECT study, series FROM opening WHERE frozen = 1 OR touched <= ? ORDER BY frozen DESC, n",
                (moment,),
            ).fetchall()
        return [(bytes(study), bytes(series)) for study, series in rows]

    def generation(self, series: bytes, study: bytes | None = None) -> bytes:
        """A name of the oldest opening: a result is sent once for each. Freezes it.

        Raises:
            KeyError: the series has no opening.
        """
        with self._file.writing() as db:
            found = _freeze(db, series, study)
        if found is None:
            raise KeyError("the series is not open")
        return hashlib.sha256(series + found[1]).digest()[:16]

    def drop(self, series: bytes, study: bytes | None = None) -> None:
        """Forget the oldest opening, whose result is in the spool. What came later stays."""
        with self._file.writing() as db:
            found = _oldest(db, series, study)
            if found is not None:
                db.execute("DELETE FROM opening_part WHERE n = ?", (found[0],))
                db.execute("DELETE FROM opening WHERE n = ?", (found[0],))

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _oldest(db: sqlite3.Connection, series: bytes, study: bytes | None) -> tuple[int, bytes] | None:
    """Number and generation of the opening to close next: one that is frozen comes first."""
    row = db.execute(
        "SELECT n, generation FROM opening WHERE series = ?1 AND (?2 IS NULL OR study = ?2)"
        " ORDER BY frozen DESC, n LIMIT 1",
        (series, study),
    ).fetchone()
    return (int(row[0]), bytes(row[1])) if row else None


def _freeze(db: sqlite3.Connection, series: bytes, study: bytes | None) -> tuple[int, bytes] | None:
    found = _oldest(db, series, study)
    if found is not None:
        db.execute("UPDATE opening SET frozen = 1 WHERE n = ? AND frozen = 0", (found[0],))
    return found
