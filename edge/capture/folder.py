"""A watched folder: DICOM, PNG and JPEG files go into the inbox once they are whole."""

from __future__ import annotations

import hashlib
import logging
import os
import stat
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edge.capture.backoff import Backoff
from edge.capture.sink import Refused, Sink
from edge.capture.sources import Gauge
from edge.messages import SourceHealth

log = logging.getLogger("edge.capture.folder")

_PARTIAL = (".part", ".partial", ".tmp", ".crdownload", ".filepart")
_STILL = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")
_EMPTY_PATIENCE = 10.0  # an empty file is usually one that a copy has just begun


@dataclass(frozen=True)
class Mark:
    """What must not change while a file settles, and what tells it from its successor."""

    device: int
    inode: int
    size: int
    modified_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> Mark:
        """From fstat or stat."""
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)

    def digest(self) -> bytes:
        """For the list of files that are done; says nothing of their names."""
        return hashlib.sha256(repr((self.device, self.inode, self.size, self.modified_ns)).encode()).digest()[
            :16
        ]


class Settling:
    """Which files have stood still for long enough. Pure: paths, marks and a clock in."""

    def __init__(self, settle: float) -> None:
        self._settle = settle
        self._since: dict[Path, tuple[Mark, float]] = {}

    def whole(self, seen: dict[Path, Mark], now: float) -> list[Path]:
        """Of the files seen now, those that have not changed for the settling time; oldest first."""
        self._since = {
            path: self._since[path] if path in self._since and self._since[path][0] == mark else (mark, now)
            for path, mark in seen.items()
        }
        patience = {
            path: self._settle if mark.size else max(self._settle, _EMPTY_PATIENCE)
            for path, mark in seen.items()
        }
        ready = [path for path, (_, since) in self._since.items() if now - since >= patience[path]]
        return sorted(ready, key=lambda path: (seen[path].modified_ns, path))


class Folder:
    """Watches one folder and its sub-folders; links, hidden and partial files are left alone.

    A file is read once it has stood still for ``settle`` seconds, sealed into the inbox, and only
    then removed (``delete``). Without ``delete`` what is done is remembered for as long as the
    process lives, and in ``memory`` beyond that. A file larger than ``max_object`` stays where it
    is and is counted as dropped.
    """

    def __init__(
        self, name: str, path: Path, sink: Sink, *, max_object: int, delete: bool = True, settle: float = 1.0,
        poll: float = 0.5, memory: Path | None = None,
    ) -> None:  # fmt: skip
        self._path, self._sink, self._name = path, sink, name
        self._max_object, self._delete, self._poll = max_object, delete, poll
        self._gauge = Gauge(name)
        self._settling = Settling(settle)
        self._memory = memory
        self._done: set[bytes] = set()
        self._backoff = Backoff(0.5, 10.0)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"folder-{name}", daemon=True)

    def start(self) -> None:
        """Begin to watch; a folder that is not there is waited for."""
        if self._memory is not None and self._memory.exists():
            content = self._memory.read_bytes()
            self._done = {content[at : at + 16] for at in range(0, len(content) - 15, 16)}
        self._thread.start()

    def stop(self) -> None:
        """Stop after the file under way."""
        self._stopping.set()
        self._thread.join(timeout=10)

    def health(self) -> SourceHealth:
        """Its state: waiting while the folder is missing or the inbox is full."""
        return self._gauge.health()

    def attach(self) -> None:
        """A folder needs no daemon."""

    def detach(self) -> None:
        """A folder needs no daemon."""

    def _run(self) -> None:
        while not self._stopping.wait(self._poll):
            try:
                self._look()
            except Refused:
                self._wait("the inbox is full")
            except OSError as error:
                self._wait(f"not readable (errno {error.errno})")
            else:
                self._gauge.say("running")
                self._backoff.reset()

    def _wait(self, why: str) -> None:
        self._gauge.say("waiting")
        delay = self._backoff.next()
        log.warning("source=%s %s; trying again in %.1f s", self._name, why, delay)
        self._stopping.wait(delay)

    def _look(self) -> None:
        self._path.stat()  # raises where the folder is missing, which os.walk would hide
        for path in self._settling.whole(self._candidates(), time.monotonic()):
            if self._stopping.is_set():
                return
            self._take(path)

    def _candidates(self) -> dict[Path, Mark]:
        found = {}
        for parent, folders, names in os.walk(self._path):
            folders[:] = [folder for folder in folders if not folder.startswith(".")]
            for name in names:
                path = Path(parent, name)
                if name.startswith(".") or name.lower().endswith(_PARTIAL):
                    continue
                try:
                    status = path.lstat()
                except FileNotFoundError:
                    continue
                mark = Mark.of(status)
                if stat.S_ISREG(status.st_mode) and mark.digest() not in self._done:
                    found[path] = mark
        return found

    def _take(self, path: Path) -> None:
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        except (FileNotFoundError, PermissionError) as error:
            if isinstance(error, PermissionError):
                self._skip(Mark.of(path.lstat()), "a file may not be read")
            return
        with os.fdopen(fd, "rb") as file:
            mark = Mark.of(os.fstat(fd))
            if mark.size > self._max_object:
                self._skip(mark, "a file is larger than dicom.max_object")
                return
            data = file.read(self._max_object + 1)
            if Mark.of(os.fstat(fd)) != mark or len(data) != mark.size:
                return  # still being written after all: it settles anew
        self._sink.put(_kind(data), self._name, data)
        self._gauge.count()
        if self._delete:
            self._remove(path, mark)
        else:
            self._remember(mark)

    def _remove(self, path: Path, mark: Mark) -> None:
        """Remove what was read, and not what may have taken its place since."""
        try:
            if Mark.of(path.lstat()) == mark:
                path.unlink()
        except FileNotFoundError:
            return
        except OSError:
            log.error("source=%s a file cannot be removed; make the folder writable", self._name)
            self._remember(mark)

    def _skip(self, mark: Mark, why: str) -> None:
        self._done.add(mark.digest())
        self._gauge.drop()
        log.error("source=%s %s and stays where it is", self._name, why)

    def _remember(self, mark: Mark) -> None:
        self._done.add(mark.digest())
        if self._memory is not None:
            self._memory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._memory.open("ab") as file:
                file.write(mark.digest())
                file.flush()
                os.fsync(file.fileno())


def _kind(data: bytes) -> Literal["dicom", "still"]:
    """By the first bytes; what is neither goes to the DICOM decoder, which says why not."""
    return "still" if data.startswith(_STILL) else "dicom"
