"""Recall in service: of the planted things, which share was covered, and how sure that is. Pure.

Bounds are those of Clopper and Pearson (Biometrika 26, 1934): exact, and never too narrow, which the
normal approximation is just where few are missed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

WINDOW = 100
"""Canaries that count, the newest ones."""
_DOUBT = 1e-4
"""How unlikely so many misses must be, if recall were as required, before a source is stopped."""


def at_most(found: int, looked: int, share: float) -> float:
    """Probability of ``found`` or fewer hits in ``looked`` independent looks that each hit with ``share``."""
    return math.fsum(
        math.comb(looked, k) * share**k * (1 - share) ** (looked - k) for k in range(min(found, looked) + 1)
    )


def lower_bound(found: int, looked: int, confidence: float = 0.95) -> float:
    """The one-sided Clopper-Pearson bound: with this confidence the true share is at least so large."""
    low, high = 0.0, found / looked if looked else 0.0
    for _ in range(50):
        middle = (low + high) / 2
        too_high = 1 - at_most(found - 1, looked, middle) > 1 - confidence if found else True
        low, high = (low, middle) if too_high else (middle, high)
    return low


@dataclass(frozen=True)
class Recall:
    """The newest results, oldest first; True: the planted thing was covered."""

    results: tuple[bool, ...] = ()

    def after(self, *, found: bool) -> Recall:
        """With one more result."""
        return Recall((*self.results, found)[-WINDOW:])

    @property
    def looked(self) -> int:
        """How many count."""
        return len(self.results)

    @property
    def found(self) -> int:
        """How many of them were covered."""
        return sum(self.results)

    def bound(self) -> float | None:
        """The 95 % lower bound of recall; None before the first result."""
        return lower_bound(self.found, self.looked) if self.results else None

    def too_low(self, required: float) -> bool:
        """Whether some stretch up to now shows that recall is below ``required``.

        Every stretch that ends now is judged, so that a detector that breaks after a good hour is known by
        its first misses and not by the hour's mean. A few misses in a row suffice; a single one never does.
        """
        found = looked = 0
        for hit in reversed(self.results):
            looked, found = looked + 1, found + hit
            if not hit and at_most(found, looked, required) < _DOUBT:
                return True
        return False
