"""What is left to do of an archive, given what the report says of it. Reads, and changes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from edge.anonymize.files import original
from edge.anonymize.files.names import Names
from edge.anonymize.files.report import RUN_REASONS, FileHeld, FileReport
from edge.anonymize.files.walk import Entry


@dataclass(frozen=True)
class ToDo:
    """An entry that has no report, or one that holds no more."""

    number: int
    entry: Entry
    before: FileReport | None
    """Its report from before, whose copy is to go."""


def todo(entries: Sequence[Entry], done: Mapping[str, FileReport], out: Path, names: Names) -> Iterator[ToDo]:
    """What is to be done.

    A file is done if the report has its path, its size and time of modification or else its
    content are those of then, and its copy is there in its length. It keeps its number for good;
    new files get the numbers that are free, in the order of their paths.

    Args:
        entries: what lies below IN.
        done: the last report of each file, by id.
        out: folder of the copies.
        names: of the clinic's key.
    """
    used = {report.number for report in done.values()}
    free = (number for number in count(1) if number not in used)
    for entry in entries:
        before = done.get(entry.id)
        if before is None:
            yield ToDo(next(free), entry, None)
        elif not _holds(entry, before, out, names):
            yield ToDo(before.number, entry, before)


def _holds(entry: Entry, report: FileReport, out: Path, names: Names) -> bool:
    if entry.skipped is not None or report.outcome == "skipped":
        return entry.skipped == report.reason
    if report.reason is not None and report.reason.startswith(RUN_REASONS):
        return False
    if report.output is not None and not _is_there(out / report.output, report.bytes):
        return False
    # A worker that died told neither: then the file is taken for the same.
    return not report.state or report.state == entry.state or report.content == _content(entry.path, names)


def _is_there(copy: Path, size: int) -> bool:
    try:
        return copy.stat().st_size == size
    except OSError:
        return False


def _content(path: Path, names: Names) -> str | None:
    try:
        with original.opened(path) as opened:
            return names.content(opened.sha256())
    except (OSError, FileHeld):
        return None
