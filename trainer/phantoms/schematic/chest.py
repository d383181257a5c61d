"""Frontal chest radiographs: two builds, and six kinds of opacity.

A radiograph is a shadow: parts add up along the beam instead of hiding one another. Drawn from general
knowledge of anatomy and from no image.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trainer.phantoms.drawing import SIDE, Drawing, Gray, Rng, X, Y, blank, blob, polygon, stroke, texture

LESION_SHARES = (0.28, 0.16, 0.15, 0.12, 0.1, 0.07, 0.12)
"""By position in trainer.phantoms.chest.lesions.LESIONS; the last of those is not drawn here."""


class _Chest:
    def __init__(self, rng: Rng, build: int) -> None:
        zoom = rng.uniform(0.95, 1.3)
        self.cx, self.cy = 112 + rng.normal(0, 6), 106 + rng.normal(0, 7)
        self.tall = (66 if build == 0 else 82) * zoom * rng.uniform(0.88, 1.1)
        self.wide = (36 if build == 0 else 40) * zoom * rng.uniform(0.9, 1.12)
        self.gap = (44 if build == 0 else 48) * zoom * rng.uniform(0.93, 1.07)
        self.zoom = zoom
        self.lungs: list[Gray] = []
        self.both: Gray = np.zeros((SIDE, SIDE), np.float32)

    def draw_lungs(self, rng: Rng, d: Drawing, depth: float) -> None:
        lean = rng.uniform(0.04, 0.14)
        for side in (-1, 1):
            turn = np.linspace(-np.pi, 0, 28)
            top = np.stack(
                [self.wide * np.cos(turn) * (0.72 + 0.2 * -np.sin(turn)), self.tall * np.sin(turn)], 1
            )
            floor = self.tall * rng.uniform(0.5, 0.72)
            right, left = self.wide * rng.uniform(0.95, 1.15), -self.wide * rng.uniform(0.7, 0.95)
            if side < 0:
                right, left = -left, -right
            arch = np.linspace(right, left, 12)
            dome = floor - rng.uniform(6, 16) * self.zoom * np.sin(np.linspace(0.15, np.pi - 0.15, 12))
            points = np.concatenate([top, np.stack([arch, dome], 1)])
            c, s = np.cos(side * lean), np.sin(side * lean)
            x, y = points[:, 0] * c - points[:, 1] * s, points[:, 0] * s + points[:, 1] * c
            lung = polygon(np.stack([x + self.cx + side * self.gap, y + self.cy], 1), 2.5)
            d.add(lung, -depth, "lung")
            self.lungs.append(lung)
        self.both = np.maximum(*self.lungs)

    def hide(self, mask: Gray) -> None:
        """What lies before the lungs: findings do not show through it."""
        self.lungs = [np.asarray(lung * (1 - mask), np.float32) for lung in self.lungs]
        self.both = np.maximum(*self.lungs)

    def place(
        self, rng: Rng, side: int, u: tuple[float, float], v: tuple[float, float]
    ) -> tuple[float, float]:
        """A place in one lung, in its half axes."""
        return (
            self.cx + side * self.gap + rng.uniform(*u) * self.wide,
            self.cy + rng.uniform(*v) * self.tall,
        )


def _ribs(rng: Rng, d: Drawing, c: _Chest) -> None:
    pitch, strength = rng.uniform(15, 22) * c.zoom, rng.uniform(0.03, 0.12)
    slope, thick = rng.uniform(0.3, 0.8), rng.uniform(4, 8)
    for side in (-1, 1):
        for number in range(11):
            y0 = c.cy - c.tall * 1.02 + number * pitch
            u = np.linspace(0, 1, 14)
            reach = (c.gap + c.wide * 1.15) * min(1.0, 0.55 + 0.09 * number)
            x = c.cx + side * (9 + u * reach)
            y = y0 - 10 * np.sin(u * np.pi) + slope * (u**2) * 34
            d.add(stroke(np.stack([x, y], 1), thick, 1.3), strength, "bone")
        clavicle = np.array(
            [
                [c.cx + side * 7, c.cy - c.tall * 0.72],
                [c.cx + side * (c.gap * 1.7), c.cy - c.tall * rng.uniform(0.8, 1.0)],
            ]
        )
        d.add(stroke(clavicle, rng.uniform(6, 9), 1.3), strength * 1.7, "bone")
    for number in range(14):
        level = c.cy - c.tall * 1.1 + number * pitch * 0.9
        d.add(blob(rng, c.cx, level, 9 * c.zoom, pitch * 0.3, soft=1.5), strength * 0.8, "bone")


@dataclass(frozen=True)
class _Finding:
    """What all kinds of opacity are drawn with: the chest, a side, how dense, and a grain about one."""

    d: Drawing
    c: _Chest
    side: int
    dense: float
    grain: Gray

    @property
    def sign(self) -> int:
        return (-1, 1)[self.side]

    @property
    def lung(self) -> Gray:
        return self.c.lungs[self.side]


def _lobe(rng: Rng, f: _Finding) -> None:
    x, y = f.c.place(rng, f.sign, (-0.5, 0.5), (-0.5, 0.4))
    size = rng.uniform(16, 34) * f.c.zoom
    mask = blob(rng, x, y, size, size * rng.uniform(0.6, 1.2), wobble=0.3, soft=rng.uniform(4, 9)) * f.lung
    f.d.add(mask, f.dense * f.grain, "dense_opacity")
    if rng.uniform() < 0.4:  # air in the branches shows dark in what is filled
        for _ in range(3):
            path = np.array([x, y]) + np.cumsum(rng.normal(0, 6, (5, 2)), 0)
            f.d.add(stroke(path, 2, 0.8) * mask, -f.dense * 0.6)


def _edges(rng: Rng, f: _Finding) -> None:
    for _ in range(int(rng.integers(5, 14))):
        hand = int(rng.choice([-1, 1]))
        x, y = f.c.place(rng, hand, (0.15, 0.85) if hand > 0 else (-0.85, -0.15), (-0.4, 0.6))
        size = rng.uniform(7, 20) * f.c.zoom
        mask = blob(rng, x, y, size, size, wobble=0.4, soft=7) * f.c.both
        f.d.add(mask, f.dense * 0.7 * f.grain, "hazy_opacity")


def _lines(rng: Rng, f: _Finding) -> None:
    fine = np.abs(texture(rng, rng.uniform(0.75, 1.75))) - 0.5
    middle = f.c.cy + rng.uniform(-20, 30)
    where = blob(rng, f.c.cx, middle, 110, rng.uniform(40, 90), soft=20) * f.c.both
    f.d.add(where, np.asarray(np.clip(fine, 0, 2) * f.dense * 0.6, np.float32), "lines_and_dots")


def _effusion(rng: Rng, f: _Finding) -> None:
    level = f.c.cy + f.c.tall * rng.uniform(0.0, 0.45)
    slope = f.sign * (X - f.c.cx) * -rng.uniform(0.1, 0.4)
    fluid = np.clip((Y - level + slope) / rng.uniform(5, 14), 0, 1) * f.lung
    f.d.add(np.asarray(fluid, np.float32), f.dense * 1.5, "effusion")


def _nodules(rng: Rng, f: _Finding) -> None:
    for _ in range(int(rng.choice([1, 1, 2, 5]))):
        x, y = f.c.place(rng, f.sign, (-0.6, 0.6), (-0.6, 0.4))
        size = rng.uniform(4, 11)
        f.d.add(blob(rng, x, y, size, size, wobble=0.12, soft=1) * f.lung, f.dense, "nodule")


def _middle(rng: Rng, f: _Finding) -> None:
    for hand in (-1, 1):
        for _ in range(int(rng.integers(2, 6))):
            x = f.c.cx + hand * f.c.gap * rng.uniform(0.4, 0.9)
            y = f.c.cy + rng.uniform(-0.25, 0.45) * f.c.tall
            size = rng.uniform(9, 22) * f.c.zoom
            mask = blob(rng, x, y, size, size, wobble=0.35, soft=7) * f.c.both
            f.d.add(mask, f.dense * 0.7 * f.grain, "hazy_opacity")


DRAW = {1: _lobe, 2: _edges, 3: _lines, 4: _effusion, 5: _nodules, 6: _middle}
"""By the same positions."""
ONE_SIDED = {1, 4, 5}


def _things(rng: Rng, d: Drawing, c: _Chest) -> None:
    """Leads, tubes, and a letter in the corner."""
    for _ in range(int(rng.choice([0, 0, 1, 3]))):
        start = np.array([rng.uniform(0, SIDE), rng.choice([0.0, SIDE])])
        end = np.array([c.cx + rng.normal(0, 40), c.cy + rng.normal(0, 30)])
        bend = (start + end) / 2 + rng.normal(0, 25, 2)
        u = np.linspace(0, 1, 20)[:, None]
        curve = (1 - u) ** 2 * start + 2 * u * (1 - u) * bend + u**2 * end
        d.add(stroke(curve, rng.uniform(1, 3)), rng.uniform(0.15, 0.4), "device_or_text")
    if rng.uniform() < 0.5:
        x, y = rng.choice([16, 190]) + rng.normal(0, 6), rng.choice([18, 24, 200])
        letter = (
            [(0, 0), (0, 13), (8, 13)] if rng.uniform() < 0.5 else [(0, 13), (0, 0), (8, 3), (0, 7), (8, 13)]
        )
        d.lay(stroke(np.array(letter, float) * rng.uniform(0.7, 1.4) + (x, y), 2), 0.95, "device_or_text")


def chest(rng: Rng) -> Drawing:
    """One radiograph, with labels for build, and kind and side of its opacity."""
    build = int(rng.integers(2))
    lesion = int(rng.choice(len(LESION_SHARES), p=LESION_SHARES))
    d = blank(rng.uniform(0, 0.12))
    d.labels = {"chest_lesion": lesion, "chest_build": build}
    c = _Chest(rng, build)
    reach = c.gap + c.wide
    body = blob(rng, c.cx, c.cy + 25, reach * rng.uniform(1.1, 1.45), c.tall * 1.7, wobble=0.06, soft=5)
    d.note(1 - body, "air")
    tissue = rng.uniform(0.42, 0.62)
    d.lay(body, tissue * (1 + 0.05 * texture(rng, 3)), "soft_tissue")
    arms = rng.uniform() < (0.6 if build == 0 else 0.2)
    for side in (-1, 1):
        x = c.cx + side * reach * rng.uniform(1.15, 1.3)
        d.add(blob(rng, x, c.cy - c.tall * 0.7, 22, 34 if arms else 20, angle=side * 0.6, soft=5), 0.15)
    c.draw_lungs(rng, d, tissue * rng.uniform(0.6, 0.85))
    _ribs(rng, d, c)
    heart = c.wide * rng.uniform(0.8, 1.15) * (1.15 if build == 0 else 1.0)
    x, y = c.cx + rng.uniform(6, 16), c.cy + c.tall * rng.uniform(0.25, 0.38)
    shadow = blob(rng, x, y, heart, heart * rng.uniform(0.85, 1.05), angle=0.6, wobble=0.04, soft=3)
    middle = blob(rng, c.cx, c.cy - 5, rng.uniform(12, 19) * c.zoom, c.tall * 1.3, wobble=0.05, soft=4)
    centre = np.asarray(np.maximum(shadow, middle), np.float32)
    d.lay(centre * rng.uniform(0.75, 0.97), tissue * rng.uniform(1.25, 1.55), "soft_tissue")
    c.hide(centre * 0.85)
    d.add(blob(rng, c.cx, c.cy - c.tall * 0.85, 5, c.tall * 0.45, soft=2), -0.1)  # windpipe
    abdomen = np.asarray(np.clip((Y - (c.cy + c.tall * 0.62)) / 20, 0, 1), np.float32) * body
    d.lay(abdomen * (1 - c.both) * 0.8, tissue * rng.uniform(1.2, 1.5))
    if rng.uniform() < 0.4:
        d.add(blob(rng, c.cx + 40, c.cy + c.tall * 0.8, 14, 9, soft=2, wobble=0.2), -0.25)  # stomach bubble
    vessels = np.clip(np.abs(texture(rng, 2.2)) - 0.8, 0, 1) * rng.uniform(0.03, 0.12)
    spread = blob(rng, c.cx, c.cy + 5, reach * 0.75, c.tall * 0.8, soft=15)
    d.add(np.asarray(c.both * spread, np.float32), np.asarray(vessels, np.float32), "vessel")
    for side in (-1, 1):  # the roots of the lungs
        x = c.cx + side * 20 * c.zoom
        d.add(blob(rng, x, c.cy, 10, 17, wobble=0.3, soft=4), rng.uniform(0.05, 0.15), "vessel")
    if lesion:
        side = int(rng.integers(2))
        grain = np.asarray(1 + 0.35 * texture(rng, rng.uniform(1.5, 3)), np.float32)
        DRAW[lesion](rng, _Finding(d, c, side, rng.uniform(0.12, 0.4), grain))
        if lesion in ONE_SIDED:
            d.labels["chest_side"] = side
    _things(rng, d, c)
    d.image *= 1 + rng.uniform(0, 0.08) * texture(rng, 4, 2.5)
    return d
