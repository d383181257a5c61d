"""Objects received and not yet answered by a result: `edge.store.objects` under their ids, oldest first.

What never will be answered by a finding goes into quarantine (`edge.store.quarantine`).

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
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edge.store import inbox_crypto as crypto
from edge.store import objects
from edge.store.objects import NEW, Content, Counts, Item
from edge.store.quarantine import Quarantine, QuarantineReason

Kind = Literal["dicom", "still"]
_KEY_BYTES = 2048  # what a key file is counted as


class InboxFull(Exception):  # noqa: N818  the word that the rooms agreed on
    """The object was not taken; the sender must keep it. Nothing of it is on the disk."""


class InboxLocked(Exception):  # noqa: N818
    """Another capture process writes into this inbox."""


@dataclass(frozen=True)
class InboxLimits:
    """Bounds of the writer, in bytes."""

    max_bytes: int = 8 << 30
    min_free: int = 256 << 20


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
        objects.clean(directory)
        self._used = objects.counts(directory).bytes  # an upper bound: the reader only takes away

    def close(self) -> None:
        """Let another process write."""
        os.close(self._lock_file)

    def put(self, kind: Kind, source: str, data: Content, received_ms: int) -> bytes:
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
        head = objects.head_of(kind, source, received_ms, len(data))
        size = len(head) + len(data) + crypto.TAG * (len(data) // crypto.CHUNK + 2) + _KEY_BYTES
        object_id = self._reserve(size, received_ms)
        name = object_id.hex()
        new, place = self._directory / f"{NEW}{name}", self._directory / name
        try:
            objects.write(new, place, self._public_key, object_id, head, data)
        except OSError as error:
            self._release(size)
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise InboxFull("the disk is full") from error
            raise
        return object_id

    def _reserve(self, size: int, received_ms: int) -> bytes:
        """Account for ``size`` bytes and give out the next id."""
        with self._lock:
            if self._used + size > self._limits.max_bytes:
                self._used = objects.counts(self._directory).bytes
            if self._used + size > self._limits.max_bytes:
                raise InboxFull("the inbox is at its bound")
            disk = os.statvfs(self._directory)
            if disk.f_bavail * disk.f_frsize - size < self._limits.min_free:
                raise InboxFull("the free disk is at its bound")
            self._used += size
            # Ascending even where the clock stands still or jumps back.
            floor = int.from_bytes(self._last_id, "big") + (1 << 64)
            fresh = int.from_bytes(objects.new_id(received_ms), "big")
            self._last_id = max(floor if self._last_id else 0, fresh).to_bytes(16, "big")
            return self._last_id

    def _release(self, size: int) -> None:
        with self._lock:
            self._used -= size


class InboxReader:
    """The daemon's end: opens, deletes, quarantines. One process, any thread."""

    def __init__(
        self, directory: Path, private_key: crypto.DiskPrivateKey, quarantine: Quarantine | None = None
    ) -> None:
        """``quarantine`` must lie on the same file system; by default it is the inbox's sibling."""
        self._directory = directory
        self._private_key = private_key
        self._quarantine = quarantine or Quarantine(directory.parent / "quarantine", private_key)
        directory.mkdir(mode=0o770, parents=True, exist_ok=True)
        objects.finish_destructions(directory)

    def ids(self) -> list[bytes]:
        """Ids of all objects, oldest first."""
        return [bytes.fromhex(name) for name in objects.complete(self._directory)]

    def open(self, object_id: bytes) -> Item:
        """Decrypt one object. The caller may overwrite ``data`` when done.

        Raises:
            KeyError: no such object (any more).
            Damaged: it cannot be opened; quarantine it.
        """
        return objects.open_(self._directory / object_id.hex(), self._private_key, object_id)

    def delete(self, object_id: bytes) -> None:
        """Destroy one object, its key first. Deleting twice is no error."""
        objects.destroy(self._directory / object_id.hex())
        crypto.sync_directory(self._directory)

    def quarantine(self, object_id: bytes, reason: QuarantineReason) -> None:
        """Move one object, still sealed, where it no longer counts as waiting."""
        self._quarantine.adopt(self._directory / object_id.hex(), object_id, reason)

    def counts(self) -> Counts:
        """What waits in the inbox."""
        return objects.counts(self._directory)

    def quarantined(self) -> dict[str, int]:
        """Objects in quarantine by reason."""
        return self._quarantine.reasons()
