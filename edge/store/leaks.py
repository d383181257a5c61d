"""Latched sources and spent leak budgets: what survives power loss, and who acknowledged what.

The daemon writes, and a person's command may acknowledge beside it. Each latch and each acknowledgement is a
line of the audit log (`edge.store.audit`), written before it takes effect.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge.store import audit
from edge.store.database import Guarded, RunningTime

_SCHEMA = """
CREATE TABLE IF NOT EXISTS source (
    name TEXT PRIMARY KEY, latched TEXT, since_ms INTEGER, acknowledged INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS disagreement (name TEXT NOT NULL, at REAL NOT NULL);
"""
DATABASE, AUDIT = "leaks.db", "leaks.audit"
"""Names of the two files in the box's state directory."""


@dataclass(frozen=True)
class Kept:
    """What is stored of a source. ``spent``: seconds of running time; ``acknowledged``: how often it was."""

    spent: tuple[float, ...] = ()
    latched: str | None = None
    since_ms: int | None = None
    acknowledged: int = 0


class LeakLedger:
    """The file of latches. Safe to use from several threads and beside another process.

    Args:
        state: the box's state directory.
        clock: monotonic seconds.

    Raises:
        StoreError: the file cannot be opened; every other call raises it, too, or OSError for the audit log.
    """

    def __init__(self, state: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._file = Guarded(state / DATABASE, _SCHEMA)
        self._audit = state / AUDIT
        with self._file.reading() as db:
            self._running = RunningTime(db, clock)
        self._version = -1

    def now(self) -> float:
        """Running time in seconds; it only rises, whatever the wall clock does."""
        return self._running.now()

    def changed(self) -> bool:
        """Whether another process wrote since this was last asked."""
        with self._file.reading() as db:
            (version,) = db.execute("PRAGMA data_version").fetchone()
        before, self._version = self._version, int(version)
        return before != self._version

    def read(self) -> dict[str, Kept]:
        """All sources that ever spent something, by name."""
        with self._file.reading() as db:
            spent: dict[str, list[float]] = {}
            for name, at in db.execute("SELECT name, at FROM disagreement ORDER BY at"):
                spent.setdefault(name, []).append(at)
            rows = db.execute("SELECT name, latched, since_ms, acknowledged FROM source").fetchall()
        return {name: Kept(tuple(spent.get(name, ())), *rest) for name, *rest in rows}

    def write(self, name: str, kept: Kept) -> bool:
        """Make what is known of a source last; False, and nothing changes, if it was acknowledged since."""
        with self._file.writing() as db:
            db.execute("INSERT OR IGNORE INTO source (name) VALUES (?)", (name,))
            latched, acknowledged = db.execute(
                "SELECT latched, acknowledged FROM source WHERE name = ?", (name,)
            ).fetchone()
            if acknowledged != kept.acknowledged:
                return False
            if kept.latched is not None and latched is None:
                self._note("latched", name, kept, kept.since_ms)
            db.execute(
                "UPDATE source SET latched = ?, since_ms = ? WHERE name = ?",
                (kept.latched, kept.since_ms, name),
            )
            db.execute("DELETE FROM disagreement WHERE name = ?", (name,))
            db.executemany("INSERT INTO disagreement VALUES (?, ?)", [(name, at) for at in kept.spent])
            self._running.keep()
        return True

    def acknowledge(self, name: str, by: str, at_ms: int) -> Kept | None:
        """Open a latched source by a person's word, and give it its budget back.

        Args:
            name: of the source.
            by: who says so.
            at_ms: Unix milliseconds, for the audit log.

        Returns:
            What was acknowledged; None if the source is not latched: then nothing was changed.
        """
        with self._file.writing() as db:
            kept = self.read().get(name, Kept())
            if kept.latched is None:
                return None
            self._note("acknowledged", name, kept, at_ms, by)
            db.execute(
                "UPDATE source SET latched = NULL, since_ms = NULL, acknowledged = acknowledged + 1"
                " WHERE name = ?",
                (name,),
            )
            db.execute("DELETE FROM disagreement WHERE name = ?", (name,))
        return kept

    def _note(self, what: str, name: str, kept: Kept, at_ms: int | None, by: str | None = None) -> None:
        line: dict[str, str | int | bool | None] = {"what": what, "source": name, "cause": kept.latched}
        audit.append(self._audit, line | {"disagreements": len(kept.spent), "at_ms": at_ms, "by": by})

    def close(self) -> None:
        """Close the file."""
        self._file.close()
