"""Random handles for studies and series, and which objects were answered before.

The file holds no UID: only HMAC-SHA-256 of it under a key of this box, beside a random handle. A
handle tells nothing about the UID, and who steals the file without the key cannot even test a guess.
Entries that were not used for ``max_age`` seconds of running time are forgotten.
"""

from __future__ import annotations

import hmac
import os
import time
from collections.abc import Callable
from pathlib import Path

from edge.store.database import Guarded, RunningTime

HANDLE_BYTES = 16
KEY_BYTES = 32

_SCHEMA = """
CREATE TABLE IF NOT EXISTS handle (
    name BLOB PRIMARY KEY, handle BLOB NOT NULL, used REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS handle_used ON handle (used);
"""


class Handles:
    """Keyed, persistent map from DICOM UIDs to handles. Safe to use from several threads.

    Args:
        path: the SQLite file; made owner-only if it is not there.
        key: 32 bytes, of this box alone.
        max_age: seconds of running time after which an unused entry goes.
        clock: monotonic seconds.

    Raises:
        StoreError: the file cannot be opened.
    """

    def __init__(
        self,
        path: Path,
        key: bytes,
        max_age: float = 30 * 86_400,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError("expected a key of 32 bytes")
        self._key, self._max_age = key, max_age
        self._file = Guarded(path, _SCHEMA)
        with self._file.reading() as db:
            self._running = RunningTime(db, clock)

    def study(self, uid: str) -> bytes:
        """The handle of a Study Instance UID (0020,000D), 16 bytes; made at its first use.

        An empty UID names no study: each call gives a fresh handle, so that objects which say
        nothing are not taken for one study, perhaps of several patients.
        """
        return self._of(b"study", uid)

    def series(self, uid: str) -> bytes:
        """The handle of a Series Instance UID (0020,000E), likewise."""
        return self._of(b"series", uid)

    def claim(self, sop_uid: str, content: bytes, object_id: bytes) -> bool:
        """Take an object as ours to answer; False if another object with the same content was.

        Args:
            sop_uid: SOP Instance UID (0008,0018).
            content: SHA-256 of the object as received.
            object_id: what claims it, 16 bytes. The same one may claim again, after a crash.
        """
        name = self._name(b"object", _bytes(sop_uid), content)
        return self._handle(name, object_id) == object_id

    def release(self, sop_uid: str, content: bytes) -> None:
        """Give up a claim: the same object, sent again, is answered anew."""
        name = self._name(b"object", _bytes(sop_uid), content)
        with self._file.writing() as db:
            db.execute("DELETE FROM handle WHERE name = ?", (name,))

    def _of(self, kind: bytes, uid: str) -> bytes:
        fresh = os.urandom(HANDLE_BYTES)
        return self._handle(self._name(kind, _bytes(uid)), fresh) if uid else fresh

    def _name(self, kind: bytes, *parts: bytes) -> bytes:
        framed = b"".join(len(part).to_bytes(4, "big") + part for part in (kind, *parts))
        return hmac.digest(self._key, framed, "sha256")

    def _handle(self, name: bytes, new: bytes) -> bytes:
        with self._file.writing() as db:
            now = self._running.keep()
            db.execute("DELETE FROM handle WHERE used < ?", (now - self._max_age,))
            (handle,) = db.execute(
                "INSERT INTO handle VALUES (?, ?, ?)"
                " ON CONFLICT (name) DO UPDATE SET used = excluded.used RETURNING handle",
                (name, new, now),
            ).fetchone()
            return bytes(handle)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _bytes(uid: str) -> bytes:
    # A header from a stranger may hold what UTF-8 cannot.
    return uid.encode("utf-8", "surrogatepass")
