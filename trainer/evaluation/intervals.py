"""Intervals: bootstrap over groups (patients), and Clopper and Pearson's for single shares.

Images of one patient are alike, so a resample draws whole groups with replacement; drawing images would
give intervals that are too narrow. Every figure is written once, as a function of row weights, and serves
for the point (all weights one) and for its 2,000 resamples. Source: Efron and Tibshirani 1993, chapter 13
(percentile interval); Field and Welsh 2007 (resampling clusters).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

RESAMPLES = 2000
LEVEL = 0.95
BLOCK = 4_000_000
"""Row weights held at a time."""

Weights = NDArray[np.float64]
"""(resamples, rows): how often each row was drawn."""
Statistic = Callable[[Weights], NDArray[np.float64]]
"""(R, rows) weights to (R,) or (R, K) values; NaN where a resample holds nothing to measure."""


@dataclass(frozen=True)
class Estimate:
    """A figure and its 95 % interval."""

    value: float
    low: float
    high: float

    def put(self, into: dict[str, Any], key: str) -> None:
        """Write ``key`` and ``key_interval``; a figure that does not exist is None."""
        known = np.isfinite(self.value)
        into[key] = round(self.value, 4) if known else None
        into[f"{key}_interval"] = [round(self.low, 4), round(self.high, 4)] if known else None


class Bootstrap:
    """Resamples of groups, drawn once, so that two figures of the same rows are paired.

    Groups are drawn within their stratum (modality): a resample keeps each modality's number of groups.
    A group that spans strata is a stratum's member of its own combination.
    """

    def __init__(
        self, groups: Sequence[str], strata: Sequence[str], resamples: int = RESAMPLES, seed: int = 0
    ) -> None:
        spans: dict[str, set[str]] = {}
        for group, stratum in zip(groups, strata, strict=True):
            spans.setdefault(group, set()).add(stratum)
        members: dict[tuple[str, ...], list[str]] = {}
        for group in sorted(spans):
            members.setdefault(tuple(sorted(spans[group])), []).append(group)
        place = {group: index for index, group in enumerate(g for part in members.values() for g in part)}
        self.group = np.array([place[group] for group in groups], np.intp)
        # Resampling protects nobody; the seed is fixed so that tables repeat.
        rng = np.random.default_rng(seed)
        parts = [
            rng.multinomial(len(part), np.full(len(part), 1 / len(part)), size=resamples)
            for part in members.values()
        ]
        self._weights = np.concatenate(parts, axis=1).astype(np.float32)

    def values(self, statistic: Statistic, rows: NDArray[np.intp] | None = None) -> NDArray[np.float64]:
        """The statistic of every resample, restricted to ``rows``."""
        group = self.group if rows is None else self.group[rows]
        step = max(1, BLOCK // max(1, len(group)))
        with np.errstate(invalid="ignore", divide="ignore"):
            parts = [
                statistic(self._weights[start : start + step][:, group].astype(np.float64))
                for start in range(0, len(self._weights), step)
            ]
        return np.concatenate(parts)

    def point(self, statistic: Statistic, rows: NDArray[np.intp] | None = None) -> NDArray[np.float64]:
        """The statistic of the rows themselves: () or (K,)."""
        count = len(self.group) if rows is None else len(rows)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(statistic(np.ones((1, count)))[0], np.float64)

    def estimate(
        self, statistic: Statistic, rows: NDArray[np.intp] | None = None, *, share: bool = True
    ) -> Estimate:
        """A figure with its interval; ``share`` is False for a difference, which may be exactly 0."""
        return self.estimates(statistic, rows, share=share)[0]

    def estimates(
        self, statistic: Statistic, rows: NDArray[np.intp] | None = None, *, share: bool = True
    ) -> list[Estimate]:
        """One estimate for each of the statistic's K values."""
        point = np.atleast_1d(self.point(statistic, rows))
        values = self.values(statistic, rows).reshape(-1, len(point))
        groups = len(np.unique(self.group if rows is None else self.group[rows])) if share else None
        return [percentile(values[:, k], float(each), groups) for k, each in enumerate(point)]


def percentile(values: NDArray[np.float64], point: float, groups: int | None) -> Estimate:
    """Percentile interval of resampled values; it always holds the point itself.

    Where no resample of a share differs from exactly 0 or 1, a bootstrap would claim certainty; then each of
    the ``groups`` counts as one trial and Clopper and Pearson's interval is given.
    """
    finite = values[np.isfinite(values)]
    if not np.isfinite(point) or not len(finite):
        return Estimate(float("nan"), float("nan"), float("nan"))
    low, high = np.percentile(finite, (50 * (1 - LEVEL), 50 * (1 + LEVEL)))
    if groups is not None and low == high == point and point in {0.0, 1.0}:
        return clopper_pearson(round(point * groups), groups)
    return Estimate(point, float(min(low, point)), float(max(high, point)))


def clopper_pearson(hits: int, trials: int) -> Estimate:
    """Exact interval of a share (Clopper and Pearson 1934).

    Raises:
        ValueError: there were no trials.
    """
    if trials <= 0:
        raise ValueError("a share of nothing has no interval")
    tail = (1 - LEVEL) / 2
    low = float(stats.beta.ppf(tail, hits, trials - hits + 1)) if hits else 0.0
    high = float(stats.beta.ppf(1 - tail, hits + 1, trials - hits)) if hits < trials else 1.0
    return Estimate(hits / trials, low, high)
