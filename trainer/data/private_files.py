"""Files that show private data: for their owner alone, and never written over by accident."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from trainer.data.record import DataError


def make_folder(path: Path) -> None:
    """Make a folder that its owner alone can enter (0700), or make sure that an existing one is such.

    Raises:
        DataError: it exists and others may look into it. It is left as it is: it may not be ours to close.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise DataError(f"others may look into {path}: name a new folder, or close it with chmod 700 {path}")


def write_new(path: Path, text: str) -> None:
    """Write a file that must not exist, for its owner alone (0600).

    Raises:
        FileExistsError: it exists.
    """
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
        file.write(text)


def write(path: Path, text: str) -> None:
    """Write or replace a file, for its owner alone (0600)."""
    path.unlink(missing_ok=True)  # what stands there may be open to others, or a link to somewhere else
    write_new(path, text)
