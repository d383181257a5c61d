"""The watchdog: fed while every loop turns, starved by one that does not."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Protocol


class Pulse(Protocol):
    """A loop that can say whether it stands still."""

    name: str

    def stalled(self, now: float, limit: float) -> bool:
        """Whether it stood still for ``limit`` seconds."""


def stalled(pulses: Iterable[Pulse], limit: float) -> list[str]:
    """Names of the loops that stood still for ``limit`` seconds (monotonic)."""
    now = time.monotonic()
    return [pulse.name for pulse in pulses if pulse.stalled(now, limit)]
