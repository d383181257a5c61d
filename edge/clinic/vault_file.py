"""The vault's file: its tables, how it is opened and locked, and what can be read without its key."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SCHEMA = """
CREATE TABLE IF NOT EXISTS result (
    id INTEGER PRIMARY KEY,
    device TEXT NOT NULL, stream TEXT NOT NULL, epoch BLOB NOT NULL, seq INTEGER NOT NULL,
    kind TEXT NOT NULL, study BLOB, arrived_ms INTEGER NOT NULL, sealed BLOB NOT NULL,
    told INTEGER NOT NULL DEFAULT 0,
    UNIQUE (device, epoch, stream, seq));
CREATE INDEX IF NOT EXISTS result_study ON result (study);
CREATE INDEX IF NOT EXISTS result_untold ON result (device, stream, epoch, seq) WHERE told = 0;
CREATE TABLE IF NOT EXISTS identity (
    device TEXT NOT NULL, epoch BLOB NOT NULL, stream TEXT NOT NULL, seq INTEGER NOT NULL,
    study BLOB NOT NULL, series BLOB NOT NULL, object BLOB NOT NULL, kid BLOB, block BLOB NOT NULL,
    PRIMARY KEY (device, epoch, stream, seq));
CREATE INDEX IF NOT EXISTS identity_object ON identity (object);
CREATE TABLE IF NOT EXISTS position (
    device TEXT NOT NULL, stream TEXT NOT NULL, epoch BLOB NOT NULL, upto INTEGER NOT NULL,
    PRIMARY KEY (device, stream, epoch)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS gap (
    device TEXT NOT NULL, stream TEXT NOT NULL, epoch BLOB NOT NULL,
    first INTEGER NOT NULL, last INTEGER NOT NULL, why TEXT NOT NULL,
    PRIMARY KEY (device, stream, epoch, first, last)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS refused (
    reason TEXT PRIMARY KEY, count INTEGER NOT NULL, last_ms INTEGER NOT NULL);
PRAGMA user_version = 1;
"""
_VERSION = 1


class VaultError(Exception):
    """The vault cannot be opened or read; the message says what to do."""


@dataclass(frozen=True)
class IdentityBlock:
    """A sealed identity block and what it belongs to; only the custodian can open it."""

    device: str
    epoch: bytes
    stream: str
    seq: int
    study: bytes
    series: bytes
    object: bytes
    kid: bytes | None
    block: bytes


def connect(path: Path, *, readonly: bool) -> sqlite3.Connection:
    """Open the vault's file, owner-only and durable.

    Raises:
        VaultError: it does not exist (read-only), or is no SQLite file.
    """
    if readonly and not path.exists():
        raise VaultError(f"{path} does not exist; expected a receiver's vault (edge clinic receive makes it)")
    try:
        if not readonly:
            # Made here, so that the file and its journals (which copy its mode) are never readable by others.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        database = sqlite3.connect(
            f"{path.resolve().as_uri()}?mode={'ro' if readonly else 'rw'}",
            uri=True,
            isolation_level=None,
            timeout=30,
        )
    except (OSError, sqlite3.Error) as error:
        raise VaultError(f"{path} cannot be opened: {error}") from error
    try:
        if not readonly:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = FULL")
        made = database.execute("PRAGMA user_version").fetchone()[0]
    except sqlite3.DatabaseError as error:
        database.close()
        raise VaultError(f"{path} is not a vault: {error}") from error
    if made > _VERSION or (readonly and made == 0):
        database.close()
        raise VaultError(f"{path} is not a vault that this program knows (version {made})")
    return database


def identity_blocks(path: Path, handle: bytes = b"") -> Iterator[IdentityBlock]:
    """Yield the sealed identity blocks of a vault. Needs no vault key.

    Args:
        path: the vault's file.
        handle: the first bytes of an object's, series' or study's handle; empty for all.
    """
    database = connect(path, readonly=True)
    try:
        rows = database.execute(
            "SELECT device, epoch, stream, seq, study, series, object, kid, block FROM identity "
            "WHERE ?1 IN (substr(object, 1, ?2), substr(series, 1, ?2), substr(study, 1, ?2)) ORDER BY rowid",
            (handle, len(handle)),
        )
        yield from (IdentityBlock(*row) for row in rows)
    except sqlite3.Error as error:
        raise VaultError(f"{path} cannot be read: {error}") from error
    finally:
        database.close()


def lock(path: Path) -> int:
    """Return a descriptor that holds the vault until it is closed.

    Raises:
        VaultError: somebody else holds it.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    held = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(held)
        raise VaultError(f"{path} is held by another receiver; end that one first") from error
    return held
