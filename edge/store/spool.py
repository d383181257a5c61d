"""The spool: sealed messages until the receiver has signed for them.

One row is one number of one stream. Number, seal, row, and the note that a source is answered are
one transaction: whatever happens to the power, a number is used once and a source has one row.

A row leaves in one of two ways. `acknowledge` deletes it on the receiver's word; everything else
(bounds, dead letters) leaves a gap record in the same transaction, which is published as a row of
its own, so that the clinic knows what it lacks.

When the bytes run out, the lowest priority goes first, and in it the oldest. Rows that answer a
``source`` displace only lower priorities: their object can wait where it is, so `append` refuses
them (reason ``full``) rather than lose an older result.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edge.store import gaps
from edge.store.database import RunningTime, StoreError, failed, open_database, remembered
from edge.store.flight import Flight
from edge.store.gaps import PendingGap, Why

_SCHEMA = (
    """
CREATE TABLE IF NOT EXISTS stream (
    name TEXT PRIMARY KEY, last INTEGER NOT NULL, priority INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS row (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    stream TEXT NOT NULL, seq INTEGER NOT NULL, topic TEXT NOT NULL, priority INTEGER NOT NULL,
    born REAL NOT NULL, size INTEGER NOT NULL,
    gap_first INTEGER, gap_last INTEGER, gap_why TEXT,
    sealed BLOB NOT NULL,
    UNIQUE (stream, seq)
);
CREATE INDEX IF NOT EXISTS row_priority ON row (priority, id);
CREATE INDEX IF NOT EXISTS row_born ON row (born);
CREATE INDEX IF NOT EXISTS row_gap ON row (stream) WHERE gap_first IS NOT NULL;
CREATE TABLE IF NOT EXISTS source (source BLOB PRIMARY KEY, born REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS dead (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    stream TEXT NOT NULL, seq INTEGER NOT NULL, topic TEXT NOT NULL, why TEXT NOT NULL,
    born REAL NOT NULL, size INTEGER NOT NULL, sealed BLOB NOT NULL
);
"""
    + gaps.SCHEMA
)

_NEXT = (
    "INSERT INTO stream VALUES (?, 1, ?)"
    " ON CONFLICT (name) DO UPDATE SET last = last + 1, priority = excluded.priority RETURNING last"
)
_INSERT = (
    "INSERT INTO row (stream, seq, topic, priority, born, size, gap_first, gap_last, gap_why, sealed)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_DELETE = "DELETE FROM row WHERE id = ? RETURNING stream, seq, priority, size, gap_first, gap_last, gap_why"
_ONE = "SELECT id, stream, seq, topic, sealed FROM row WHERE id = ?"
_LATER = (
    "SELECT id, stream, seq, topic, sealed FROM row"
    " WHERE stream = ? AND seq > ? AND gap_first IS NULL ORDER BY seq LIMIT ?"
)
_TELLING = "SELECT id, stream, seq, topic, sealed FROM row WHERE gap_first IS NOT NULL ORDER BY id"
_MOST_TOLD = 16
"""Gaps of a stream that are told between two acknowledgements of it. More would fill the spool of a box
that is cut off for weeks; they grow together meanwhile."""


@dataclass(frozen=True)
class Row:
    """One sealed message."""

    id: int
    stream: str
    seq: int
    topic: str
    sealed: bytes


@dataclass(frozen=True)
class Counts:
    """What the spool holds. ``dead``: messages that the broker refused for good."""

    rows: int
    bytes: int
    dead: int
    gaps: int


class Spool:
    """Sealed messages on disk. Safe to use from several threads.

    Args:
        path: the SQLite file; made owner-only if it is not there.
        max_bytes: bound on sealed bytes, dead letters included.
        max_age: bound on age in seconds of running time (see `edge.store.database.RunningTime`).
        clock: monotonic seconds.
        resend_after: seconds after which a row that was sent and not acknowledged is due again; the
            time doubles with each further try, up to 64 times.
        window: how many rows of one stream may be sent and not acknowledged at once. It bounds what
            piles up at the broker while the receiver is away.

    Raises:
        StoreError: the file cannot be opened.
    """

    def __init__(
        self,
        path: Path,
        max_bytes: int,
        max_age: float,
        clock: Callable[[], float] = time.monotonic,
        *,
        resend_after: float = 15.0,
        window: int = 256,
    ) -> None:
        self._lock = threading.RLock()
        self._max_bytes, self._max_age = max_bytes, max_age
        self._db = open_database(path, _SCHEMA)
        self._flight = Flight(resend_after, window)
        self._listeners: list[Callable[[], None]] = []
        self._held: Counter[int | None] = Counter()  # bytes by priority; dead letters under None
        self._told: Counter[str] = Counter()  # gaps told since the stream's last acknowledgement
        self._gone: list[int] = []  # rows that the transaction under way deletes
        with self._writing():
            self.epoch = remembered(self._db, "epoch", lambda: os.urandom(16))
            self._running = RunningTime(self._db, clock)
            self._running.keep()
            self._weigh()

    def _weigh(self) -> None:
        for priority, size in self._db.execute(
            "SELECT priority, SUM(size) FROM row GROUP BY priority UNION ALL SELECT NULL, SUM(size) FROM dead"
        ):
            self._held[priority] += size or 0

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                yield self._db
            except sqlite3.Error as error:
                raise failed(error) from error

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction; what is kept in memory follows it."""
        with self._reading() as db:
            held, self._gone = self._held.copy(), []
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                self._held = held
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise
            self._flight.landed(self._gone)

    def on_append(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` after each new row; it must not block."""
        self._listeners.append(listener)

    def append(
        self,
        stream: str,
        topic: str,
        seal: Callable[[int], bytes],
        *,
        source: bytes | None = None,
        priority: int,
    ) -> int | None:
        """Number, seal and store one message; return its number.

        Args:
            stream: numbers rise by one in each stream.
            topic: where it will be published.
            seal: makes the sealed bytes for a number; if it raises, nothing was changed.
            source: what the message answers. None is returned if it was answered before.
            priority: the lowest is given up first.

        Raises:
            StoreError: ``full`` (with a ``source``), ``disk_full``, ``unavailable``; nothing was changed.
        """
        with self._writing() as db:
            now = self._running.keep()
            self._drop_old(now)
            if source is not None:
                if self._answered(source):
                    return None
                db.execute("INSERT INTO source VALUES (?, ?)", (source, now))
            seq = self._next(stream, priority)
            sealed = seal(seq)
            if len(sealed) > self._max_bytes:
                gaps.add(db, stream, seq, seq, "too_large")
            elif self._make_room(len(sealed), priority if source is None else priority - 1):
                self._insert(stream, seq, topic, priority, now, sealed)
            elif source is not None:
                raise StoreError("full", "results wait for the receiver; see that it runs and acknowledges")
            else:
                gaps.add(db, stream, seq, seq, "bytes")
        self._tell()
        return seq

    def report_gap(
        self, gap: PendingGap, topic: str, seal: Callable[[int], bytes], *, priority: int
    ) -> int | None:
        """Turn a pending gap into a row that tells the clinic; return the row's number.

        None if the gap has grown or gone meanwhile: ask for `pending_gaps` again.
        """
        with self._writing() as db:
            if gap not in gaps.pending(db):
                return None
            db.execute("DELETE FROM gap WHERE id = ?", (gap.id,))
            seq = self._next(gap.stream, priority)
            told = (gap.first, gap.last, gap.why)
            self._insert(gap.stream, seq, topic, priority, self._running.keep(), seal(seq), told)
        self._told[gap.stream] += 1
        self._tell()
        return seq

    def _next(self, stream: str, priority: int) -> int:
        (seq,) = self._db.execute(_NEXT, (stream, priority)).fetchone()
        return int(seq)

    def _insert(
        self,
        stream: str,
        seq: int,
        topic: str,
        priority: int,
        now: float,
        sealed: bytes,
        told: tuple[int | None, int | None, str | None] = (None, None, None),
    ) -> None:
        self._db.execute(_INSERT, (stream, seq, topic, priority, now, len(sealed), *told, sealed))
        self._held[priority] += len(sealed)

    def _make_room(self, size: int, below: int) -> bool:
        """Give up dead letters, then rows of priority ``below`` or lower; False if that is not enough."""
        over = sum(self._held.values()) + size - self._max_bytes
        can_go = sum(held for priority, held in self._held.items() if priority is None or priority <= below)
        if over > can_go:
            return False
        while over > 0:
            over -= self._bury_oldest() or self._give_up_oldest()
        return True

    def _give_up_oldest(self) -> int:
        (row,) = self._db.execute("SELECT id FROM row ORDER BY priority, id LIMIT 1").fetchone()
        return self._give_up(row, "bytes")

    def _bury_oldest(self) -> int:
        """Delete the oldest dead letter; return its bytes, 0 if there is none."""
        row = self._db.execute(
            "DELETE FROM dead WHERE id = (SELECT MIN(id) FROM dead) RETURNING size"
        ).fetchone()
        size = int(row[0]) if row else 0
        self._held[None] -= size
        return size

    def _drop_old(self, now: float) -> None:
        born = now - self._max_age
        for (row,) in self._db.execute("SELECT id FROM row WHERE born < ? ORDER BY id", (born,)).fetchall():
            self._give_up(row, "age")
        self._db.execute("DELETE FROM source WHERE born < ?", (born,))
        for (size,) in self._db.execute("DELETE FROM dead WHERE born < ? RETURNING size", (born,)).fetchall():
            self._held[None] -= size

    def _give_up(self, row: int, why: Why) -> int:
        """Delete a row and record the gap; a gap that it told of is pending again. Returns its bytes."""
        found = self._db.execute(_DELETE, (row,)).fetchone()
        if found is None:
            return 0
        stream, seq, priority, size, *told = found
        self._held[priority] -= size
        gaps.add(self._db, stream, seq, seq, why)
        if told[0] is not None:
            gaps.add(self._db, stream, *told)
        self._gone.append(row)
        return int(size)

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()

    def _answered(self, source: bytes) -> bool:
        return self._db.execute("SELECT 1 FROM source WHERE source = ?", (source,)).fetchone() is not None

    def answered(self, source: bytes) -> bool:
        """Whether a message that answers ``source`` was ever stored."""
        with self._reading():
            return self._answered(source)

    def forget_source(self, source: bytes) -> None:
        """Drop the note of a source that is gone and cannot come again."""
        with self._writing() as db:
            db.execute("DELETE FROM source WHERE source = ?", (source,))

    def due(self, now: float, limit: int) -> list[Row]:
        """Up to ``limit`` rows to send: those to send again, those that tell of gaps, new ones.

        New rows come stream by stream, the stream of the highest priority first, each in the order
        of its numbers. The caller reports a prefix of the list to `sent`.

        A row that tells of a gap goes past the stream's window: the window may be full of rows that
        the receiver cannot acknowledge before it knows of the gap.
        """
        with self._reading() as db:
            again = [db.execute(_ONE, (id_,)).fetchone() for id_ in self._flight.overdue(now)[:limit]]
            rows = [Row(*row) for row in again if row]
            rows += [Row(*row) for row in db.execute(_TELLING) if row[0] not in self._flight]
            for (stream,) in db.execute("SELECT name FROM stream ORDER BY priority DESC, name").fetchall():
                room = min(limit - len(rows), self._flight.room(stream))
                if room > 0:
                    rows += [
                        Row(*row) for row in db.execute(_LATER, (stream, self._flight.cursor(stream), room))
                    ]
            return rows[:limit]

    def sent(self, rows: Iterable[int], now: float) -> None:
        """Note that these rows were handed to the broker at ``now``."""
        with self._reading() as db:
            for id_ in rows:
                found = db.execute("SELECT stream, seq, gap_first FROM row WHERE id = ?", (id_,)).fetchone()
                if found:
                    stream, seq, tells = found
                    self._flight.sent(id_, now, (stream, seq) if tells is None else None)

    def acknowledge(self, stream: str, epoch: bytes, upto: int) -> int:
        """Delete what the receiver holds: numbers 1 to ``upto``. Returns how many rows went.

        Another epoch, or a number that was never given, deletes nothing.
        """
        with self._writing() as db:
            last = db.execute("SELECT last FROM stream WHERE name = ?", (stream,)).fetchone()
            if epoch != self.epoch or last is None or upto > last[0]:
                return 0
            gone = db.execute(
                "DELETE FROM row WHERE stream = ? AND seq <= ? RETURNING id, priority, size", (stream, upto)
            ).fetchall()
            for id_, priority, size in gone:
                self._held[priority] -= size
                self._gone.append(id_)
            gaps.settle(db, stream, upto)
            self._told[stream] = 0
            return len(gone)

    def dead_letter(self, row: int, why: Literal["refused", "too_large"]) -> None:
        """Set aside a row that the broker will never take; its number becomes a gap."""
        with self._writing() as db:
            db.execute(
                "INSERT INTO dead (stream, seq, topic, why, born, size, sealed)"
                " SELECT stream, seq, topic, ?, born, size, sealed FROM row WHERE id = ?",
                (why, row),
            )
            self._held[None] += self._give_up(row, why)

    def pending_gaps(self) -> list[PendingGap]:
        """Gaps that no row tells of yet and that may be told now; see `report_gap`."""
        with self._reading() as db:
            return [gap for gap in gaps.pending(db) if self._told[gap.stream] < _MOST_TOLD]

    def counts(self) -> Counts:
        """What is here."""
        with self._reading() as db:
            rows, dead, gap = db.execute(
                "SELECT (SELECT COUNT(*) FROM row), (SELECT COUNT(*) FROM dead), (SELECT COUNT(*) FROM gap)"
            ).fetchone()
            return Counts(rows, sum(self._held.values()), dead, gap)

    def close(self) -> None:
        """Close the file; call it once, after the last user is gone."""
        with self._lock:
            self._db.close()
