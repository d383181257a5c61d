"""What the text cases prove of each script: the rows that boxes carry, `edge/anonymize/data/scripts.csv`."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from edge.anonymize.text.evidence import MOST, ScriptProof
from support.leak import judge
from support.leak.outcome import FileResult
from support.leak.run_text import TRUSTED
from support.leak.screens import DETECTOR_DECIDES, LAYOUTS
from support.leak.text_cases import TextCase

FILE = Path(__file__).resolve().parents[3] / "edge" / "anonymize" / "data" / "scripts.csv"


def rows(
    cases: Sequence[TextCase], results: Sequence[FileResult], digests: Iterable[str]
) -> list[ScriptProof]:
    """A row a script, of what left where the detectors alone decide, sorted by script.

    Args:
        cases: as they were run.
        results: of each case.
        digests: SHA-256 of the detectors' weights, hex.
    """
    left: dict[str, list[tuple[str, bool]]] = {case.script: [] for case in cases}
    for case, result in zip(cases, results, strict=True):
        outcome = result.outcomes[TRUSTED]
        if LAYOUTS[case.layout].kept in DETECTOR_DECIDES and outcome.held is None:
            left[case.script].append((result.source, outcome.leaking))
    weights = frozenset(digests)
    return [
        ScriptProof(script, len(found), sum(leaks for _, leaks in found), _upper(found), weights)
        for script, found in sorted(left.items())
    ]


def _upper(found: Sequence[tuple[str, bool]]) -> float:
    """Rounded up: a bound must not become a proof by being written down."""
    return math.ceil(judge.upper(*judge.by_cluster(found)) * 1e4) / 1e4


def write(found: Iterable[ScriptProof], path: Path = FILE) -> None:
    """Replace the rows that boxes carry."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("script", "cases", "leaking", "upper", "detectors"))
        writer.writerows(
            (r.script, r.cases, r.leaking, r.upper, " ".join(sorted(r.detectors))) for r in found
        )


def in_words(found: Iterable[ScriptProof]) -> str:
    """A line a script, and what follows."""
    return "\n".join(
        [
            f"Where the text detectors alone decide (a proof is a bound of {MOST:.1%} at most):",
            *(
                f"{row.script}: {row.leaking} of {row.cases:,} that left leak; bound by source file "
                f"{row.upper:.2%}: {_follows(row)}"
                for row in found
            ),
        ]
    )


def _follows(row: ScriptProof) -> str:
    if row.upper <= MOST:
        return "proved"
    few = judge.upper(0, row.cases) > MOST
    return "keep-region only" + (" (so few prove nothing, even without a leak)" if few else "")
