"""What an audit leaves beside a run, for the model card: whether the claim stood, and of which bytes.

One line of JSON an audit, for its owner alone, in the run directory: a later and smaller audit hides no
earlier one. Figures of an audit are made from the images without noise. Of private images they would be a
release that no epsilon covers, so they are not in the note; whether a claim was contradicted is, since such a
model must not be released.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

NOTES = "audits.jsonl"


class NoteError(ValueError):
    """The notes cannot be used; the message says what to do."""


class Bound(BaseModel):
    """What one attack found of published images."""

    model_config = ConfigDict(frozen=True)

    what: str
    claimed: float
    proved: float | None
    """Lower bound of epsilon at 95 %; None where none can be had."""
    auc: float
    auc_interval: tuple[float, float]


class AuditNote(BaseModel):
    """One audit of one run."""

    model_config = ConfigDict(frozen=True)

    made: str
    """Day, UTC."""
    trainer: str
    """Its version."""
    files: dict[str, str]
    """Name of each file of the run -> SHA-256, in hex."""
    quick: bool
    contradicted: tuple[str, ...]
    """Mechanisms that refute the claim."""
    controls: int
    """Mechanisms that were broken on purpose."""
    missed: int
    """How many of these were not caught."""
    published: bool
    """Whether all images that were looked at are of published sets."""
    bounds: tuple[Bound, ...] = ()
    """Of published images alone."""


def add(run: Path, note: AuditNote) -> None:
    """Add a note to a run directory.

    Raises:
        NoteError: it cannot be written.
    """
    try:
        handle = os.open(run / NOTES, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(note.model_dump_json() + "\n")
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise NoteError(
            f"{run / NOTES} cannot be written ({reason}), so the model card would not tell of this audit; "
            "audit again where the run directory can be written"
        ) from None


def read(run: Path, files: Mapping[str, str]) -> list[AuditNote]:
    """The audits of a run, from the first to the last.

    Args:
        run: the run directory.
        files: what it holds now, name -> SHA-256; audits of other bytes are not told.

    Raises:
        NoteError: a line is no note.
    """
    try:
        lines = (run / NOTES).read_text("utf-8").splitlines()
    except FileNotFoundError:
        return []
    try:
        notes = [AuditNote.model_validate_json(line) for line in lines]
    except ValidationError:
        raise NoteError(
            f"{run / NOTES} is damaged; restore it, or move it away and run trainer audit again"
        ) from None
    return [note for note in notes if note.files == dict(files)]
