"""What counts as a leak, and how sure one can be. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from support.leak.clip import Truth

LEAK = 0.10
"""Share of the eyes-to-mouth box, as far as it is bare, that may be uncovered."""


def uncovered(emitted: NDArray[np.uint8], truth: Truth) -> float:
    """Share of a box's bare pixels that were not filled in a frame that left."""
    ys, xs = np.nonzero(truth.bare)
    if ys.size == 0:
        return 0.0
    return float((emitted[ys + truth.top, xs + truth.left] != 0).any(axis=1).mean())


def upper(found: int, of: int, confidence: float = 0.95) -> float:
    """One-sided upper bound of a share (Clopper and Pearson, 1934)."""
    return 1.0 if found >= of else float(beta.ppf(confidence, found + 1, of - found))


def by_identity(leaks: Iterable[tuple[str, bool]]) -> tuple[int, int]:
    """Identities with a leak in any case, and identities: cases of one person are not independent."""
    worst: dict[str, bool] = {}
    for identity, leaked in leaks:
        worst[identity] = worst.get(identity, False) or leaked
    return sum(worst.values()), len(worst)


def strata(rows: Iterable[Mapping[str, str]]) -> list[tuple[str, str]]:
    """Every (name, value) that occurs: names in order of first sight, values by number, then by letter."""
    values: dict[str, set[str]] = {}
    for row in rows:
        for name, value in row.items():
            values.setdefault(name, set()).add(value)
    return [(name, value) for name, found in values.items() for value in sorted(found, key=_by_number)]


def _by_number(value: str) -> tuple[int, str]:
    digits = value.split(maxsplit=1)[0]
    return (int(digits) if digits.isdigit() else -1, value)
