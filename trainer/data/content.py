"""What an image is known by, whatever it is called: the content of its file, and which frame of it.

One image has one digest. A file with one frame is that frame, so an index that says ``frame 1`` of it, or of
the first frame of several, names the same image as one that says nothing.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence
from pathlib import Path

from edge.imaging.decoded import DecodeLimits
from trainer.data import dicom
from trainer.data.record import DataError, Record
from trainer.progress import quietly

_BLOCK = 1 << 20
_SETTLED = 2_000_000_000
"""Nanoseconds. A file that was changed this recently may change again without a new time stamp."""

_seen: dict[tuple[Path, int], tuple[tuple[int, ...], str]] = {}
"""File and frame -> state of the file, digest. A command asks for the same digests several times."""


def digest(record: Record) -> str:
    """SHA-256 in hex: of the file's bytes for a file or its first frame, and of the frame's number from 2.

    Raises:
        DataError: the file cannot be read, or has no such frame.
    """
    frame = max(record.frame, 1)
    try:
        with record.file.open("rb") as file:
            state = _state(os.fstat(file.fileno()))
            known = _seen.get((record.file, frame))
            if known is not None and known[0] == state:
                return known[1]
            found = hashlib.sha256()
            if frame > 1:
                data = file.read()
                _check_frame(record, data)
                found.update(data)
                found.update(b"frame %d" % frame)
            else:
                while block := file.read(_BLOCK):
                    found.update(block)
            settled = time.time_ns() - max(state[-2:]) > _SETTLED
            if settled and _state(os.fstat(file.fileno())) == state:
                _seen[record.file, frame] = (state, found.hexdigest())
    except OSError as error:
        raise DataError(f"{record.file}: {error.strerror or type(error).__name__}") from None
    return found.hexdigest()


def digests(records: Sequence[Record], *, missing: bool = False) -> list[str]:
    """The digest of each record, in order; shows progress.

    Args:
        records: whose files are read.
        missing: give an empty text for a file that cannot be opened instead of refusing it.

    Raises:
        DataError: see `digest`.
    """
    out = []
    new = sum((record.file, max(record.frame, 1)) not in _seen for record in records)
    with quietly("checking the content of files", len(records), new) as advance:
        for record in records:
            there = not missing or os.access(record.file, os.R_OK)
            out.append(digest(record) if there else "")
            advance("")
    return out


def _state(found: os.stat_result) -> tuple[int, ...]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _check_frame(record: Record, data: bytes) -> None:
    """Refuse a number beyond what the file holds: each such number would be one more name for one image."""
    try:
        dicom.check_frame(record.file.name, data, record.frame, DecodeLimits())
    except dicom.ObjectError as error:
        raise DataError(f"{record.file}: {error}") from None
