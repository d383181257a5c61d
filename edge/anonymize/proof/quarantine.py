"""Where a frame goes that a second look objected to: kept for a person at the box, and nowhere else."""

from __future__ import annotations

from collections import deque
from typing import Protocol

from edge.imaging.frames import CleanFrame
from edge.messages import SuppressReason


class Quarantine(Protocol):
    """Keeps frames on this box."""

    def put(self, reason: SuppressReason, source: str, frame: CleanFrame) -> object:
        """Keep one frame; bounded, the oldest go."""


class MemoryQuarantine:
    """Keeps the newest frames in this process, until it ends.

    Args:
        most: frames.
    """

    def __init__(self, most: int = 8) -> None:
        self.frames: deque[tuple[SuppressReason, str, CleanFrame]] = deque(maxlen=most)

    def put(self, reason: SuppressReason, source: str, frame: CleanFrame) -> None:
        """Keep one frame."""
        self.frames.append((reason, source, frame))
