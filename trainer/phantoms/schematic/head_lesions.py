"""What grows in a head: one drawing for each kind of lesion, on a slice whose anatomy is already there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trainer.phantoms.drawing import Drawing, Gray, Rng, blob, texture

BASE = {0: (0.0, 0.1), 1: (0.0, 0.05), 2: (0.0, -0.28), 3: (0.15, 0.42), 4: (0.0, 0.45)}
"""By view, where the base of the skull is, in radii of the brain; in a side view, on one of the two sides."""


@dataclass(frozen=True)
class Levels:
    """Gray level of each tissue in one contrast."""

    fat: float
    muscle: float
    gray: float
    white: float
    fluid: float
    lesion: float
    dead: float
    swelling: float


@dataclass(frozen=True)
class Skull:
    """Centre, radii and tilt of a brain, and its mask."""

    cx: float
    cy: float
    rx: float
    ry: float
    tilt: float
    brain: Gray

    def at(self, u: float, v: float) -> tuple[float, float]:
        """Pixel of a place given in radii of the brain."""
        c, s = np.cos(self.tilt), np.sin(self.tilt)
        x, y = u * self.rx, v * self.ry
        return self.cx + x * c - y * s, self.cy + x * s + y * c


@dataclass(frozen=True)
class _Place:
    """Slice, tissue levels, and what all kinds of lesion share: size, direction, distance, texture."""

    d: Drawing
    s: Skull
    t: Levels
    view: int
    radius: float
    turn: float
    far: float
    core: Gray

    def within(self) -> tuple[float, float]:
        """A place inside the brain."""
        return self.s.at(self.far * np.cos(self.turn), self.far * np.sin(self.turn))


def _solid(rng: Rng, p: _Place, *, ring: bool = False) -> None:
    (x, y), r = p.within(), p.radius
    if rng.uniform() < 0.8:
        halo = blob(rng, x, y, r * rng.uniform(1.4, 2.3), r * 1.7, wobble=0.5, soft=5) * p.s.brain
        p.d.lay(halo * rng.uniform(0.5, 0.9), p.t.swelling, "swelling")
    shape = blob(rng, x, y, r, r * rng.uniform(0.7, 1.2), angle=p.turn, wobble=0.35, soft=1)
    p.d.lay(shape * p.s.brain, p.core, "mass_inside")
    if ring:
        hole = blob(rng, x, y, r * rng.uniform(0.5, 0.8), r * rng.uniform(0.5, 0.75), wobble=0.35)
        p.d.lay(hole * p.s.brain, p.t.dead * (1 + 0.1 * texture(rng, 2)))


def _ring(rng: Rng, p: _Place) -> None:
    _solid(rng, p, ring=True)


def _border(rng: Rng, p: _Place) -> None:
    midline, r = rng.uniform() < 0.25, p.radius
    if midline:
        x, y = p.s.at(rng.normal(0, 0.08), rng.uniform(-0.85, -0.2))
    else:
        reach = 1 - 0.55 * r / p.s.rx
        x, y = p.s.at(np.cos(p.turn) * reach, np.sin(p.turn) * reach)
    if rng.uniform() < 0.4:
        halo = blob(rng, x, y, r * 1.6, r * 1.5, wobble=0.3, soft=5) * p.s.brain
        p.d.lay(halo * 0.7, p.t.swelling, "swelling")
    p.d.lay(blob(rng, x, y, r * 1.12, r, angle=p.turn, wobble=0.08) * p.s.brain * 0.8, p.t.fluid)
    shape = blob(rng, x, y, r, r * rng.uniform(0.75, 1), angle=p.turn, wobble=0.1)
    p.d.lay(shape, p.core, "mass_at_the_border")


def _base(rng: Rng, p: _Place) -> None:
    u, v = BASE[p.view]
    x, y = p.s.at(u * rng.choice([-1, 1]) + rng.normal(0, 0.03), v + rng.normal(0, 0.04))
    r = p.radius * 0.85
    tall = r * rng.uniform(0.7, 1.3)
    p.d.lay(blob(rng, x, y, r, tall, wobble=0.12, soft=0.6), p.core, "mass_at_the_base")
    if rng.uniform() < 0.3:
        p.d.lay(blob(rng, x, y, r * 0.47, tall * 0.47, wobble=0.2), p.t.dead)


def _diffuse(rng: Rng, p: _Place) -> None:
    (x, y), r = p.within(), p.radius
    wide = blob(rng, x, y, r * 1.7, r * 1.3, angle=p.turn, wobble=0.5, soft=9) * p.s.brain
    p.d.lay(wide * rng.uniform(0.4, 0.8), p.t.swelling * (1 + 0.1 * texture(rng, 2)), "swelling")


def _several(rng: Rng, p: _Place) -> None:
    for _ in range(int(rng.integers(2, 6))):
        x, y = p.s.at(*rng.uniform(-0.6, 0.6, 2))
        r = p.radius * rng.uniform(0.2, 0.45)
        p.d.lay(blob(rng, x, y, 2 * r, 2 * r, soft=3) * p.s.brain * 0.6, p.t.swelling, "swelling")
        p.d.lay(blob(rng, x, y, r, r, wobble=0.1), p.core, "mass_inside")


DRAW = {1: _ring, 2: _solid, 3: _border, 4: _base, 5: _diffuse, 6: _several}
"""By the same positions as LESION_SHARES in head.py."""
IN_A_QUADRANT = {1, 2, 3, 5}


def draw_lesion(rng: Rng, d: Drawing, s: Skull, t: Levels, view: int, lesion: int) -> None:
    """Draw one kind of lesion; its size, and its quadrant if it has one, become labels."""
    size = int(rng.integers(3))
    radius = s.rx * (0.11, 0.19, 0.29)[size] * rng.uniform(0.85, 1.15)
    turn, far = rng.uniform(0, 6.28), rng.uniform(0.25, 0.62)
    rough = rng.uniform(0.02, 0.15) * texture(rng, rng.uniform(1, 2.5))
    core = np.asarray(t.lesion * (1 + rough), np.float32)
    DRAW[lesion](rng, _Place(d, s, t, view, radius, turn, far, core))
    if lesion in IN_A_QUADRANT:
        d.labels["head_quadrant"] = int(np.cos(turn) > 0) + 2 * int(np.sin(turn) > 0)
