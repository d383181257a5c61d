"""A run over an archive: what is left to do, to workers; what they made, to its name and the report.

One process commits: a worker writes below a folder of provisional names, and here the copy gets its
own name before its line goes into the report. So a kill at any moment leaves whole copies, and at
most a copy without its line, which the next run makes again, byte for byte.
"""

from __future__ import annotations

import fcntl
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from edge.anonymize.files import linkage, plan, walk
from edge.anonymize.files.journal import Journal
from edge.anonymize.files.names import Names
from edge.anonymize.files.plan import ToDo
from edge.anonymize.files.progress import Progress
from edge.anonymize.files.report import FileReport
from edge.anonymize.files.staged import output
from edge.anonymize.files.summary import WHOLE, summarize
from edge.anonymize.files.workers import Setup, Task, Workers, WorkersUnavailableError

_STAGE = ".edge-anonymize"
"""Folder of copies in the making, inside OUT so that they can be renamed into place."""
_IN_USE = "OUT: another run is writing to this folder"
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class NotStartedError(Exception):
    """Nothing was done. The message says why, and what to do."""


@dataclass(frozen=True)
class Job:
    """What a run is asked to do. ``run`` goes into the report's first line, beside the detectors."""

    source: Path
    out: Path
    report: Path
    linkage: Path | None
    resume: bool
    jobs: int
    setup: Setup
    run: dict[str, Any]


@dataclass(frozen=True)
class Ended:
    """How a run ended."""

    summary: dict[str, Any]
    signal: int | None
    """The signal that stopped it; None: it is through."""


def run(job: Job) -> Ended:
    """Anonymize an archive, or go on with it.

    Raises:
        NotStartedError: another run writes to OUT, or no worker or detector can be started.
        JournalRefusedError: the report cannot be used.
        WorkersUnavailableError: no worker can be started any more.
        OutputFailed: OUT or the report cannot be written; the run can be resumed.
    """
    names = Names(job.setup.key)
    started = time.monotonic()
    with (
        _stage(job.out) as stage,
        closing(Workers(job.jobs, job.setup)) as workers,
        _stop_signals() as stopped,
    ):
        journal = Journal(job.report, job.run, resume=job.resume)
        try:
            journal.begin(_detectors(workers))
            committer = _Committer(job.out, journal)
            entries = walk.walk(job.source, names)
            left = list(plan.todo(entries, journal.done, job.out, names))
            done_now = _work(left, stage, workers, committer, stopped)
            if job.linkage is not None:
                linkage.write(job.linkage, entries, journal.done)
            seconds = time.monotonic() - started
            summary = summarize(journal.done.values(), seconds=seconds, done_now=done_now)
            committer.sync()
            journal.end({"complete": done_now == len(left), **summary})
        finally:
            journal.close()
    return Ended(summary, stopped() if done_now < len(left) else None)


def _detectors(workers: Workers) -> dict[str, str]:
    try:
        return workers.detectors()
    except WorkersUnavailableError as error:
        raise NotStartedError(str(error)) from None


def _work(
    left: list[ToDo], stage: Path, workers: Workers, committer: _Committer, stopped: Callable[[], int | None]
) -> int:
    """Do what is left; gives how many files got a report."""
    progress = Progress(len(left))
    by_number = {item.number: item for item in left}
    done = held = 0

    def tasks() -> Iterator[Task]:
        for item in left:
            if item.entry.skipped is None:
                yield Task(item.number, item.entry.path, stage / f"{item.number}.mp4")

    def reports() -> Iterator[tuple[ToDo, FileReport, Path | None]]:
        for item in left:
            if item.entry.skipped is not None:
                skipped = FileReport(item.number, outcome="skipped", reason=item.entry.skipped)
                yield item, skipped, None
        for task, report in workers.results(tasks(), lambda: stopped() is not None):
            yield by_number[task.number], report, task.copy

    for item, report, copy in reports():
        report.id = item.entry.id
        committer.commit(item, report, copy)
        done += 1
        held += report.outcome not in WHOLE
        progress.show(done, held)
    progress.end()
    return done


class _Committer:
    """Gives copies their names and reports their lines, in this order.

    Args:
        out: folder of the copies.
        journal: the open report.
    """

    def __init__(self, out: Path, journal: Journal) -> None:
        self._out = out
        self._journal = journal
        self._holders: dict[str, set[int]] = {}
        self._folders: set[Path] = set()
        for report in journal.done.values():
            if report.output is not None:
                self._holders.setdefault(report.output, set()).add(report.number)

    def commit(self, item: ToDo, report: FileReport, copy: Path | None) -> None:
        """Take the worker's ``copy`` over, if there is one, and write the report."""
        self._forget(item)
        if report.output is not None and copy is not None:
            with output():
                self._place(item, report, copy)
        self._journal.write({"record": "file", **asdict(report)})
        self._journal.done[report.id] = report
        if self._journal.sync_due():
            self.sync()

    def _place(self, item: ToDo, report: FileReport, copy: Path) -> None:
        assert report.output is not None
        final = self._out / report.output
        final.parent.mkdir(parents=True, exist_ok=True)
        copy.replace(final)
        self._folders |= {final.parent, *(self._out / folder for folder in Path(report.output).parents)}
        holders = self._holders.setdefault(report.output, set())
        again = item.before is not None and item.before.output == report.output
        if again and item.before is not None:
            report.outcome = item.before.outcome
        elif holders and report.outcome == "written":
            report.outcome = "duplicate"
        holders.add(report.number)

    def _forget(self, item: ToDo) -> None:
        """Remove the copy that an earlier report of the same file names, unless another file has it, too."""
        if item.before is None or item.before.output is None:
            return
        holders = self._holders.get(item.before.output, set())
        holders.discard(item.number)
        if not holders:
            with output():
                (self._out / item.before.output).unlink(missing_ok=True)

    def sync(self) -> None:
        """Wait until all names and lines so far are on disk, names first."""
        with output():
            for folder in self._folders:
                fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                try:
                    os.fsync(fd)
                finally:
                    os.close(fd)
        self._folders.clear()
        self._journal.sync()


@contextmanager
def _stage(out: Path) -> Iterator[Path]:
    """An empty folder for copies in the making, locked against a second run, and gone afterwards."""
    stage = out / _STAGE
    with output():
        stage.mkdir(parents=True, exist_ok=True)
        fd = os.open(stage, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise NotStartedError(_IN_USE) from None
        if os.fstat(fd).st_nlink == 0:  # the run that had it ended just now, and removed it
            raise NotStartedError(_IN_USE)
        with output():
            _clear(stage)
        try:
            yield stage
        finally:
            with suppress(OSError):  # the next run clears it
                _clear(stage)
                stage.rmdir()
    finally:
        os.close(fd)


def _clear(stage: Path) -> None:
    for left in stage.iterdir():
        left.unlink()


@contextmanager
def _stop_signals() -> Iterator[Callable[[], int | None]]:
    """Signals that ask for an end are noted; gives what tells the first one."""
    seen: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        seen.append(number)

    before = {number: signal.signal(number, note) for number in _SIGNALS}
    try:
        yield lambda: seen[0] if seen else None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
