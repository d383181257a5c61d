"""The table of the leak bench: a row a stratum, with its bounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from support.leak import judge
from support.leak.grid import grid
from support.leak.run_video import CaseResult, leaked
from support.leak.video_cases import FRAMES, VideoCase


@dataclass(frozen=True)
class Row:
    """One stratum of the video cases."""

    name: str
    value: str
    cases: int
    leaking: int
    upper: float
    """95 % upper bound of the share of cases that leak, as if cases were independent."""
    identities: int
    identities_leaking: int
    upper_by_identity: float
    """95 % upper bound of the share of identities that leak in any case of this stratum."""
    frames_leaking: float
    """Share of faces in frames that left that were uncovered."""
    masked: float
    suppressed: float


def rows(cases: Sequence[VideoCase], results: Sequence[CaseResult]) -> list[Row]:
    """All cases, then each stratum."""
    pairs = list(zip(cases, results, strict=True))
    strata = judge.strata(case.strata for case in cases)
    found = [_row("all", "", pairs)]
    found += [_row(name, value, [p for p in pairs if p[0].strata[name] == value]) for name, value in strata]
    slow = [p for p in pairs if p[0].pace in {"calm", "brisk"}]
    found.insert(1, _row("calm and brisk", "", slow))
    return found


def _row(name: str, value: str, pairs: Sequence[tuple[VideoCase, CaseResult]]) -> Row:
    results = [result for _, result in pairs]
    leaking = sum(map(leaked, results))
    bad, people = judge.by_cluster((result.identity, leaked(result)) for result in results)
    judged = sum(result.judged for result in results)
    return Row(
        name,
        value,
        len(results),
        leaking,
        judge.upper(leaking, len(results)),
        people,
        bad,
        judge.upper(bad, people),
        sum(result.leaking for result in results) / max(1, judged),
        sum(result.masked for result in results) / max(1, len(results)),
        sum(sum(result.held.values()) for result in results) / max(1, FRAMES * len(results)),
    )


def markdown(found: Sequence[Row]) -> str:
    """The rows as a Markdown table."""
    head = ["stratum", "cases", "leaking (95 % bound)", "identities leaking (95 % bound)", "of faces shown",
            "masked", "suppressed"]  # fmt: skip
    lines = [
        [
            f"{row.name} {row.value}".strip(),
            f"{row.cases:,}",
            f"{row.leaking}: {row.leaking / max(1, row.cases):.2%} ({row.upper:.2%})",
            f"{row.identities_leaking} of {row.identities} ({row.upper_by_identity:.2%})",
            f"{row.frames_leaking:.3%}",
            f"{row.masked:.1%}",
            f"{row.suppressed:.1%}",
        ]
        for row in found
    ]
    return grid(head, lines)
