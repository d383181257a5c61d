"""Whether a camera may see now, and since when. Doubt is blindness."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from edge.messages import Blindness
from edge.settings import Source


@dataclass(frozen=True)
class View:
    """What a camera may show: frames captured from ``open_since_ns`` on (CLOCK_MONOTONIC), or none."""

    open_since_ns: int | None
    why: Blindness | None = None
    """Why it is blind; None where it is not."""

    def shows(self, captured_ns: int) -> bool:
        """Whether a frame captured at ``captured_ns`` may leave."""
        return self.open_since_ns is not None and captured_ns >= self.open_since_ns


Sight = Callable[[], View]
"""Asked before and after each frame is cleaned, and again before what was found in it leaves."""


class Switch(Protocol):
    """The privacy switch."""

    def view(self) -> View:
        """What it lets be seen now."""


def unhindered() -> View:
    """Nothing stands in the way: a recorded video, or a camera whose consent needs no switch."""
    return View(0)


def sight_of(source: Source, switch: Switch | None = None) -> Sight:
    """The sight of one source.

    Args:
        source: its consent mode, and whether it was told what to look at.
        switch: the box's privacy switch, which blinds a camera in any mode; None if there is none, and
            then a source whose consent is the switch stays blind.
    """
    if source.blind_because() is not None:
        why: Blindness = "consent" if source.lacks_consent() else "view"
        return lambda: View(None, why)
    if not source.sees_people():
        return unhindered
    if switch is not None:
        return switch.view
    return unhindered if source.consent != "switch" else lambda: View(None, "switch_lost")
