"""What became of one file in the hands of each tool. Pure data."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Outcome:
    """What one tool made of one file."""

    leaking: bool = False
    held: str | None = None
    """Why nothing left; then nothing leaks."""
    worst: float = 0.0
    """Largest share of a character group's ink that was left, of text."""
    where: str = ""
    """In which part of the output a planted string was found, of headers."""
    masked: float | None = None
    """Share of the frame that was filled."""
    marker_lost: bool | None = None
    """Whether a laterality marker is gone that should have stayed; None where there was none."""
    seconds: float = 0.0
    """Time of the processor that the tool took: a busy machine slows nobody."""


@dataclass
class FileResult:
    """One case with all of its outcomes, by tool."""

    number: int
    source: str
    control: bool
    """Whether the original shows what was planted."""
    outcomes: dict[str, Outcome] = field(default_factory=dict)
