"""The text cases: scripts, kinds of font, sizes, contrasts and layouts, each in turn beside all others. Pure.

Every dimension is gone through in shuffled rounds of its own, so that any number of cases from the first
holds each value as often as any other, give or take one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from support.leak.fonts import FONTS
from support.leak.screens import LAYOUTS

LATIN_TOO, OTHERS_ALONE = 7560, 3000
COUNT = LATIN_TOO + OTHERS_ALONE
OTHERS = ("cyrillic", "greek", "arabic", "devanagari", "cjk")
SCRIPTS = (*("latin",) * 10, *OTHERS)
"""Two thirds of the first cases are Latin, and the last are of the others alone: a bound of 1 % asks for some
hundred files of a script that left, and Latin is the one that most have."""
SIZES = (10, 14, 20, 32, 56)
"""Pixels an em, in frames about 500 pixels high."""
CONTRASTS = {"strong": (150, 255), "middle": (80, 120), "faint": (40, 60)}
"""Gray levels between ink and ground."""
STROKES = ("smooth", "hard")
"""With gray edges, or without, as older consoles draw."""
TUNING = 100
"""What a seed has more where rules are chosen and not judged."""
Value = TypeVar("Value")


@dataclass(frozen=True)
class TextCase:
    """One object with burned-in text."""

    number: int
    script: str
    font: str
    size: int
    contrast: str
    layout: str
    strokes: str
    source: str
    """Name of the image below EDGE_DATA that the text is pasted into."""
    seed: int

    @property
    def strata(self) -> dict[str, str]:
        """The case's place in the table."""
        return {
            "known": LAYOUTS[self.layout].kept,
            "layout": self.layout,
            "script": self.script,
            "font": f"{self.script} {self.font}",
            "size": f"{self.size} px",
            "contrast": self.contrast,
            "strokes": self.strokes,
        }


def rounds(values: Sequence[Value], rng: np.random.Generator) -> Iterator[Value]:
    """All values in a random order, then again in another, for ever."""
    while True:
        yield from (values[i] for i in rng.permutation(len(values)))


def turns_of(values: Sequence[Value], rng: np.random.Generator) -> Iterator[Value]:
    """`rounds` of a chance of their own: how far one dimension is gone through moves no other."""
    return rounds(values, np.random.default_rng(rng.integers(1 << 31)))


def cases(sources: Mapping[str, Sequence[str]], count: int = COUNT, *, tune: bool = False) -> list[TextCase]:
    """The first ``count`` cases.

    Args:
        sources: images by kind (`screens.Layout.shows`).
        count: how many.
        tune: other cases, to choose rules by; give other images, too.
    """
    rng = np.random.default_rng(16 + TUNING * tune)
    scripts, sizes, contrasts, strokes, layouts = (
        turns_of(tuple(each), rng) for each in (SCRIPTS, SIZES, CONTRASTS, STROKES, LAYOUTS)
    )
    others = rounds(OTHERS, np.random.default_rng(17 + TUNING * tune))
    fonts = {script: turns_of(tuple(kinds), rng) for script, kinds in FONTS.items()}
    images = {kind: turns_of(names, rng) for kind, names in sorted(sources.items())}
    result = []
    for number in range(count):
        script, layout = str(next(scripts if number < LATIN_TOO else others)), str(next(layouts))
        result.append(
            TextCase(
                number, script, next(fonts[script]), int(next(sizes)), str(next(contrasts)), layout,
                str(next(strokes)), next(images[LAYOUTS[layout].shows]), int(rng.integers(1 << 31)),
            )
        )  # fmt: skip
    return result
