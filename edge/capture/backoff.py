"""How long to wait before trying again. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Backoff:
    """Doubles from ``first`` to ``longest`` seconds; `reset` after a success."""

    first: float = 0.1
    longest: float = 10.0
    _next: float = 0.0

    def next(self) -> float:
        """Seconds to wait before the next try."""
        self._next = min(self.longest, self._next * 2) if self._next else self.first
        return self._next

    def reset(self) -> None:
        """A try succeeded: the next failure starts from ``first`` again."""
        self._next = 0.0
