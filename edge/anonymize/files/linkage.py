"""The list from original to copy: it names patients wherever file names do, and undoes the run."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from edge.anonymize.files.report import FileReport
from edge.anonymize.files.staged import output
from edge.anonymize.files.walk import Entry


def write(path: Path, entries: Iterable[Entry], done: Mapping[str, FileReport]) -> None:
    """Write JSON lines of number, original path below IN, outcome and copy; readable by the owner alone.

    Raises:
        OutputFailed: the file cannot be written.
    """
    part = path.with_name(path.name + ".part")
    with output():
        part.unlink(missing_ok=True)
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            for entry in entries:
                report = done.get(entry.id)
                if report is None:
                    continue
                line = {"number": report.number, "original": entry.relative, "outcome": report.outcome}
                file.write(json.dumps({**line, "output": report.output}) + "\n")
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
