"""What may lie in the lungs of a chest radiograph.

An opacity is air that fills: where a share of the air is replaced, the shadow of the lung fades towards
that of flesh, so the borders of heart and diaphragm and the vessels within fade by themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from trainer.phantoms.chest.frame import Frame
from trainer.phantoms.chest.organs import Organs, branches, join, lines, mist
from trainer.phantoms.drawing import SIDE, Gray, Rng, blob, texture

LESIONS = (
    "none",
    "one lobe",
    "patches at the edges",
    "lines and dots",
    "effusion",
    "nodule",
    "patches in the middle",
    "both lungs",
)
ONE_SIDED = {1, 4, 5}


def _nothing() -> Gray:
    return np.zeros((SIDE, SIDE), np.float32)


@dataclass
class Finding:
    """What is found: the share of air that fills, what is added to the shadow, and its masks."""

    fill: Gray = field(default_factory=_nothing)
    added: Gray = field(default_factory=_nothing)
    parts: dict[str, Gray] = field(default_factory=dict)


@dataclass(frozen=True)
class Lungs:
    """The place of a finding: frame, organs, depth of air, a side, and coordinates of the thorax."""

    f: Frame
    o: Organs
    air: Gray
    side: int
    u: Gray
    v: Gray

    @property
    def half(self) -> Gray:
        """The side of the finding; the depth of air bounds it, so no rim of air stays at the wall."""
        return np.asarray(np.clip(self.sign * (self.u - 0.7 * self.f.turned) / 0.04 + 0.5, 0, 1), np.float32)

    @property
    def sign(self) -> int:
        """-1 for the patient's right, on the left of the picture."""
        return (-1, 1)[self.side]

    def spot(self, rng: Rng, x: float, y: float, size: float, aspect: float = 1.0, soft: float = 7.0) -> Gray:
        """An irregular patch at a place of the thorax, its size in half widths."""
        px, py = self.f.at(x, y)
        rx = size * self.f.wide
        turn = rng.uniform(0, 3.1)
        return blob(rng, px, py, rx, rx * aspect, angle=turn, wobble=0.35, soft=soft * self.f.scale)


def _cloudy(rng: Rng, strength: float) -> Gray:
    """A slow unevenness about 1."""
    return np.asarray(np.clip(1 + strength * texture(rng, 3.5, rng.uniform(1.0, 2.0)), 0.3, 1.5), np.float32)


def _bronchi(rng: Rng, g: Lungs, side: int) -> Gray:
    """Airways that keep their air in a lung that has lost it."""
    root = (side * 0.18 + g.f.turned * 0.6, 0.44)
    tree = branches(rng, g.f, side, root, int(rng.integers(6, 10)))
    return lines(tree[:3], (2.6 * g.f.scale, 1.8 * g.f.scale, 1.0), (255, 220, 170), 0.8)


def _lobe(rng: Rng, g: Lungs) -> Finding:
    s, v = g.sign, g.v
    place = int(rng.integers(4))
    fissure = rng.uniform(0.4, 0.5) + rng.uniform(-0.1, 0.1) * (np.abs(g.u) - 0.4)
    sharp = rng.uniform(0.006, 0.03) if rng.uniform() < 0.6 else rng.uniform(0.05, 0.1)
    if place == 0:  # an upper lobe ends at a fissure
        x, y = s * rng.uniform(0.4, 0.7), rng.uniform(0.15, 0.38)
        mask = g.spot(rng, x, y, rng.uniform(0.28, 0.5), rng.uniform(0.7, 1.0), rng.uniform(4, 10))
        mask = mask * np.clip((fissure - v) / sharp + 0.5, 0, 1)
    elif place == 1:  # middle lobe or lingula: beside the heart
        x, y = s * rng.uniform(0.35, 0.55), rng.uniform(0.6, 0.75)
        mask = g.spot(rng, x, y, rng.uniform(0.25, 0.42), rng.uniform(0.6, 0.9), rng.uniform(4, 10))
        if rng.uniform() < 0.5:
            mask = mask * np.clip((v - fissure) / sharp + 0.5, 0, 1)
    elif place == 2:  # lower lobe: down to the diaphragm
        x, y = s * rng.uniform(0.45, 0.75), rng.uniform(0.72, 0.88)
        mask = g.spot(rng, x, y, rng.uniform(0.28, 0.5), rng.uniform(0.7, 1.1), rng.uniform(6, 12))
    else:  # round, or a few patches that run together
        x, y = s * rng.uniform(0.35, 0.75), rng.uniform(0.25, 0.8)
        mask = g.spot(rng, x, y, rng.uniform(0.14, 0.26), 1.0, rng.uniform(3, 6))
        for _ in range(int(rng.integers(0, 4))):
            near = g.spot(rng, x + rng.normal(0, 0.15), y + rng.normal(0, 0.1), rng.uniform(0.1, 0.2))
            mask = join(mask, near)
    mask = np.asarray(mask * g.half, np.float32)
    fill = mask * rng.uniform(0.5, 1.0) * _cloudy(rng, rng.uniform(0.02, 0.18))
    if rng.uniform() < 0.45:
        fill = fill * (1 - rng.uniform(0.3, 0.7) * _bronchi(rng, g, s))
    return Finding(fill=np.asarray(fill, np.float32), parts={"dense_opacity": mask})


def _edges(rng: Rng, g: Lungs) -> Finding:
    mask = _nothing()
    low, skew = rng.uniform(0.2, 0.45), rng.uniform(0.3, 0.7)
    for number in range(int(rng.integers(4, 11))):
        s = (-1, 1)[number % 2] if number < 2 else int(rng.choice([-1, 1], p=(skew, 1 - skew)))
        y = rng.uniform(low, 0.95)
        wall = float(np.interp(y, g.o.wall[:, 1], g.o.wall[:, 0]))
        x = s * wall * rng.uniform(0.7, 0.98)
        size = rng.uniform(0.1, 0.26)
        mask = join(mask, g.spot(rng, x, y, size, rng.uniform(0.8, 1.5), rng.uniform(5, 11)) * 0.9)
    middle = np.clip((np.abs(g.u) - 0.35) / 0.2, 0, 1)
    mask = np.asarray(mask * middle, np.float32)
    fill = mask * rng.uniform(0.4, 0.9) * _cloudy(rng, rng.uniform(0.05, 0.22))
    return Finding(fill=np.asarray(fill, np.float32), parts={"hazy_opacity": mask})


def _lines(rng: Rng, g: Lungs) -> Finding:
    """A net of fine lines, or many dots, with short lines across the edge at times."""
    centre = rng.uniform(0.4, 0.85)
    where = np.clip(1.4 - np.abs(g.v - centre) / rng.uniform(0.3, 0.7), 0, 1)
    where = where * np.clip(_cloudy(rng, 0.35), 0, 1.2)
    net = _nothing()
    kind = int(rng.integers(3))
    if kind != 1:
        for _ in range(2):
            field_ = texture(rng, rng.uniform(2.0, 2.75), rng.uniform(1.0, 2.4))
            slope = np.abs(np.gradient(field_)[0]) + np.abs(np.gradient(field_)[1]) + 0.05
            net = np.maximum(net, np.clip(1.1 - np.abs(field_) / slope, 0, 1))
            net = np.maximum(net, 0.8 * np.clip(1.1 - np.abs(field_ - 0.8) / slope, 0, 1))
            net = np.maximum(net, 0.8 * np.clip(1.1 - np.abs(field_ + 0.8) / slope, 0, 1))
    if kind != 0:
        canvas: NDArray[np.uint8] = np.zeros((SIDE, SIDE), np.uint8)
        radius = rng.uniform(0.6, 1.8)
        for x, y in rng.uniform(0, SIDE, (int(rng.integers(500, 1500)), 2)) * 16:
            size = int(16 * radius * rng.uniform(0.7, 1.3))
            cv2.circle(canvas, (int(x), int(y)), size, 255, -1, cv2.LINE_AA, 4)
        net = np.maximum(net, canvas.astype(np.float32) / 255)
    net = np.asarray(cv2.GaussianBlur(net, (0, 0), rng.uniform(0.5, 0.8)), np.float32)
    added = net * where * g.air * rng.uniform(0.22, 0.48)
    fill = where * rng.uniform(0.0, 0.2)
    return Finding(
        np.asarray(fill, np.float32),
        np.asarray(added, np.float32),
        {"lines_and_dots": np.asarray(np.clip(where, 0, 1), np.float32)},
    )


def _effusion(rng: Rng, g: Lungs) -> Finding:
    lung, u = g.half, np.abs(g.u)
    how = rng.uniform()
    if how < 0.12:  # the whole side is white
        mask = lung * rng.uniform(0.9, 1.0)
    elif how < 0.3:  # lying: a veil over the whole side, denser below
        mask = lung * np.clip(rng.uniform(0.25, 0.5) + (g.v - 0.3) * rng.uniform(0.5, 1.0), 0, 1)
    else:  # the meniscus climbs the wall
        level = rng.uniform(0.4, 0.86)
        climb = rng.uniform(0.12, 0.4) * np.clip((u - 0.25) / 0.75, 0, 1.1) ** 2
        mask = lung * np.clip((g.v - level + climb) / rng.uniform(0.03, 0.1) + 0.5, 0, 1)
        mask = np.maximum(mask, lung * 0.25 * np.clip((g.v - level + climb + 0.15) / 0.2, 0, 1))
    mask = np.asarray(mask, np.float32)
    fill = np.asarray(mask * rng.uniform(0.85, 1.0), np.float32)
    return Finding(fill, np.asarray(mask * g.o.both * rng.uniform(0, 0.12), np.float32), {"effusion": mask})


def _nodules(rng: Rng, g: Lungs) -> Finding:
    mask = _nothing()
    for _ in range(int(rng.choice([1, 1, 1, 2, 4]))):
        y = rng.uniform(0.12, 0.85)
        wall = float(np.interp(y, g.o.wall[:, 1], g.o.wall[:, 0]))
        x = g.sign * rng.uniform(0.3, max(0.35, 0.9 * wall))
        px, py = g.f.at(x, y)
        size = rng.uniform(0.04, 0.13) * g.f.wide
        soft = rng.uniform(0.9, 2.6)
        mask = np.maximum(mask, blob(rng, px, py, size, size * rng.uniform(0.8, 1.1), wobble=0.12, soft=soft))
    mask = np.asarray(mask * g.o.lungs[g.side] * (g.air > 0.25), np.float32)
    return Finding(
        added=np.asarray(mask * g.air * rng.uniform(0.25, 0.65), np.float32), parts={"nodule": mask}
    )


def _middle(rng: Rng, g: Lungs) -> Finding:
    """Haze that spreads from the roots of both lungs and spares their edges."""
    mask = _nothing()
    reach, low = rng.uniform(0.24, 0.42), rng.uniform(0.4, 0.6)
    for s in (-1, 1):
        wing = g.spot(rng, s * rng.uniform(0.28, 0.4), low, reach, rng.uniform(0.9, 1.4), rng.uniform(8, 14))
        mask = join(mask, wing * rng.uniform(0.6, 1.0))
        for _ in range(int(rng.integers(0, 5))):
            x, y = s * rng.uniform(0.2, 0.55), low + rng.normal(0, 0.14)
            near = g.spot(rng, x, y, rng.uniform(0.08, 0.18), 1.0, rng.uniform(4, 8))
            mask = join(mask, near * rng.uniform(0.4, 0.9))
    mask = np.asarray(mask * np.clip((0.92 - np.abs(g.u)) / 0.3, 0, 1), np.float32)
    fill = mask * rng.uniform(0.45, 0.95) * _cloudy(rng, rng.uniform(0.05, 0.2))
    return Finding(fill=np.asarray(fill, np.float32), parts={"hazy_opacity": mask})


def _both(rng: Rng, g: Lungs) -> Finding:
    """Lungs white throughout: their borders are lost, their larger airways stay dark at times."""
    slope, skew = rng.uniform(-0.1, 0.5), rng.uniform(-0.15, 0.15)
    level = rng.uniform(0.72, 0.98)
    share = np.clip(level + slope * (g.v - 0.5) + skew * g.u, 0.55, 1.0) * _cloudy(
        rng, rng.uniform(0.05, 0.2)
    )
    fill = np.asarray(np.clip(share, 0, 1), np.float32)
    if rng.uniform() < 0.6:
        tree = np.maximum(_bronchi(rng, g, -1), _bronchi(rng, g, 1))
        fill = np.asarray(fill * (1 - rng.uniform(0.2, 0.6) * tree), np.float32)
    part = "dense_opacity" if level > 0.75 else "hazy_opacity"
    return Finding(fill=fill, parts={part: np.asarray(np.clip(share * 1.2, 0, 1), np.float32)})


_DRAW: dict[int, Callable[[Rng, Lungs], Finding]] = {
    1: _lobe, 2: _edges, 3: _lines, 4: _effusion, 5: _nodules, 6: _middle, 7: _both
}  # fmt: skip
"""By position in LESIONS."""
_ENOUGH = {1: 0.05, 2: 0.07, 3: 0.012, 4: 0.045, 5: 0.0012, 6: 0.11, 7: 0.4}
"""Share of all air that must be lost for a finding to be seen."""
_DENSE = {1: 0.35, 2: 0.3, 4: 0.35, 6: 0.36}
"""And of the depth of air where most is lost."""


def find(rng: Rng, g: Lungs, lesion: int) -> tuple[Finding, float]:
    """Draw a finding again until it can be seen; also the share of the lungs' air that it takes."""
    whole = float(g.air.sum()) + 1e-6
    best, most, best_score = Finding(), 0.0, -1.0
    for _ in range(6):
        finding = _DRAW[lesion](rng, g)
        gone = np.asarray(finding.fill * g.air + finding.added, np.float32)
        lost = float(gone.sum()) / whole
        score = min(lost / _ENOUGH[lesion], float(mist(gone, 5).max()) / _DENSE.get(lesion, 0.01))
        if score > best_score:
            best, most, best_score = finding, lost, score
        if score > 1:
            break
    best.fill = np.asarray(np.clip(best.fill, 0, 1), np.float32)
    # Where no air was, as behind the heart, nothing is seen to fill.
    shown = g.o.both * np.clip(g.air * 3, 0, 1)
    best.parts = {name: np.asarray(mask * shown, np.float32) for name, mask in best.parts.items()}
    return best, most
