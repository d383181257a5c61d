"""A file as privacy switch: another program of the clinic, or a person's shell, writes or removes it."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from edge.anonymize.consent.latch import Position

OPEN = b"open"


class FileSwitch:
    """Open while the file is there and says ``open``. Absent or with any other content: closed.

    A file that was written anew between two readings counts as closed in between.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last: tuple[int, ...] | None = None

    def read(self, now_ns: int) -> Position:
        """See `edge.anonymize.consent.switch.Device`."""
        del now_ns
        try:
            # Without O_NONBLOCK a named pipe in its place would be waited for.
            handle = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            self._last = None
            return Position(open=False)
        try:
            found = os.fstat(handle)
            if not stat.S_ISREG(found.st_mode):
                raise OSError(errno.EINVAL, "not a regular file")
            content = os.read(handle, len(OPEN) + 8)
        finally:
            os.close(handle)
        now = (found.st_dev, found.st_ino, found.st_mtime_ns, found.st_ctime_ns)
        same, self._last = now == self._last, now
        return Position(open=content.strip() == OPEN, interrupted=not same)

    def close(self) -> None:
        """Nothing is held open."""


class AbsentFileSwitch:
    """Closed while the file is there, whatever it says; open while it is not, and its folder can be read.

    Losing the file opens it: for programs that can do no more than leave a mark. Losing its folder closes it.

    Args:
        path: the file, alone in its folder: any change of the folder counts as closed for a moment.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last: tuple[int, ...] | None = None

    def read(self, now_ns: int) -> Position:
        """See `edge.anonymize.consent.switch.Device`."""
        del now_ns
        folder = self._path.parent.stat()
        now = (folder.st_dev, folder.st_ino, folder.st_mtime_ns, folder.st_ctime_ns)
        same, self._last = now == self._last, now
        try:
            self._path.lstat()
        except FileNotFoundError:
            return Position(open=True, interrupted=not same)
        return Position(open=False)

    def close(self) -> None:
        """Nothing is held open."""
