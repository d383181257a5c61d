"""The tables of text and header cases: a row a stratum, ours beside the peers. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from support.leak import judge
from support.leak.grid import grid
from support.leak.outcome import FileResult, Outcome

OURS = "edge"


@dataclass(frozen=True)
class Tally:
    """One tool on the cases of one stratum."""

    cases: int
    leaking: int
    upper: float
    """95 % upper bound of the share of cases that leak, as if cases were independent."""
    sources: int
    sources_leaking: int
    upper_by_source: float
    """95 % upper bound of the share of source files that leak in any case of this stratum."""
    held: float
    masked: float | None
    """Mean filled share of the frames that left; None where no frame was filled by the tool."""
    markers: int
    markers_lost: int
    per_second: float
    """Files a second of processor time."""


@dataclass(frozen=True)
class Row:
    """One stratum, by tool."""

    name: str
    value: str
    tallies: dict[str, Tally]


def rows(strata: Sequence[Mapping[str, str]], results: Sequence[FileResult]) -> list[Row]:
    """All cases, then each stratum."""
    pairs = list(zip(strata, results, strict=True))
    found = [Row("all", "", _tallies(results))]
    for name, value in sorted(judge.strata(strata)):
        inside = [result for stratum, result in pairs if stratum.get(name) == value]
        found.append(Row(name, value, _tallies(inside)))
    return found


def _tallies(results: Sequence[FileResult]) -> dict[str, Tally]:
    tools = dict.fromkeys(tool for result in results for tool in result.outcomes)
    return {
        tool: tally((result.source, result.outcomes[tool]) for result in results if tool in result.outcomes)
        for tool in tools
    }


def tally(outcomes: Iterable[tuple[str, Outcome]]) -> Tally:
    """Outcomes of one tool, each with its source file."""
    pairs = list(outcomes)
    leaking = sum(outcome.leaking for _, outcome in pairs)
    bad, sources = judge.by_cluster((source, outcome.leaking) for source, outcome in pairs)
    filled = [outcome.masked for _, outcome in pairs if outcome.masked is not None]
    markers = [outcome.marker_lost for _, outcome in pairs if outcome.marker_lost is not None]
    seconds = sum(outcome.seconds for _, outcome in pairs)
    return Tally(
        len(pairs), leaking, judge.upper(leaking, len(pairs)),
        sources, bad, judge.upper(bad, sources),
        sum(outcome.held is not None for _, outcome in pairs) / max(1, len(pairs)),
        sum(filled) / len(filled) if filled else None,
        len(markers), sum(markers),
        len(pairs) / seconds if seconds else 0.0,
    )  # fmt: skip


def markdown(found: Sequence[Row]) -> str:
    """The rows as a Markdown table; the peers' columns are those that some case has."""
    tools = list(found[0].tallies)
    peers = [tool for tool in tools if tool != OURS]
    with_masks = any(row.tallies[OURS].masked is not None for row in found if OURS in row.tallies)
    head = ["stratum", "cases", "edge leaking (95 % bound)", "source files leaking (95 % bound)"]
    head.append("suppressed")
    head += ["masked"] * with_masks + [f"{peer} leaking, by source file (95 % bound)" for peer in peers]
    lines = []
    for row in found:
        ours = row.tallies[OURS]
        line = [f"{row.name} {row.value}".strip(), f"{ours.cases:,}", _plain(ours), _by_source(ours),
                f"{ours.held:.1%}"]  # fmt: skip
        line += [_share(ours.masked)] * with_masks
        line += [
            f"{_plain(row.tallies[peer])}, {_by_source(row.tallies[peer])}" if peer in row.tallies else "-"
            for peer in peers
        ]
        lines.append(line)
    return grid(head, lines)


def summary(tallies: Mapping[str, Tally]) -> str:
    """The tools side by side: masked area, suppressed share, markers lost, files a second."""
    head = ["tool", "leaking", "suppressed", "masked", "markers lost", "files a second of one core"]
    lines = [
        [tool, _plain(each), f"{each.held:.1%}", _share(each.masked),
         f"{each.markers_lost} of {each.markers}" if each.markers else "-", f"{each.per_second:.2f}"]
        for tool, each in tallies.items()
    ]  # fmt: skip
    return grid(head, lines)


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _plain(each: Tally) -> str:
    return f"{each.leaking}: {each.leaking / max(1, each.cases):.2%} ({each.upper:.2%})"


def _by_source(each: Tally) -> str:
    return f"{each.sources_leaking} of {each.sources} ({each.upper_by_source:.2%})"
