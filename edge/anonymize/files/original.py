"""An original: opened for reading alone, and watched for a change while it is read."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from edge.anonymize.files.kinds import HEAD
from edge.anonymize.files.report import FileHeld

_BLOCK = 1 << 20


@dataclass(frozen=True)
class Original:
    """An open original."""

    fd: int
    size: int
    mtime_ns: int

    def head(self) -> bytes:
        """The first bytes, as `kinds.by_head` wants them."""
        return os.pread(self.fd, HEAD, 0)

    def read(self, most: int) -> bytes:
        """All its bytes.

        Raises:
            FileHeld: ``too_large``: more than ``most``.
            OSError: it cannot be read.
        """
        if self.size > most:
            raise FileHeld("too_large")
        return b"".join(self._blocks())

    def sha256(self, beat: Callable[[], None] = lambda: None) -> bytes:
        """Digest of its bytes, without holding them; ``beat`` is called as it goes on."""
        digest = hashlib.sha256()
        for block in self._blocks():
            digest.update(block)
            beat()
        return digest.digest()

    def _blocks(self) -> Iterator[bytes]:
        at = 0
        while at < self.size:
            block = os.pread(self.fd, min(_BLOCK, self.size - at), at)
            if not block:
                raise FileHeld("changed_during_read")
            yield block
            at += len(block)

    def check_unchanged(self) -> None:
        """Raise FileHeld if size or time of modification are no longer those at the opening."""
        now = os.fstat(self.fd)
        if (now.st_size, now.st_mtime_ns) != (self.size, self.mtime_ns):
            raise FileHeld("changed_during_read")


@contextmanager
def opened(path: Path) -> Iterator[Original]:
    """Open a regular file for reading. A link is not followed, and nothing waits for a pipe's other end.

    Raises:
        FileHeld: it is no regular file any more.
        OSError: it cannot be opened.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        fd = os.open(path, flags | os.O_NOATIME)
    except PermissionError:  # only the owner may leave the time of access alone
        fd = os.open(path, flags)
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise FileHeld("special_file")
        yield Original(fd, found.st_size, found.st_mtime_ns)
    finally:
        os.close(fd)
