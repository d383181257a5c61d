"""Scripts that the text detectors are proved to find: `data/scripts.csv`, written by ``scripts/bench leak``.

Where nothing but detectors stands between a name and the outside, that is in whole frames and pictures, a
script without proof is not looked for but kept out: keep-region only. A proof holds for the very weights
that were measured; with others there is none.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

from edge.anonymize.text.finder import TextFinder

MOST = 0.01
"""Highest bound that is a proof."""


@dataclass(frozen=True)
class ScriptProof:
    """A script's row."""

    script: str
    cases: int
    """Images with a burned-in name that left."""
    leaking: int
    """Of these, with a readable group of its letters."""
    upper: float
    """One-sided 95 % bound (Clopper and Pearson, 1934) of the share of source files that leak."""
    detectors: frozenset[str]
    """SHA-256 of the weights that were measured together, hex."""


@lru_cache(maxsize=1)
def table() -> tuple[ScriptProof, ...]:
    """All rows."""
    text = (resources.files("edge.anonymize") / "data" / "scripts.csv").read_text("utf-8")
    return tuple(
        ScriptProof(
            row["script"],
            int(row["cases"]),
            int(row["leaking"]),
            float(row["upper"]),
            frozenset(row["detectors"].split()),
        )
        for row in csv.DictReader(text.splitlines())
    )


def proved(digests: Iterable[str], rows: Iterable[ScriptProof] | None = None) -> frozenset[str]:
    """Scripts that detectors, looking together, are proved to find.

    Args:
        digests: SHA-256 of the weights of all that must have looked, hex.
        rows: the evidence; None for what is shipped.
    """
    loaded = frozenset(digests)
    return frozenset(
        row.script
        for row in (table() if rows is None else rows)
        if row.upper <= MOST and row.detectors == loaded
    )


@dataclass(frozen=True)
class Trust:
    """Whether detectors may decide over what a whole frame shows."""

    declared: tuple[str, ...]
    """Scripts in which the clinic's devices may write, beside Latin: that is written everywhere."""
    proved: frozenset[str]

    @classmethod
    def of(cls, declared: tuple[str, ...], finders: Iterable[TextFinder]) -> Trust:
        """That in detectors which are proved, or not, by what is shipped."""
        return cls(declared, proved(finder.sha256.hex() for finder in finders))

    def covers(self, written: Iterable[str] = ()) -> bool:
        """Whether all scripts that may stand in an image are proved.

        Args:
            written: scripts beside the declared ones that its header is written in.
        """
        return {"latin", *self.declared, *written} <= self.proved

    def missing(self) -> list[str]:
        """Declared scripts without proof, sorted."""
        return sorted({"latin", *self.declared} - self.proved)
