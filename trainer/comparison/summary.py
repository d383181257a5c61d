"""The table: repetitions brought together, intervals, differences between rows. Pure; of finished results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from trainer.comparison.answers import MEAN
from trainer.comparison.recipes import RECIPES, Recipe
from trainer.comparison.results import Result
from trainer.evaluation.intervals import percentile

NOT_RUN = "not run yet"
OURS = "ours-eps2"
DIFFERENCES: tuple[tuple[str, str, str], ...] = (
    *(
        (f"ours-eps{epsilon}", other, f"ours at epsilon {epsilon} less {name}")
        for epsilon in (1, 2, 8)
        for other, name in (
            ("ours-head-nodp", "the same head without DP"),
            ("ours-all-nodp", "all layers without DP"),
        )
    ),
    *(
        (OURS, other, f"ours at epsilon 2 less {name}")
        for other, name in (
            ("both-eps2", "both feature sets, whitened"),
            ("prior-eps2", "procedural prior"),
            ("scattering-eps2", "scattering"),
            ("scattering-whitened-eps2", "scattering, whitened"),
            ("scratch-eps2", "from scratch"),
            ("probe", "the shortcut probe"),
        )
    ),
    *(
        (f"ours-{part}-eps2", OURS, f"{name} less ours")
        for part, name in (
            ("noaug", "no augmentation"),
            ("denoise", "denoising"),
            ("perspective", "perspective correction"),
            ("quality", "quality gate"),
        )
    ),
)
"""Pairs of rows whose difference is a question that somebody asks."""


@dataclass(frozen=True)
class Figure:
    """Mean over the repetitions, their spread, and the interval over groups of patients."""

    value: float
    deviation: float | None
    """Standard deviation over the repetitions (n - 1); None of a single one."""
    low: float
    high: float

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        interval = [round(self.low, 4), round(self.high, 4)]
        spread = None if self.deviation is None else round(self.deviation, 4)
        return {"mean": round(self.value, 4), "deviation": spread, "interval": interval}


@dataclass(frozen=True)
class Row:
    """One row of the table."""

    recipe: Recipe
    wanted: int
    results: tuple[Result, ...]
    missing: str
    """Why repetitions are missing; empty if none is."""
    figures: dict[str, Figure] = field(default_factory=dict)

    @property
    def gpu(self) -> str:
        """Whether a GPU was used, or what one would have given."""
        if not self.results:
            return f"wanted: {self.recipe.wants_gpu}" if self.recipe.wants_gpu else "-"
        first = self.results[0]
        if first.effort == "quick":
            return "QUICK TRIAL, shows nothing"
        if first.gpu:
            return "used"
        if self.recipe.wants_gpu and first.effort == "cpu":
            return f"NOT USED; it would give {self.recipe.wants_gpu}"
        return "not used by this method" if first.effort == "gpu" else "not needed"

    @property
    def tried(self) -> str:
        """How many settings were tried before the row was judged."""
        first = self.results[0] if self.results else None
        if first is not None and first.search:
            return str(len(first.search["tried"]))
        if self.recipe.search and (first is None or first.effort != "quick"):
            return str(self.recipe.values)
        return self.recipe.tried

    def mean_cost(self, name: str) -> float | None:
        """Mean of a cost over the repetitions; of memory, the largest."""
        found = [value for each in self.results if (value := each.cost.get(name)) is not None]
        if not found:
            return None
        return max(found) if "memory" in name else float(np.mean(found))


@dataclass(frozen=True)
class Difference:
    """Of one headline between two rows, on the same resamples of groups."""

    name: str
    minuend: str
    subtrahend: str
    figures: dict[str, Figure]


def table(
    found: Sequence[Result],
    missing: Mapping[tuple[str, int], str],
    seeds: int,
    recipes: Sequence[Recipe] = RECIPES,
) -> list[Row]:
    """All rows in their order, those without a result, too."""
    rows = []
    for recipe in recipes:
        wanted = seeds if recipe.repeats else 1
        own = tuple(
            sorted((each for each in found if each.row == recipe.row), key=lambda each: each.repetition)
        )[:wanted]
        lacking = [k for k in range(1, wanted + 1) if k not in {each.repetition for each in own}]
        reasons = sorted({missing.get((recipe.row, k), NOT_RUN) for k in lacking})
        rows.append(Row(recipe, wanted, own, "; ".join(reasons), combined(own)))
    return rows


def combined(results: Sequence[Result]) -> dict[str, Figure]:
    """The headlines of repetitions of one row."""
    if not results:
        return {}
    names = [name for name in results[0].headlines if all(name in each.headlines for each in results)]
    return {name: _figure(results, name) for name in names}


def _figure(results: Sequence[Result], name: str) -> Figure:
    values = np.array([each.headlines[name] for each in results])
    point = float(values.mean())
    # Every run is judged on the same resamples: their mean over repetitions is the resampled mean.
    draws = np.mean([each.draws[name] for each in results], axis=0)
    held = percentile(draws, point, results[0].groups)
    spread = float(values.std(ddof=1)) if len(values) > 1 else None
    return Figure(point, spread, held.low, held.high)


def differences(rows: Sequence[Row]) -> list[Difference]:
    """The differences of `DIFFERENCES` whose rows both have results."""
    known = {row.recipe.row: row for row in rows if row.results}
    return [
        Difference(name, first, second, _difference(known[first], known[second]))
        for first, second, name in DIFFERENCES
        if first in known and second in known
    ]


def _difference(first: Row, second: Row) -> dict[str, Figure]:
    out = {}
    for name in first.figures:
        if name not in second.figures:
            continue
        one, two = (np.mean([each.draws[name] for each in row.results], axis=0) for row in (first, second))
        value = first.figures[name].value - second.figures[name].value
        low = high = value
        if np.ptp(one - two):  # Else the rows agree on every resample; it is no share of which 0 is an end.
            held = percentile(one - two, value, first.results[0].groups)
            low, high = held.low, held.high
        out[name] = Figure(value, None, low, high)
    return out


def headline_names(rows: Sequence[Row]) -> list[str]:
    """Headlines that occur, the mean first, in the order of their first occurrence."""
    names = dict.fromkeys(name for row in rows for name in row.figures)
    return [MEAN, *(name for name in names if name != MEAN)]
