"""The receiver's store: every result once, encrypted, and safe before it is acknowledged.

One SQLite file (WAL, ``synchronous=FULL``: a commit returns after fsync). A result's key is
(device, epoch, stream, seq); the same key again is a duplicate and changes nothing. Bodies are
encrypted with AES-256-GCM under the vault's key and padded, so that neither the file nor the length
of a row tells a finding. What stays readable are handles, numbers and times. Identity blocks stand
apart, in a table of their own that the custodian can read without the vault's key, sealed to the
custodian as the box sealed them: this computer cannot open them.

One process at a time may hold a vault for writing; anybody with the key may read beside it.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from types import TracebackType

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from edge.clinic.sequence import Sequence as Arrived
from edge.clinic.vault_file import SCHEMA, IdentityBlock, VaultError, connect, identity_blocks, lock

_PAD = 1024
_NONCE = 12
_KEY = 32

__all__ = ["IdentityBlock", "Record", "Stored", "StreamKey", "Vault", "VaultError", "identity_blocks"]

StreamKey = tuple[str, str, bytes]
"""Device, stream, epoch."""


@dataclass(frozen=True)
class Record:
    """One verified body on its way into the vault.

    ``payload`` is what the box signed (`edge.clinic.examine.pack_evidence`), the identity block, sealed
    to the custodian, included; else the box's signature could not be checked later.
    """

    device: str
    stream: str
    epoch: bytes
    seq: int
    kind: str
    payload: bytes
    arrived_ms: int
    study: bytes | None = None
    identity: IdentityBlock | None = None
    gap: tuple[int, int, str] | None = None
    """First and last number that the box gave up, and why."""

    @property
    def key(self) -> StreamKey:
        """Device, stream, epoch."""
        return self.device, self.stream, self.epoch


@dataclass(frozen=True)
class Stored:
    """A body as it lies in the vault, decrypted."""

    id: int
    device: str
    stream: str
    epoch: bytes
    seq: int
    kind: str
    arrived_ms: int
    payload: bytes


class Vault:
    """See the module. Not shared between threads. A context manager; `close` gives it back."""

    def __init__(self, path: Path, key: bytes, *, readonly: bool = False) -> None:
        """Open or create the vault at ``path`` with its 32-byte ``key``.

        Raises:
            VaultError: another receiver holds it, or the key is not this vault's.
        """
        if len(key) != _KEY:
            raise VaultError("the vault's key must be 32 bytes")
        self._aead = AESGCM(key)
        self._lock = -1 if readonly else lock(path)
        self._db = connect(path, readonly=readonly)
        self._arrived: dict[StreamKey, Arrived] = {}
        if not readonly:
            self._db.executescript(SCHEMA)
            self._load()
        self._check_key()

    def __enter__(self) -> Vault:  # noqa: PYI034 - Self is not in Python 3.10
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the file and its lock back."""
        self._db.close()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    # --- writing ----------------------------------------------------------------------------------

    def store(
        self, records: Sequence[Record], refused: Mapping[str, int] | None = None, now_ms: int = 0
    ) -> list[bool]:
        """Store ``records`` and the counts of refused messages in one transaction, through fsync.

        Returns:
            For each record whether it was new; False is a duplicate, of which nothing was kept.

        Raises:
            VaultError: the disk is full or gone; nothing was stored.
        """
        fresh: list[bool] = []
        try:
            with self._db:
                self._db.execute("BEGIN IMMEDIATE")
                fresh.extend(self._store(record) for record in records)
                for key in {record.key for record in records}:
                    self._db.execute(
                        "INSERT INTO position VALUES (?, ?, ?, ?) "
                        "ON CONFLICT DO UPDATE SET upto = excluded.upto WHERE excluded.upto > upto",
                        (*key, self._arrived[key].upto),
                    )
                self._db.executemany(
                    "INSERT INTO refused VALUES (?, ?, ?) "
                    "ON CONFLICT DO UPDATE SET count = count + excluded.count, last_ms = excluded.last_ms",
                    [(reason, count, now_ms) for reason, count in (refused or {}).items()],
                )
        except sqlite3.Error as error:
            with contextlib.suppress(sqlite3.Error):
                self._load()
            raise VaultError(
                f"the vault cannot be written: {error}; nothing of this was acknowledged"
            ) from error
        except BaseException:
            # The transaction is gone; what memory learned from it must go too.
            self._load()
            raise
        return fresh

    def mark_told(self, ids: Sequence[int]) -> None:
        """Note that these rows were handed on (see `untold`)."""
        try:
            with self._db:
                self._db.execute("BEGIN IMMEDIATE")
                self._db.executemany("UPDATE result SET told = 1 WHERE id = ?", [(row,) for row in ids])
        except sqlite3.Error as error:
            raise VaultError(f"the vault cannot be written: {error}") from error

    # --- reading ----------------------------------------------------------------------------------

    def upto(self, key: StreamKey) -> int:
        """The cumulative position that may be acknowledged for a stream."""
        found = self._arrived.get(key)
        return found.upto if found else 0

    def missing(self, key: StreamKey) -> list[tuple[int, int]]:
        """The holes of a stream: numbers that have neither arrived nor been named as lost."""
        found = self._arrived.get(key)
        return list(found.missing()) if found else []

    def streams(self) -> list[StreamKey]:
        """All streams that ever arrived."""
        return sorted(self._arrived)

    def untold(self, limit: int = 256) -> list[Stored]:
        """Rows not yet handed on, in the order of their stream, none ahead of a hole."""
        return self._rows(
            "JOIN position USING (device, stream, epoch) WHERE told = 0 AND seq <= upto "
            "ORDER BY device, stream, epoch, seq LIMIT ?",
            (limit,),
        )

    def results(self, after: int = 0, limit: int = 1000) -> list[Stored]:
        """Rows in the order of their arrival, from the first ``id`` greater than ``after``."""
        return self._rows("WHERE id > ? ORDER BY id LIMIT ?", (after, limit))

    def result_of(self, block: IdentityBlock) -> Stored | None:
        """Return the result that an identity block came with."""
        rows = self._rows(
            "WHERE device = ? AND epoch = ? AND stream = ? AND seq = ?",
            (block.device, block.epoch, block.stream, block.seq),
        )
        return rows[0] if rows else None

    def count(self, kind: str | None = None) -> int:
        """Number of rows, of one kind or of all."""
        row = self._db.execute(
            "SELECT count(*) FROM result WHERE ?1 IS NULL OR kind = ?1", (kind,)
        ).fetchone()
        return int(row[0])

    def gaps(self) -> list[tuple[str, str, bytes, int, int, str]]:
        """What boxes gave up: device, stream, epoch, first, last, why."""
        return self._db.execute("SELECT * FROM gap ORDER BY device, stream, epoch, first").fetchall()

    def refused(self) -> dict[str, int]:
        """How many messages were refused, by reason, since the vault was made."""
        return dict(self._db.execute("SELECT reason, count FROM refused").fetchall())

    # --- inside -----------------------------------------------------------------------------------

    def _store(self, record: Record) -> bool:
        arrived = self._arrived.setdefault(record.key, Arrived())
        inserted = self._db.execute(
            "INSERT OR IGNORE INTO result (device, stream, epoch, seq, kind, study, arrived_ms, sealed) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (*record.key, record.seq, record.kind, record.study, record.arrived_ms, self._seal(record)),
        ).rowcount
        arrived.add(record.seq)
        if not inserted:
            return False
        if record.identity:
            self._db.execute(
                "INSERT OR IGNORE INTO identity VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", astuple(record.identity)
            )
        if record.gap:
            arrived.add(record.gap[0], record.gap[1])
            self._db.execute(
                "INSERT OR IGNORE INTO gap VALUES (?, ?, ?, ?, ?, ?)", (*record.key, *record.gap)
            )
        return True

    def _load(self) -> None:
        """Rebuild from the tables what has arrived; they alone are the truth."""
        self._arrived = {
            (device, stream, epoch): Arrived(upto)
            for device, stream, epoch, upto in self._db.execute("SELECT * FROM position")
        }
        later = (
            "SELECT r.device, r.stream, r.epoch, r.seq, r.seq FROM result r "
            "JOIN position p USING (device, stream, epoch) WHERE r.seq > p.upto UNION ALL "
            "SELECT device, stream, epoch, first, last FROM gap"
        )
        for device, stream, epoch, first, last in self._db.execute(later):
            self._arrived[device, stream, epoch].add(first, last)

    def _rows(self, where: str, values: tuple[str | bytes | int, ...]) -> list[Stored]:
        columns = "id, device, stream, epoch, seq, kind, arrived_ms, sealed"
        rows = self._db.execute(f"SELECT {columns} FROM result {where}", values).fetchall()  # noqa: S608 - constants
        return [
            Stored(number, device, stream, epoch, seq, kind, arrived_ms, self._open(bound, sealed))
            for number, device, stream, epoch, seq, kind, arrived_ms, sealed in rows
            for bound in [_bound(device, stream, epoch, seq)]
        ]

    def _seal(self, record: Record) -> bytes:
        plain = record.payload + b"\x80"
        plain += bytes(-len(plain) % _PAD)
        nonce = os.urandom(_NONCE)
        bound = _bound(record.device, record.stream, record.epoch, record.seq)
        return nonce + self._aead.encrypt(nonce, plain, bound)

    def _open(self, bound: bytes, sealed: bytes) -> bytes:
        try:
            plain = self._aead.decrypt(sealed[:_NONCE], sealed[_NONCE:], bound)
        except InvalidTag as error:
            raise VaultError(
                "a row of the vault does not open: wrong vault.key, or an altered file"
            ) from error
        return plain.rstrip(b"\0")[:-1]

    def _check_key(self) -> None:
        try:
            self._rows("ORDER BY id LIMIT ?", (1,))
        except VaultError:
            self.close()
            raise


def _bound(device: str, stream: str, epoch: bytes, seq: int) -> bytes:
    """Associated data of a row, so that no row can be moved to another key. Names hold no NUL."""
    return b"\0".join([b"vault-1", device.encode(), stream.encode(), epoch.hex().encode(), str(seq).encode()])
