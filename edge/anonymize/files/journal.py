"""The report as it is written: JSON lines, each whole or cut off at the next opening. It is the truth.

A file is done when its line stands here, and its line is written after its copy has its name. The
first line says how the run was made; a run that was made in another way does not go on here.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import time
from dataclasses import fields
from pathlib import Path
from typing import Any

from edge.anonymize.files.report import FileReport
from edge.anonymize.files.staged import OutputFailed, output, write_all

FORMAT = 2
_SYNC_SECONDS = 2.0
_BEGINNING = b'{"record": "run"'
"""How every report begins; what does not is somebody else's file, and stays as it is."""
_FOREIGN = "--report: the file is no report of this command, or damaged; name another, and start anew"
_COMPARED = {
    "format": "a report of another version of this program",
    "software": "another version of this program",
    "key": "another key",
    "policy": "another policy",
    "headers": "another edition of the header profile",
    "options": "other options",
    "scripts": "other scripts",
    "scanners": "other scanners",
    "videos": "other parts of videos",
    "detectors": "other detectors",
}
"""What must be the same for a run to go on, in words."""


class JournalRefusedError(Exception):
    """The report cannot be used. The message says what to do."""


class Journal:
    """An open report, locked against a second run.

    Attributes:
        done: the last report of each file, by its id.
    """

    def __init__(self, path: Path, run: dict[str, Any], *, resume: bool) -> None:
        """Open or begin the report.

        Args:
            path: the file.
            run: how this run is made, see `_COMPARED`; all but the detectors.
            resume: go on where the report ends.

        Raises:
            JournalRefusedError: it exists and ``resume`` was not asked for, is in use, damaged, or
                of a run that was made in another way.
            OutputFailed: it cannot be written.
        """
        self.done: dict[str, FileReport] = {}
        self._run = run
        self._was: dict[str, Any] | None = None
        with output():
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        try:
            self._open(resume)
        except BaseException:
            os.close(self._fd)
            raise

    def _open(self, resume: bool) -> None:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise JournalRefusedError("--report: another run is writing to this file") from None
        self._synced = time.monotonic()
        lines, rest = _lines(self._fd)
        if (lines or rest) and not resume:
            raise JournalRefusedError(
                "--report: the file exists; name another, or add --resume to go on where it ends"
            )
        if lines:
            self._load(lines)
            self._compare(self._run)
        elif not _BEGINNING.startswith(rest[: len(_BEGINNING)]):
            raise JournalRefusedError(_FOREIGN)
        self._end = sum(len(line) + 1 for line in lines)
        with output():
            os.ftruncate(self._fd, self._end)

    def _load(self, lines: list[bytes]) -> None:
        known = {field.name for field in fields(FileReport)}
        try:
            first, *rest = (json.loads(line) for line in lines)
            if first["record"] == "run":
                self._was = {what: first[what] for what in _COMPARED}
            for record in rest:
                if record["record"] == "file":
                    report = FileReport(**{k: v for k, v in record.items() if k in known})
                    self.done[report.id] = report
        except (ValueError, KeyError, TypeError, AttributeError):
            self._was = None
        if self._was is None:
            raise JournalRefusedError(_FOREIGN)

    def _compare(self, now: dict[str, Any]) -> None:
        if self._was is None:
            return
        other = [words for what, words in _COMPARED.items() if what in now and self._was[what] != now[what]]
        if other:
            raise JournalRefusedError(
                f"--resume: the report was made with {' and '.join(other)}; go on as it was begun, "
                "or name another report and another OUT"
            )

    def begin(self, detectors: dict[str, str]) -> None:
        """Write the first line, or that the run goes on.

        Args:
            detectors: names, and SHA-256 of weights.

        Raises:
            JournalRefusedError: the report was made with other detectors.
            OutputFailed: no room.
        """
        self._compare({"detectors": detectors})
        self._run = {**self._run, "detectors": detectors}
        if self._was is None:
            self.write({"record": "run", **self._run, "started": int(time.time())})
        else:
            self.write({"record": "resumed", "at": int(time.time())})

    def end(self, summary: dict[str, Any]) -> None:
        """Write the last line: the summary, and once more how the run was made."""
        self.write({"record": "summary", **summary, **self._run})
        self.sync()

    def write(self, record: dict[str, Any]) -> None:
        """Append one line; it is with the operating system when this returns, and on disk after `sync`.

        Raises:
            OutputFailed: no room; the report still ends with a whole line.
        """
        line = json.dumps(record).encode() + b"\n"
        try:
            write_all(self._fd, line)
        except OSError as error:
            os.ftruncate(self._fd, self._end)
            raise OutputFailed(error.errno or errno.EIO) from error
        self._end += len(line)

    def sync_due(self) -> bool:
        """Whether the last `sync` is a while ago."""
        return time.monotonic() - self._synced > _SYNC_SECONDS

    def sync(self) -> None:
        """Wait until all lines are on disk.

        Raises:
            OutputFailed: the disk refuses.
        """
        with output():
            os.fsync(self._fd)
        self._synced = time.monotonic()

    def close(self) -> None:
        """Close the file and give up the lock."""
        os.close(self._fd)


def _lines(fd: int) -> tuple[list[bytes], bytes]:
    """Lines that end in a line feed, and what follows the last of them: a kill may cut a line."""
    with os.fdopen(os.dup(fd), "rb") as file:
        file.seek(0)
        *lines, rest = file.read().split(b"\n")
    return lines, rest
