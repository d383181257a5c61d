"""Objects received and not yet answered by a result, and the quarantine of those that never will.

An object is a directory named by its id (32 hex digits, ascending in the order of arrival) that
holds two files, ``key`` and ``data`` (`edge.store.inbox_crypto`). It is written under a name that
starts with ``.new-``, synced, and then renamed: the rename is the moment from which it is in the
inbox. Deletion renames it to ``.del-<id>``, which is the moment from which it is not, and then
overwrites and removes ``key`` first, so that what a power cut or a flash translation layer leaves
behind of ``data`` is noise. A start ends the deletions that a kill cut short. Quarantine is one
rename to ``<id>.<reason>``.

Modes are left to the umask (0660 and 0770 at most): where the two processes are different users they
share a group, and the directory is set-group-ID.

Writer (capture process, public key only) and reader (daemon, private key) are different processes
and never touch the same object at the same time: the writer ends where the rename is, the reader
begins there.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
import shutil
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import cbor2

from edge.messages import SuppressReason
from edge.store import inbox_crypto as crypto

Kind = Literal["dicom", "still"]
_ID = re.compile(r"[0-9a-f]{32}")
_NEW, _GONE = ".new-", ".del-"
_HEAD_MAX = 4096
_KEY_BYTES = 2048  # what a key file is counted as

QuarantineReason = Literal["damaged", SuppressReason]
_REASONS = frozenset(("damaged", *get_args(SuppressReason)))


class InboxFull(Exception):  # noqa: N818  the word that the rooms agreed on
    """The object was not taken; the sender must keep it. Nothing of it is on the disk."""


class InboxLocked(Exception):  # noqa: N818
    """Another capture process writes into this inbox."""


class Damaged(Exception):  # noqa: N818
    """The object cannot be opened: changed on the disk, or sealed to another disk key."""


@dataclass(frozen=True)
class InboxLimits:
    """Bounds of the writer, in bytes."""

    max_bytes: int = 8 << 30
    min_free: int = 256 << 20


@dataclass(frozen=True, repr=False)
class Item:
    """One object, opened."""

    id: bytes
    kind: str
    source: str
    received_ms: int
    data: bytearray


@dataclass(frozen=True)
class Counts:
    """What lies in a directory of objects."""

    objects: int
    bytes: int


class InboxWriter:
    """The capture process's end. Threads may call `put` at once; a second process is refused."""

    def __init__(self, directory: Path, public_key: crypto.DiskPublicKey, limits: InboxLimits) -> None:
        """Open the inbox and clean what a killed process left half-written or half-deleted.

        Raises:
            InboxLocked: another process writes here.
            OSError: the directory cannot be made or read.
        """
        self._directory = directory
        self._public_key = public_key
        self._limits = limits
        self._lock = threading.Lock()
        self._last_id = b""
        directory.mkdir(mode=0o770, parents=True, exist_ok=True)
        self._lock_file = os.open(directory / ".writer", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock_file)
            raise InboxLocked(f"{directory}: another capture process is running on this inbox") from None
        _clean(directory)
        self._used = _counts(directory).bytes  # an upper bound: the reader only takes away

    def close(self) -> None:
        """Let another process write."""
        os.close(self._lock_file)

    def put(self, kind: Kind, source: str, data: bytes | bytearray | memoryview, received_ms: int) -> bytes:
        """Seal an object and make it last; once this returns, no kill and no power cut loses it.

        Args:
            kind: which decoder it is for.
            source: name of the source in the settings.
            data: the bytes as received.
            received_ms: Unix time in milliseconds.

        Returns:
            The object's id, 16 bytes.

        Raises:
            InboxFull: no room by the bounds, or the disk is full.
            OSError: the disk refuses for another reason.
        """
        head = cbor2.dumps({"kind": kind, "source": source, "received_ms": received_ms, "length": len(data)})
        size = len(head) + len(data) + crypto.TAG * (len(data) // crypto.CHUNK + 2) + _KEY_BYTES
        object_id = self._reserve(size, received_ms)
        new = self._directory / f"{_NEW}{object_id.hex()}"
        try:
            self._write(new, object_id, head, data)
            new.rename(self._directory / object_id.hex())
            crypto.sync_directory(self._directory)
        except OSError as error:
            shutil.rmtree(new, ignore_errors=True)
            self._release(size)
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise InboxFull("the disk is full") from error
            raise
        return object_id

    def _write(self, new: Path, object_id: bytes, head: bytes, data: bytes | bytearray | memoryview) -> None:
        key = crypto.new_key()
        new.mkdir(mode=0o770)
        _write_synced(new / "key", [crypto.wrap(key, self._public_key, object_id)])
        _write_synced(new / "data", crypto.seal_chunks(key, head, data))
        crypto.sync_directory(new)

    def _reserve(self, size: int, received_ms: int) -> bytes:
        """Account for ``size`` bytes and give out the next id."""
        with self._lock:
            if self._used + size > self._limits.max_bytes:
                self._used = _counts(self._directory).bytes
            if self._used + size > self._limits.max_bytes:
                raise InboxFull("the inbox is at its bound")
            disk = os.statvfs(self._directory)
            if disk.f_bavail * disk.f_frsize - size < self._limits.min_free:
                raise InboxFull("the free disk is at its bound")
            self._used += size
            stamp = received_ms.to_bytes(8, "big", signed=False)
            # Ascending even where the clock stands still or jumps back.
            floor = int.from_bytes(self._last_id, "big") + (1 << 64)
            fresh = int.from_bytes(stamp + secrets.token_bytes(8), "big")
            self._last_id = max(floor if self._last_id else 0, fresh).to_bytes(16, "big")
            return self._last_id

    def _release(self, size: int) -> None:
        with self._lock:
            self._used -= size


class InboxReader:
    """The daemon's end: opens, deletes, quarantines. One process, any thread."""

    def __init__(
        self,
        directory: Path,
        private_key: crypto.DiskPrivateKey,
        quarantine: Path | None = None,
        quarantine_max_bytes: int = 2 << 30,
    ) -> None:
        """``quarantine`` must lie on the same file system; by default it is the inbox's sibling."""
        self._directory = directory
        self._quarantine = quarantine or directory.parent / "quarantine"
        self._quarantine_max = quarantine_max_bytes
        self._private_key = private_key
        directory.mkdir(mode=0o770, parents=True, exist_ok=True)
        self._quarantine.mkdir(mode=0o700, parents=True, exist_ok=True)
        for place in (directory, self._quarantine):
            _finish_deletions(place)

    def ids(self) -> list[bytes]:
        """Ids of all objects, oldest first."""
        return [bytes.fromhex(name) for name in _objects(self._directory)]

    def open(self, object_id: bytes) -> Item:
        """Decrypt one object. The caller may overwrite ``data`` when done.

        Raises:
            KeyError: no such object (any more).
            Damaged: it cannot be opened; quarantine it.
        """
        folder = self._directory / object_id.hex()
        try:
            key = crypto.unwrap((folder / "key").read_bytes(), self._private_key, object_id)
            return _open(folder / "data", key, object_id)
        except FileNotFoundError:
            raise KeyError(object_id.hex()) from None
        except (crypto.SealBroken, cbor2.CBORError, KeyError, TypeError, ValueError) as error:
            raise Damaged("the object cannot be opened; it belongs into the quarantine") from error

    def delete(self, object_id: bytes) -> None:
        """Destroy one object, its key first. Deleting twice is no error."""
        _destroy(self._directory / object_id.hex())
        crypto.sync_directory(self._directory)

    def quarantine(self, object_id: bytes, reason: QuarantineReason) -> None:
        """Move one object, still sealed, where it no longer counts as waiting.

        Beyond the bound the oldest in quarantine are destroyed.
        """
        if reason not in _REASONS:
            raise ValueError("expected a reason of the closed list")
        try:
            (self._directory / object_id.hex()).rename(self._quarantine / f"{object_id.hex()}.{reason}")
        except FileNotFoundError:
            return
        crypto.sync_directory(self._quarantine)
        crypto.sync_directory(self._directory)
        names = sorted(name for name in _names(self._quarantine) if _ID.match(name))
        used = _counts(self._quarantine).bytes
        while used > self._quarantine_max and len(names) > 1:
            oldest = self._quarantine / names.pop(0)
            used -= _size(oldest)
            _destroy(oldest)

    def counts(self) -> Counts:
        """What waits in the inbox."""
        return _counts(self._directory)

    def quarantined(self) -> dict[str, int]:
        """Objects in quarantine by reason."""
        found: dict[str, int] = {}
        for name in _names(self._quarantine):
            if _ID.match(name):
                reason = name.partition(".")[2]
                found[reason] = found.get(reason, 0) + 1
        return found


def _open(path: Path, key: bytes, object_id: bytes) -> Item:
    with path.open("rb") as file:
        length = int.from_bytes(file.read(2), "big")
        left = max(0, os.fstat(file.fileno()).st_size - 2 - length)
        pieces = -(-left // (crypto.CHUNK + crypto.TAG))
        if length > _HEAD_MAX:
            raise crypto.SealBroken("the head is too long")
        head = cbor2.loads(crypto.open_chunk(key, 0, pieces == 0, file.read(length)))
        data = bytearray(max(0, left - pieces * crypto.TAG))
        if head["length"] != len(data):
            raise crypto.SealBroken("the object is cut short")
        for number in range(pieces):
            sealed = file.read(crypto.CHUNK + crypto.TAG)
            start = number * crypto.CHUNK
            plain = crypto.open_chunk(key, number + 1, number + 1 == pieces, sealed)
            data[start : start + len(plain)] = plain
    return Item(object_id, str(head["kind"]), str(head["source"]), int(head["received_ms"]), data)


def _write_synced(path: Path, pieces: Iterable[bytes]) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o660), "wb") as file:
        file.writelines(pieces)
        file.flush()
        os.fsync(file.fileno())


def _destroy(folder: Path) -> None:
    """Out of the list first, so that no object is ever listed whose key is half-overwritten."""
    gone = folder.with_name(_GONE + folder.name)
    try:
        folder.rename(gone)
        crypto.sync_directory(folder.parent)
    except FileNotFoundError:
        pass  # deleted before; perhaps not to the end
    _shred(gone)


def _finish_deletions(directory: Path) -> None:
    for name in _names(directory):
        if name.startswith(_GONE):
            _shred(directory / name)


def _shred(folder: Path) -> None:
    """Key first: overwritten, synced, removed; then the rest. Two processes may do it at once."""
    key = folder / "key"
    try:
        with key.open("r+b") as file:
            file.write(secrets.token_bytes(os.fstat(file.fileno()).st_size))
            file.flush()
            os.fsync(file.fileno())
        key.unlink()
        crypto.sync_directory(folder)
    except FileNotFoundError:
        pass  # destroyed before, by a process that was killed after this step
    shutil.rmtree(folder, ignore_errors=True)


def _names(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()]


def _objects(directory: Path) -> list[str]:
    """Names of complete objects, ascending; a directory without a key is one being deleted."""
    return sorted(
        name for name in _names(directory) if _ID.fullmatch(name) and (directory / name / "key").exists()
    )


def _size(folder: Path) -> int:
    total = 0
    for name in ("key", "data"):
        try:
            total += (folder / name).stat().st_size
        except FileNotFoundError:
            continue  # deleted while we look
    return total


def _counts(directory: Path) -> Counts:
    folders = [name for name in _names(directory) if _ID.match(name)]
    return Counts(len(folders), sum(_size(directory / name) for name in folders))


def _clean(directory: Path) -> None:
    """Remove what was being written or deleted when a process was killed."""
    for name in _names(directory):
        folder = directory / name
        if name.startswith(_NEW) or (_ID.fullmatch(name) and not (folder / "key").exists()):
            shutil.rmtree(folder, ignore_errors=True)
    _finish_deletions(directory)
    crypto.sync_directory(directory)
