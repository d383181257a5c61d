"""Where things are in each view before anything is drawn: the skull's cavity, its dura, and the sella."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trainer.phantoms.drawing import Rng
from trainer.phantoms.head.canvas import Path, Points, curve, jitter, mirrored

VIEWS = (
    "axial at the vertex", "axial at the ventricles", "axial at the basal ganglia", "axial at the base",
    "sagittal in the midline", "sagittal beside it", "coronal in front", "coronal in the middle",
    "coronal behind",
)  # fmt: skip
AXIAL, SAGITTAL, CORONAL = (0, 1, 2, 3), (4, 5), (6, 7, 8)
WITH_SELLA = (3, 4, 7)
"""Views that cut the pituitary fossa."""


@dataclass(frozen=True)
class Sites:
    """Anatomy that lesions need to know of.

    ``cavity`` is the inner table of the skull; ``dura`` holds lines on which a meningioma may sit, with the
    weight of each; ``inner`` is an ellipse (x, y, rx, ry) well inside the brain; ``vents`` is the ventricles'
    size, about 0.5 to 2.
    """

    cavity: Points
    dura: tuple[tuple[Points, float], ...]
    inner: tuple[float, float, float, float]
    sella: tuple[float, float] | None
    vents: float


def _line(points: Path) -> Points:
    return curve(points, closed=False)


def _upper(cavity: Points, below: float) -> Points:
    """The convexity: the part of the cavity's outline above a height, as one line."""
    start = int(np.argmax(cavity[:, 1]))
    rolled = np.roll(cavity, -start, 0)
    return rolled[rolled[:, 1] < below]


def egg(rng: Rng, rx: float, ry: float, narrow: float, square: float) -> Points:
    """An outline that is narrower in front, which is up, and a little flattened."""
    turn = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    x = np.sign(np.cos(turn)) * np.abs(np.cos(turn)) ** square
    y = np.sign(np.sin(turn)) * np.abs(np.sin(turn)) ** square
    lopsided = 1 + rng.normal(0, 0.02) * np.cos(turn) + rng.normal(0, 0.01) * np.cos(3 * turn)
    return np.stack([rx * x * (1 + narrow * y) * lopsided, ry * y], 1)


def _axial(rng: Rng, view: int, vents: float) -> Sites:
    wide = (0.68, 0.78, 0.8, 0.74)[view] * rng.uniform(0.93, 1.06)
    long = (0.86, 1.0, 1.0, 0.96)[view] * rng.uniform(0.96, 1.04)
    cavity = egg(rng, wide, long, rng.uniform(0.05, 0.13), rng.uniform(0.84, 1.0))
    falx_front, falx_back = [(0, -long), (0, -0.45 * long)], [(0, 0.5 * long), (0, long)]
    dura: tuple[tuple[Points, float], ...]
    if view == 0:
        dura = ((cavity, 0.55), (_line([(0, -long), (0, 0), (0, long)]), 0.45))
    elif view < 3:
        dura = ((cavity, 0.7), (_line(falx_front), 0.15), (_line(falx_back), 0.15))
    else:
        wings = [_line([(s * 0.12, -0.3), (s * 0.35, -0.34), (s * 0.66, -0.5)]) for s in (-1, 1)]
        petrous = [_line([(s * 0.14, 0.12), (s * 0.4, 0.24), (s * 0.66, 0.34)]) for s in (-1, 1)]
        # The cavity's front is where the orbits are: no dura there.
        behind = _upper(cavity * (1, -1), 0.4) * (1, -1)
        dura = ((behind, 0.4), *((line, 0.15) for line in (*wings, *petrous)))
    sella = (rng.normal(0, 0.015), -0.22 + rng.normal(0, 0.03)) if view == 3 else None
    inner = (0.0, 0.2, wide * 0.66, long * 0.5) if view == 3 else (0.0, 0.0, wide * 0.62, long * 0.66)
    return Sites(cavity, dura, inner, sella, vents)


def _sagittal(rng: Rng, view: int, vents: float) -> Sites:
    if view == 4:
        low = [
            (-0.93, 0.2), (-0.74, 0.34), (-0.45, 0.37), (-0.3, 0.42), (-0.23, 0.52), (-0.14, 0.5),
            (-0.1, 0.42), (0.0, 0.64), (0.1, 0.94), (0.36, 0.98), (0.62, 0.92), (0.86, 0.7), (0.99, 0.36),
        ]  # fmt: skip
    else:
        low = [
            (-0.93, 0.16), (-0.7, 0.22), (-0.5, 0.3), (-0.48, 0.5), (-0.3, 0.6), (0.0, 0.6), (0.14, 0.66),
            (0.25, 0.86), (0.5, 0.92), (0.8, 0.72), (0.97, 0.36),
        ]  # fmt: skip
    turn = np.linspace(0.1, np.pi - 0.14, 9)
    tall = rng.uniform(0.76, 0.88)
    top = np.stack([np.cos(turn) * (1 + 0.02 * np.cos(turn)), -tall * np.sin(turn) ** 0.9 + 0.1], 1)
    cavity = curve(np.concatenate([jitter(rng, low, 0.012), top]))
    convex = _upper(cavity, 0.2)
    tentorium = _line([(0.32, 0.2), (0.62, 0.26), (0.95, 0.38)])
    floor = _line([(-0.9, 0.22), (-0.7, 0.32), (-0.42, 0.36)])
    behind = _line([(0.95, 0.42), (0.84, 0.7), (0.6, 0.9)])
    dura = ((convex, 0.5), (tentorium, 0.17), (floor, 0.18), (behind, 0.15))
    sella = (-0.2 + rng.normal(0, 0.015), 0.46 + rng.normal(0, 0.015)) if view == 4 else None
    return Sites(cavity, dura, (-0.02, -0.2, 0.68, 0.36), sella, vents)


def _coronal(rng: Rng, view: int, vents: float) -> Sites:
    wide = (0.66, 0.8, 0.77)[view - 6] * rng.uniform(0.94, 1.05)
    tall = (0.66, 0.78, 0.76)[view - 6] * rng.uniform(0.94, 1.06)
    halves: tuple[list[tuple[float, float]], ...] = (
        [(0.03, 0.36), (0.2, 0.3), (0.42, 0.24), (0.6, 0.12)],
        [(0.04, 0.42), (0.15, 0.42), (0.24, 0.5), (0.45, 0.56), (0.64, 0.5), (0.78, 0.24)],
        [(0.05, 0.84), (0.3, 0.84), (0.58, 0.7), (0.72, 0.42)],
    )
    low = np.asarray(halves[view - 6]) * (wide / (0.66, 0.8, 0.77)[view - 6], 1)
    turn = np.linspace(0.05, np.pi / 2 - 0.12, 6)
    top = np.stack([wide * np.cos(turn) ** 0.85, -tall * np.sin(turn) ** 0.9], 1)
    cavity = curve(mirrored(np.concatenate([low, top])[::-1]))
    cavity = cavity * (1 + rng.normal(0, 0.015) * np.sign(cavity[:, :1]), 1)[0]
    falx = _line([(0, -tall), (0, -0.55 * tall), (0, -0.2)])
    convex = _upper(cavity, 0.2)
    dura: tuple[tuple[Points, float], ...]
    if view == 6:
        dura = ((convex, 0.55), (falx, 0.3), (_line([(-0.4, 0.22), (0, 0.33), (0.4, 0.22)]), 0.15))
    elif view == 7:
        wings = [_line([(s * 0.25, 0.48), (s * 0.45, 0.54), (s * 0.62, 0.48)]) for s in (-1, 1)]
        dura = ((convex, 0.55), (falx, 0.25), (wings[0], 0.1), (wings[1], 0.1))
    else:
        roof = [_line([(s * 0.05, 0.1), (s * 0.35, 0.24), (s * 0.68, 0.32)]) for s in (-1, 1)]
        dura = ((convex, 0.45), (falx, 0.25), (roof[0], 0.15), (roof[1], 0.15))
    sella = (rng.normal(0, 0.015), 0.41 + rng.normal(0, 0.015)) if view == 7 else None
    return Sites(cavity, dura, (0, -0.2, wide * 0.62, tall * 0.5), sella, vents)


def sites(rng: Rng, view: int, vents: float) -> Sites:
    """Where things are in one head in one view."""
    if view in AXIAL:
        return _axial(rng, view, vents)
    return _sagittal(rng, view, vents) if view in SAGITTAL else _coronal(rng, view, vents)
