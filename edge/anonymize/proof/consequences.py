"""What the standing proof hands on, as protocols: other rooms of the box stand behind them."""

from __future__ import annotations

from typing import Protocol

from edge.imaging.frames import CleanFrame
from edge.messages import LatchCause


class Consequences(Protocol):
    """What follows from what is found."""

    def stopped(self, source: str) -> LatchCause | None:
        """Why the source is latched, or None. Called for each frame: returns at once."""

    def objected(self, source: str, frame: CleanFrame) -> None:
        """A second look objected to a frame that left."""

    def recall_fell(self, source: str) -> None:
        """Canaries show that recall is too low."""


class Meter(Protocol):
    """Counters and times of the data path."""

    def count(self, name: str, by: int = 1) -> None:
        """Add to a counter."""

    def took(self, stage: str, seconds: float) -> None:
        """Record how long something took."""
