"""Numbers of a stream that the spool gave up, until the clinic has been told."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Literal

Why = Literal["bytes", "age", "refused", "too_large"]

SCHEMA = """
CREATE TABLE IF NOT EXISTS gap (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    stream TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, why TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS gap_stream ON gap (stream, why, first);
"""


@dataclass(frozen=True)
class PendingGap:
    """Numbers ``first`` to ``last`` of a stream will never come, and the clinic does not know yet."""

    id: int
    stream: str
    first: int
    last: int
    why: Why


def add(db: sqlite3.Connection, stream: str, first: int, last: int, why: Why) -> None:
    """Record a gap; it is merged with those that it touches and that have the same reason."""
    touching = db.execute(
        "SELECT id, first, last FROM gap WHERE stream = ? AND why = ? AND first <= ? AND last >= ?",
        (stream, why, last + 1, first - 1),
    ).fetchall()
    for gap, start, end in touching:
        first, last = min(first, start), max(last, end)
        db.execute("DELETE FROM gap WHERE id = ?", (gap,))
    db.execute("INSERT INTO gap (stream, first, last, why) VALUES (?, ?, ?, ?)", (stream, first, last, why))


def settle(db: sqlite3.Connection, stream: str, upto: int) -> None:
    """Forget what the receiver has after all."""
    db.execute("DELETE FROM gap WHERE stream = ? AND last <= ?", (stream, upto))
    db.execute("UPDATE gap SET first = ? WHERE stream = ? AND first <= ?", (upto + 1, stream, upto))


def pending(db: sqlite3.Connection) -> list[PendingGap]:
    """All gaps, oldest first."""
    return [
        PendingGap(*row) for row in db.execute("SELECT id, stream, first, last, why FROM gap ORDER BY id")
    ]
