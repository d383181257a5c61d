"""What lies below IN: regular files in a fixed order, and what is none."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge.anonymize.files.names import Names


@dataclass(frozen=True)
class Entry:
    """One thing below IN."""

    path: Path
    relative: str
    id: str
    state: str
    skipped: str | None
    """Why it is not read: a link, which could lead out of IN, a special file, or a folder that is closed."""


def walk(root: Path, names: Names) -> list[Entry]:
    """All entries below a folder, or the one that a file is, sorted by the bytes of their paths.

    Args:
        root: without links in it.
        names: for `Entry.id` and `Entry.state`.
    """
    if root.is_dir():
        found = sorted(_below(root, ""), key=lambda item: os.fsencode(item[0]))
    else:
        told = root.stat()
        found = [(root.name, "" if stat.S_ISREG(told.st_mode) else "special_file", told)]
    entries = []
    for relative, skipped, status in found:
        path = root / relative if root.is_dir() else root
        state = names.state(status.st_size, status.st_mtime_ns) if status is not None else ""
        entries.append(Entry(path, relative, names.original(relative), state, skipped or None))
    return entries


def _below(folder: Path, prefix: str) -> Iterator[tuple[str, str, os.stat_result | None]]:
    try:
        with os.scandir(folder) as listing:
            items = list(listing)
    except OSError:
        yield prefix.rstrip("/") or ".", "unreadable_folder", None
        return
    for item in items:
        relative = prefix + item.name
        if item.is_symlink():
            yield relative, "symlink", None
        elif item.is_dir(follow_symlinks=False):
            yield from _below(Path(item.path), relative + "/")
        else:
            try:
                told = item.stat(follow_symlinks=False)
            except OSError:
                yield relative, "io_error", None
                continue
            yield relative, "" if stat.S_ISREG(told.st_mode) else "special_file", told
