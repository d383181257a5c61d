"""What became of one file, as the report has it: no patient data, neither name nor path nor header value."""

from __future__ import annotations

import errno
from dataclasses import dataclass, field

RUN_REASONS = ("changed_during_read", "detector_failed", "io_error", "self_test_failed")
"""Beginnings of reasons that lie in the run and not in the file: such files are tried again on resume."""


@dataclass
class FileReport:
    """What became of one file."""

    number: int
    """Which one: its place among the files of IN, sorted by path, from 1."""
    id: str = ""
    """Opaque name of its path; see `Names.original`."""
    kind: str = "unknown"
    outcome: str = "held"
    """``written``, ``partial`` (a video without some frames), ``duplicate`` (the same bytes as another
    file, whose copy stands for both), ``held`` (no copy) or ``skipped`` (no regular file)."""
    reason: str | None = None
    """Why there is no whole copy, one word of a closed kind."""
    output: str | None = None
    """Path of the copy below OUT."""
    sha256: str | None = None
    """Of the copy."""
    bytes: int = 0
    """Of the copy."""
    frames: int = 0
    frames_held: dict[str, int] = field(default_factory=dict)
    texts: int = 0
    faces: int = 0
    masked_share: float = 0.0
    defaced: bool = False
    """A head's face was cut off; ``masked_share`` does not count that."""
    seconds: float = 0.0
    state: str = ""
    content: str = ""


class FileHeld(Exception):  # noqa: N818  # an outcome, as its users name it
    """A file gets no output; the text is the reason, one word of a closed kind."""


def io_reason(error: OSError) -> str:
    """The reason for an original that cannot be read, such as ``io_error_EACCES``."""
    return f"io_error_{errno.errorcode.get(error.errno or 0, 'unknown')}"
