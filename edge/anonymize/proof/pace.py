"""How often work beside the data path may run, by what it costs. Pure."""

from __future__ import annotations


class Pace:
    """Keeps work to a share of one core.

    Args:
        share: CPU seconds a second, on average since the first turn.
    """

    def __init__(self, share: float) -> None:
        self._share = share
        self._next = float("-inf")
        self.cpu = 0.0
        """CPU seconds so far."""

    def due(self, now: float) -> bool:
        """Whether the work may run; ``now`` in monotonic seconds."""
        return now >= self._next

    def took(self, began: float, cpu: float) -> None:
        """Note a turn that ``began`` then and cost ``cpu`` seconds."""
        self.cpu += cpu
        self._next = began + cpu / self._share
