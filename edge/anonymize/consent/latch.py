"""When the privacy switch counts as open: debounced on opening, never on closing. Pure."""

from __future__ import annotations

from typing import NamedTuple

from edge.anonymize.consent.sight import View

_LONGEST_GAP_NS = 2_000_000_000
"""Between two readings; what happened in a longer one is not known, so it counts as closed."""


class Position(NamedTuple):
    """One reading of a switch."""

    open: bool
    interrupted: bool = False
    """Whether it was, or may have been, closed for a moment since the reading before."""


class Latch:
    """From readings to a view.

    Args:
        open_after_ns: how long the switch has to stand open, without a break, before a camera sees.
    """

    def __init__(self, open_after_ns: int) -> None:
        self._open_after_ns = open_after_ns
        self._open_from: int | None = None
        self._last_ns = 0

    def update(self, position: Position | None, now_ns: int) -> View:
        """What may be seen after one more reading; ``position`` None: the switch cannot be read."""
        if position is None or not position.open:
            self._open_from = None
            return View(None, "switch_lost" if position is None else "switch_closed")
        unbroken = not position.interrupted and 0 <= now_ns - self._last_ns <= _LONGEST_GAP_NS
        if self._open_from is None or not unbroken:
            self._open_from = now_ns
        self._last_ns = now_ns
        since = self._open_from + self._open_after_ns
        return View(since) if now_ns >= since else View(None, "switch_opening")
