"""Cross sections of a thorax in a lung window, as computed tomography shows them: seven kinds of finding.

Drawn from general knowledge of anatomy and from no image.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trainer.phantoms.drawing import SIDE, Drawing, Gray, Rng, blank, blob, polygon, stroke, texture

LESION_SHARES = (0.22, 0.2, 0.11, 0.14, 0.11, 0.06, 0.06, 0.1)
"""By position in trainer.phantoms.thorax.findings.LESIONS; the last of those are not drawn here."""


def _lungs(rng: Rng, d: Drawing, level: int, cx: float, cy: float, zoom: float) -> list[Gray]:
    wide = (26, 36, 38, 42)[level] * zoom
    tall = (40, 56, 62, 50)[level] * zoom
    gap = (34, 44, 52, 58)[level] * zoom
    lungs: list[Gray] = []
    dark = rng.uniform(0.05, 0.22)
    for side in (-1, 1):
        turn = np.linspace(0, 2 * np.pi, 60, endpoint=False)
        u = np.cos(turn) * wide * rng.uniform(0.9, 1.1)
        v = np.sin(turn) * tall * rng.uniform(0.9, 1.1)
        inner = u * side < 0
        u = np.where(inner, u * rng.uniform(0.45, 0.9), u)  # the side of the heart is flat or hollow
        bend = side * 0.0022 * v**2 / zoom * rng.uniform(-0.3, 1.0)
        lung = polygon(np.stack([cx + side * gap + u - bend, cy + v], 1), 0.8)
        d.lay(lung, dark * (1 + 0.15 * texture(rng, 1)), "lung")
        lungs.append(lung)
    return lungs


def _vessels(rng: Rng, d: Drawing, lungs: list[Gray], cx: float, cy: float, zoom: float) -> None:
    strength = rng.uniform(0.25, 0.6)
    for side, lung in zip((-1, 1), lungs, strict=True):
        root = np.array([cx + side * 22 * zoom, cy + rng.normal(0, 8)])
        mask = np.zeros((SIDE, SIDE), np.float32)
        for _ in range(int(rng.integers(7, 15))):
            turn = rng.uniform(-1.3, 1.3)
            step = np.stack(
                [side * np.cos(turn + rng.normal(0, 0.35, 8)), np.sin(turn + rng.normal(0, 0.35, 8))], 1
            )
            path = root + np.cumsum(step * rng.uniform(4, 9) * zoom, 0)
            mask = np.maximum(mask, stroke(path[:4], rng.uniform(2, 4)))
            mask = np.maximum(mask, stroke(path[3:], 1))
        for _ in range(int(rng.integers(10, 40))):
            x, y = cx + side * rng.uniform(15, 95) * zoom, cy + rng.uniform(-60, 60) * zoom
            mask = np.maximum(mask, blob(rng, x, y, rng.uniform(0.8, 2), rng.uniform(0.8, 2)))
        d.lay(np.asarray(mask * lung, np.float32), strength + 0.2, "vessel")


@dataclass(frozen=True)
class _Finding:
    """What all kinds of finding are drawn with: where the lungs are, how hazy, and a grain about one."""

    d: Drawing
    both: Gray
    cx: float
    cy: float
    zoom: float
    sides: tuple[int, ...]
    haze: float
    grain: Gray

    def somewhere(self, rng: Rng, *, edge: bool) -> tuple[float, float]:
        """A place in a lung, perhaps at its edge."""
        side = int(rng.choice(self.sides))
        turn = rng.uniform(-1.5, 1.5)
        far = rng.uniform(0.75, 1.0) if edge else rng.uniform(0.1, 0.9)
        x = self.cx + side * (50 + far * 36 * np.cos(turn)) * self.zoom
        return float(x), float(self.cy + far * 56 * np.sin(turn) * self.zoom)

    def round(self, rng: Rng, low: float, high: float, wobble: float, *, edge: bool = False) -> Gray:
        """The part of a round spot that lies in the lungs."""
        x, y = self.somewhere(rng, edge=edge)
        size = rng.uniform(low, high) * self.zoom
        return np.asarray(blob(rng, x, y, size, size, wobble=wobble) * self.both, np.float32)


def _ground_glass(rng: Rng, f: _Finding, *, lines: bool = False) -> None:
    for _ in range(int(rng.integers(2, 9))):
        x, y = f.somewhere(rng, edge=True)
        size = rng.uniform(7, 22) * f.zoom
        high, soft = size * rng.uniform(0.6, 1.4), rng.uniform(1.5, 5)
        mask = blob(rng, x, y, size, high, wobble=0.45, soft=soft) * f.both
        f.d.add(mask, f.haze * f.grain, "hazy_opacity")
        if lines:
            net = (np.abs(texture(rng, 1.5, 1.3)) < 0.25).astype(np.float32)
            f.d.add(mask * net, rng.uniform(0.15, 0.35), "lines_and_dots")
            core = blob(rng, x, y, size * 0.5, size * 0.4, wobble=0.5, soft=1) * f.both
            f.d.add(core, rng.uniform(0.2, 0.5), "dense_opacity")


def _mixed(rng: Rng, f: _Finding) -> None:
    _ground_glass(rng, f, lines=True)


def _consolidation(rng: Rng, f: _Finding) -> None:
    for _ in range(int(rng.integers(1, 3))):
        x, y = f.somewhere(rng, edge=True)
        size = rng.uniform(14, 34) * f.zoom
        shape = blob(rng, x, y, size, size * rng.uniform(0.6, 1.3), wobble=0.4, soft=1)
        mask = np.asarray(shape * f.both, np.float32)
        f.d.lay(mask, rng.uniform(0.6, 0.8) * f.grain, "dense_opacity")
        for _ in range(4):
            path = np.array([x, y]) + np.cumsum(rng.normal(0, 5, (5, 2)), 0)
            f.d.lay(stroke(path, 1.5) * mask * 0.8, 0.15)


def _nodules(rng: Rng, f: _Finding) -> None:
    for _ in range(int(rng.choice([1, 1, 3, 8]))):
        f.d.lay(f.round(rng, 3, 11, 0.2), rng.uniform(0.6, 0.85), "nodule")


def _effusion(rng: Rng, f: _Finding) -> None:
    for side in f.sides:
        y = f.cy + rng.uniform(40, 58) * f.zoom
        mask = blob(rng, f.cx + side * 52 * f.zoom, y, 50 * f.zoom, rng.uniform(10, 26) * f.zoom) * f.both
        f.d.lay(mask, rng.uniform(0.6, 0.75), "effusion")


def _emphysema(rng: Rng, f: _Finding) -> None:
    for _ in range(int(rng.integers(8, 40))):
        f.d.lay(f.round(rng, 2, 9, 0.15) * 0.9, 0.02, "air")


def _everywhere(rng: Rng, f: _Finding) -> None:
    patch = np.asarray(np.clip(texture(rng, 3, 1.6) + 0.4, 0, 1), np.float32)
    f.d.add(f.both * patch, f.haze * f.grain, "hazy_opacity")


DRAW = {
    1: _ground_glass, 2: _consolidation, 3: _mixed, 4: _nodules, 5: _effusion, 6: _emphysema, 7: _everywhere,
}  # fmt: skip
"""By the same positions."""


def thorax_ct(rng: Rng) -> Drawing:
    """One cross section, with labels for its level and the kind of finding."""
    level = int(rng.integers(4))
    lesion = int(rng.choice(len(LESION_SHARES), p=LESION_SHARES))
    d = blank(rng.uniform(0, 0.03))
    d.labels = {"ct_lesion": lesion}
    zoom = rng.uniform(0.85, 1.22)
    cx, cy = 112 + rng.normal(0, 4), 112 + rng.normal(0, 5)
    tissue = rng.uniform(0.62, 0.9)
    body = blob(rng, cx, cy, 108 * zoom, rng.uniform(76, 90) * zoom, wobble=0.03)
    d.note(1 - body, "air")
    d.lay(body, tissue * rng.uniform(0.72, 0.92), "skin_or_fat")
    wall = rng.uniform(6, 18)
    d.lay(blob(rng, cx, cy, (108 - wall) * zoom, (84 - wall) * zoom, wobble=0.04), tissue, "soft_tissue")
    lungs = _lungs(rng, d, level, cx, cy, zoom)
    _vessels(rng, d, lungs, cx, cy, zoom)
    solid = np.zeros((SIDE, SIDE), np.float32)
    if level >= 2:
        x, y = cx + rng.uniform(6, 18) * zoom, cy - rng.uniform(12, 28) * zoom
        size = (0, 0, 36, 40)[level] * zoom * rng.uniform(0.8, 1.1)
        solid = np.maximum(solid, blob(rng, x, y, size, size * 0.85, angle=0.6, wobble=0.06))
    if level == 3:
        x, y = cx - 52 * zoom, cy + rng.uniform(-15, 20) * zoom
        solid = np.maximum(solid, blob(rng, x, y, 30 * zoom, 32 * zoom, wobble=0.1))
    d.lay(solid, tissue * 1.03, "soft_tissue")
    lungs = [np.asarray(lung * (1 - solid), np.float32) for lung in lungs]
    if lesion:
        sides = ((-1,), (1,), (-1, 1), (-1, 1))[int(rng.integers(4))]
        grain = np.asarray(1 + 0.3 * texture(rng, rng.uniform(1, 2.5)), np.float32)
        both = np.maximum(*lungs)
        DRAW[lesion](rng, _Finding(d, both, cx, cy, zoom, sides, rng.uniform(0.15, 0.35), grain))
    bone = rng.uniform(0.9, 1.1)
    d.lay(blob(rng, cx, cy + 52 * zoom, 15 * zoom, 12 * zoom, wobble=0.15), bone, "bone")
    d.lay(blob(rng, cx, cy + 68 * zoom, 4 * zoom, 12 * zoom), bone, "bone")
    if level >= 1:
        d.lay(blob(rng, cx, cy - 68 * zoom, 10 * zoom, 4 * zoom), bone, "bone")
    for number in range(14):
        turn = number / 14 * 2 * np.pi + rng.normal(0, 0.08)
        x, y = cx + 96 * zoom * np.cos(turn), cy + 74 * zoom * np.sin(turn)
        d.lay(blob(rng, x, y, rng.uniform(6, 13) * zoom, 3 * zoom, angle=turn + np.pi / 2), bone, "bone")
    if level <= 2:
        d.lay(blob(rng, cx, cy + rng.uniform(-8, 14) * zoom, 6 * zoom, 7 * zoom), 0.03, "air")  # windpipe
    if rng.uniform() < 0.4:
        y = cy + 86 * zoom
        u = np.linspace(-1, 1, 20)
        d.lay(
            stroke(np.stack([112 + u * 110, y + 14 * (1 - u**2)], 1), 2),
            rng.uniform(0.3, 0.6),
            "device_or_text",
        )
    if rng.uniform() < 0.3:  # a narrower window
        d.image = np.asarray(np.clip((d.image - 0.1) * rng.uniform(1.1, 1.6), 0, 1.1), np.float32)
    return d
