"""The ledger: every command that this box took up, each step before it is acted on.

One SQLite file, ``synchronous=FULL``. A step and the status that tells of it are one transaction:
whatever was decided is told sooner or later, and nothing is told that was not decided. Ids stay
until deadline and skew are past by a trusted clock; then the *floor* rises, and whatever ended
before it is refused for ever, even if the clock is set back.

Thread-safe: the session's thread and the daemon's may both come.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from edge.commands.rules import SKEW_MS, Now, check_step, forgettable, terminal
from edge.messages import Command, CommandState, CommandStatus
from edge.store.database import Guarded
from edge.wire.codec import encode

_SCHEMA = """
CREATE TABLE IF NOT EXISTS command (
    id TEXT PRIMARY KEY, digest BLOB NOT NULL, issuer BLOB NOT NULL, body BLOB NOT NULL,
    deadline_ms INTEGER NOT NULL, state TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS status (
    n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, state TEXT NOT NULL, body BLOB NOT NULL,
    told INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS status_untold ON status (n) WHERE told = 0;
CREATE INDEX IF NOT EXISTS status_of ON status (id);
CREATE TABLE IF NOT EXISTS floor (one INTEGER PRIMARY KEY CHECK (one = 1), unix_ms INTEGER NOT NULL);
INSERT OR IGNORE INTO floor VALUES (1, 0);
PRAGMA user_version = 1;
"""


@dataclass(frozen=True)
class Entry:
    """A command as the ledger has it. ``digest`` is SHA-256 over the signed message as it came."""

    id: str
    digest: bytes
    issuer: bytes
    body: bytes
    state: CommandState


@dataclass(frozen=True)
class Untold:
    """A status in the outbox: row number, command id, body (`CommandStatus` as CBOR)."""

    n: int
    id: str
    body: bytes


class Ledger:
    """See the module. `close` gives the file back.

    Every call raises `edge.store.database.StoreError` if the disk fails; nothing was changed then.
    """

    def __init__(self, path: Path, device: str) -> None:
        """Open or create the ledger of ``device``, owner-only."""
        self._device = device
        self._file = Guarded(path, _SCHEMA)

    def close(self) -> None:
        """Give the file back."""
        self._file.close()

    def get(self, command_id: str) -> Entry | None:
        """Return the command of this id, or None if it is unknown (or forgotten)."""
        rows = self._entries("WHERE id = ?", (command_id,))
        return rows[0] if rows else None

    def unfinished(self) -> list[Entry]:
        """Commands without a terminal state, in the order of their deadlines."""
        return [entry for entry in self._entries("ORDER BY deadline_ms, id", ()) if not terminal(entry.state)]

    def receive(self, command: Command, digest: bytes, issuer: bytes, now: Now) -> None:
        """Write a new command down as ``received``.

        Raises:
            ValueError: the id is known already; nothing was changed.
        """
        check_step(None, "received")
        with self._file.writing() as db:
            if self.get(command.id):
                raise ValueError("the ledger has a command of this id")
            db.execute(
                "INSERT INTO command VALUES (?, ?, ?, ?, ?, 'received')",
                (command.id, digest, issuer, encode(command), command.deadline_ms),
            )
            status = CommandStatus(id=command.id, device=self._device, state="received", made_ms=now.unix_ms)
            _tell(db, status)

    def step(self, status: CommandStatus) -> None:
        """Commit a step of a command's life together with its status.

        Raises:
            IllegalTransition: the table of states does not have it; nothing was changed.
            KeyError: the id is unknown.
        """
        with self._file.writing() as db:
            entry = self.get(status.id)
            if entry is None:
                raise KeyError("no such command in the ledger")
            check_step(entry.state, status.state)
            db.execute("UPDATE command SET state = ? WHERE id = ?", (status.state, status.id))
            _tell(db, status)

    # --- outbox -----------------------------------------------------------------------------------

    def untold(self, limit: int = 100) -> list[Untold]:
        """Statuses not yet published, in the order in which they were committed."""
        with self._file.reading() as db:
            rows = db.execute(
                "SELECT n, id, body FROM status WHERE told = 0 ORDER BY n LIMIT ?", (limit,)
            ).fetchall()
        return [Untold(*row) for row in rows]

    def told(self, n: int) -> None:
        """Note that the broker took status ``n``."""
        with self._file.writing() as db:
            db.execute("UPDATE status SET told = 1 WHERE n = ?", (n,))

    def tell_again(self, command_id: str) -> None:
        """Put the last status of a command into the outbox again: its issuer seems to have missed it."""
        with self._file.writing() as db:
            db.execute(
                "UPDATE status SET told = 0 WHERE n = (SELECT max(n) FROM status WHERE id = ?)", (command_id,)
            )

    # --- forgetting -------------------------------------------------------------------------------

    @property
    def floor_ms(self) -> int:
        """Unix ms; whatever ended (deadline and skew) before it may have been done and forgotten."""
        with self._file.reading() as db:
            return int(db.execute("SELECT unix_ms FROM floor").fetchone()[0])

    def forget(self, now: Now) -> int:
        """Drop what may be forgotten, raise the floor, and return how many commands went.

        A command with statuses in the outbox stays.
        """
        if not now.trusted:
            return 0
        with self._file.writing() as db:
            rows = db.execute(
                "SELECT id, deadline_ms, state FROM command c WHERE deadline_ms + ? <= ? "
                "AND NOT EXISTS (SELECT 1 FROM status s WHERE s.id = c.id AND told = 0)",
                (SKEW_MS, now.unix_ms),
            ).fetchall()
            ids = [(row[0],) for row in rows if forgettable(row[1], row[2], now)]
            if ids:
                floor = max(row[1] + SKEW_MS for row in rows if forgettable(row[1], row[2], now))
                db.executemany("DELETE FROM command WHERE id = ?", ids)
                db.executemany("DELETE FROM status WHERE id = ?", ids)
                db.execute("UPDATE floor SET unix_ms = max(unix_ms, ?)", (floor,))
        return len(ids)

    # --- inside -----------------------------------------------------------------------------------

    def _entries(self, where: str, values: tuple[str, ...]) -> list[Entry]:
        with self._file.reading() as db:
            rows = db.execute(
                f"SELECT id, digest, issuer, body, state FROM command {where}",  # noqa: S608 - constants
                values,
            ).fetchall()
        return [Entry(*row) for row in rows]


def _tell(db: sqlite3.Connection, status: CommandStatus) -> None:
    db.execute(
        "INSERT INTO status (id, state, body) VALUES (?, ?, ?)", (status.id, status.state, encode(status))
    )
