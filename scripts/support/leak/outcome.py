"""What became of one file in the hands of each tool, and of one clip. Pure data."""

from __future__ import annotations

from collections.abc import Sequence
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


@dataclass
class CaseResult:
    """What became of a clip."""

    number: int
    cluster: str
    """What it shares with other cases, which are not independent of it: an identity, or a room and a font."""
    worst: float = 0.0
    """Largest share uncovered in any frame that left."""
    worst_frame: int = -1
    control: float = 0.0
    """The same with anonymization off: how much the raw frames show."""
    judged: int = 0
    """Faces, or lines of text, in frames that left."""
    leaking: int = 0
    emitted: int = 0
    held: dict[str, int] = field(default_factory=dict)
    masked: float = 0.0
    """Mean masked share of the frames that left."""
    away: float | None = None
    """The same of what is neither planted nor near it, where that is measured and a frame left."""

    @property
    def leaked(self) -> bool:
        """Whether anything of the case left that should not."""
        return self.leaking > 0

    def add(self, frame: int, shares: Sequence[float], most: float) -> None:
        """Count a frame that left, with how much of each face or line is uncovered, and how much may be."""
        self.emitted += 1
        self.judged += len(shares)
        self.leaking += sum(share > most for share in shares)
        if shares and max(shares) > self.worst:
            self.worst, self.worst_frame = max(shares), frame
