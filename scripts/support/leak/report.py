"""The tables of the video cases and of the rooms: a row a stratum, with its bounds. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from support.leak import judge
from support.leak.grid import grid
from support.leak.outcome import CaseResult


class Case(Protocol):
    """A clip's place in the table."""

    @property
    def pace(self) -> str:
        """How fast it is."""

    @property
    def strata(self) -> dict[str, str]:
        """Its value in every dimension."""


@dataclass(frozen=True)
class Row:
    """One stratum."""

    name: str
    value: str
    cases: int
    leaking: int
    upper: float
    """95 % upper bound of the share of cases that leak, as if cases were independent."""
    clusters: int
    clusters_leaking: int
    upper_by_cluster: float
    """95 % upper bound of the share of clusters that leak in any case of this stratum."""
    frames_leaking: float
    """Share of faces or lines in frames that left that were uncovered."""
    masked: float
    away: float | None
    """Masked of what is neither planted nor near it."""
    suppressed: float


@dataclass(frozen=True)
class Words:
    """What a table calls things."""

    clusters: str
    shown: str
    """What is judged in each frame."""
    away: str = ""
    """What is left when all that is planted, and near it, is taken away."""


FACES = Words("identities", "faces")
LINES = Words("rooms and fonts", "lines and codes", "more than a line from any")


def rows(cases: Sequence[Case], results: Sequence[CaseResult]) -> list[Row]:
    """All cases, then each stratum."""
    pairs = list(zip(cases, results, strict=True))
    strata = judge.strata(case.strata for case in cases)
    found = [_row("all", "", pairs)]
    found += [_row(name, value, [p for p in pairs if p[0].strata[name] == value]) for name, value in strata]
    slow = [p for p in pairs if p[0].pace in {"calm", "brisk"}]
    found.insert(1, _row("calm and brisk", "", slow))
    return found


def _row(name: str, value: str, pairs: Sequence[tuple[Case, CaseResult]]) -> Row:
    results = [result for _, result in pairs]
    leaking = sum(result.leaked for result in results)
    bad, clusters = judge.by_cluster((result.cluster, result.leaked) for result in results)
    suppressed = sum(sum(result.held.values()) for result in results)
    away = [result.away for result in results if result.away is not None]
    return Row(
        name,
        value,
        len(results),
        leaking,
        judge.upper(leaking, len(results)),
        clusters,
        bad,
        judge.upper(bad, clusters),
        sum(result.leaking for result in results) / max(1, sum(result.judged for result in results)),
        sum(result.masked for result in results) / max(1, len(results)),
        sum(away) / len(away) if away else None,
        suppressed / max(1, suppressed + sum(result.emitted for result in results)),
    )


def markdown(found: Sequence[Row], words: Words = FACES) -> str:
    """The rows as a Markdown table."""
    head = ["stratum", "cases", "leaking (95 % bound)", f"{words.clusters} leaking (95 % bound)",
            f"of {words.shown} shown", "masked", "suppressed"]  # fmt: skip
    head += [f"masked {words.away}"] * bool(words.away)
    lines = [
        [
            f"{row.name} {row.value}".strip(),
            f"{row.cases:,}",
            f"{row.leaking}: {row.leaking / max(1, row.cases):.2%} ({row.upper:.2%})",
            f"{row.clusters_leaking} of {row.clusters} ({row.upper_by_cluster:.2%})",
            f"{row.frames_leaking:.3%}",
            f"{row.masked:.1%}",
            f"{row.suppressed:.1%}",
            *["-" if row.away is None else f"{row.away:.2%}"] * bool(words.away),
        ]
        for row in found
    ]
    return grid(head, lines)


def held(results: Sequence[CaseResult]) -> str:
    """Frames held back, by reason."""
    reasons: Counter[str] = Counter()
    for result in results:
        reasons.update(result.held)
    frames = reasons.total() + sum(result.emitted for result in results)
    said = ", ".join(f"{reason} {count:,}" for reason, count in reasons.most_common())
    return f"Of {frames:,} frames held back: {said or 'none'}."
