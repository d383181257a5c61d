"""What a run spends: the releases that touch private data, as every accountant needs them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


class SpendError(ValueError):
    """A release that makes no sense; the message says which number and what was expected."""


@dataclass(frozen=True)
class Release:
    """``steps`` Gaussian mechanisms of one kind, each on a Poisson sample of the units.

    Raises:
        SpendError: a number is not finite, or out of its range.
    """

    what: str
    """For a reader: what leaves the private data."""
    noise: float
    """Standard deviation of the noise over the L2 sensitivity to adding or removing one unit.

    0 is allowed, so that a run without noise has a record, and costs an infinite epsilon.
    """
    sampling_rate: float = 1.0
    """Probability with which each unit is in a step's sample, on its own; 1 takes all."""
    steps: int = 1

    def __post_init__(self) -> None:
        if not (math.isfinite(self.noise) and self.noise >= 0):
            raise SpendError(
                f"{self.what}: expected a finite noise multiplier of at least 0, got {self.noise}"
            )
        if not 0 < self.sampling_rate <= 1:
            raise SpendError(f"{self.what}: expected 0 < sampling rate <= 1, got {self.sampling_rate}")
        if not (isinstance(self.steps, int) and self.steps >= 1):
            raise SpendError(f"{self.what}: expected a whole number of steps, at least 1, got {self.steps}")


Spend = tuple[Release, ...]


def to_json(spend: Sequence[Release]) -> list[dict[str, Any]]:
    """The releases as plain data, for records and ledgers."""
    return [asdict(release) for release in spend]


def from_json(items: Sequence[dict[str, Any]]) -> Spend:
    """What `to_json` wrote.

    Raises:
        SpendError: a field is missing, unknown or out of range.
    """
    try:
        return tuple(Release(**item) for item in items)
    except TypeError as error:
        raise SpendError(f"this is no list of releases: {error}") from None
