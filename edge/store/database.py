"""SQLite as the store uses it: survives power loss, owner-only, forgets what is deleted.

WAL with ``synchronous=FULL`` syncs at every commit, so what was committed is there after a power
cut. ``secure_delete`` overwrites deleted content.

`RunningTime` is the clock of every age bound: seconds for which the box ran with this file open. A
box without a battery may wake up in 1970 and jump to the present when it finds a time server; by
wall clock all its rows would be too old at that moment, and lost.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_META = "CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;"


class StoreError(OSError):
    """The store cannot do its work now; nothing was changed. ``reason`` is one of a closed list."""

    def __init__(self, reason: str, advice: str) -> None:
        super().__init__(f"{reason}: {advice}")
        self.reason = reason


def failed(error: sqlite3.Error) -> StoreError:
    """What SQLite's error means for whoever runs the box."""
    text = str(error)
    if "full" in text:
        return StoreError("disk_full", "free space on the disk of the box's state directory")
    if "malformed" in text or "not a database" in text:
        return StoreError("damaged", "move the file away; a new one starts under a new epoch")
    return StoreError("unavailable", "check the disk of the box's state directory")


def open_database(path: Path, schema: str) -> sqlite3.Connection:
    """Open or make the file, mode 0600. The caller guards the connection with a lock.

    Raises:
        StoreError: it cannot be opened, or is no database.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        try:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=FULL")
            db.execute("PRAGMA secure_delete=ON")
            db.executescript(_META + schema)
        except sqlite3.Error:
            db.close()
            raise
    except sqlite3.Error as error:
        raise failed(error) from error
    except OSError as error:
        raise StoreError("unavailable", "check the disk of the box's state directory") from error
    return db


class Guarded:
    """A connection for several threads; whatever SQLite raises comes out as `StoreError`."""

    def __init__(self, path: Path, schema: str) -> None:
        """Open or make the file; raises `StoreError`."""
        self._db = open_database(path, schema)
        self._lock = threading.RLock()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """The connection, alone; inside of `writing` it sees what was written so far."""
        with self._lock:
            try:
                yield self._db
            except sqlite3.Error as error:
                raise failed(error) from error

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction; an error of any kind takes all of it back."""
        with self.reading() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()


def remembered(db: sqlite3.Connection, key: str, make: Callable[[], bytes]) -> bytes:
    """A value that is made once in the life of the file."""
    db.execute("INSERT OR IGNORE INTO meta VALUES (?, ?)", (key, make()))
    (value,) = db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return bytes(value)


class RunningTime:
    """Seconds that the box ran with this file open; only rises, whatever the wall clock does."""

    def __init__(self, db: sqlite3.Connection, clock: Callable[[], float]) -> None:
        row = db.execute("SELECT value FROM meta WHERE key = 'running'").fetchone()
        self._db, self._clock = db, clock
        self._offset = (float(row[0]) if row else 0.0) - clock()

    def now(self) -> float:
        """The present."""
        return self._clock() + self._offset

    def keep(self) -> float:
        """The present, kept for the next start; call it inside a transaction that writes anyway."""
        now = self.now()
        self._db.execute("INSERT OR REPLACE INTO meta VALUES ('running', ?)", (now,))
        return now
