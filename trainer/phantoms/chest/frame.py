"""Where a chest lies in its picture: size, place, tilt, and coordinates that turn with it.

Anatomy is written in the thorax's own lengths: x is 0 at the midline and 1 at the widest point of the
inner chest wall, y is 0 at the apex of the lungs and about 1 at the diaphragm. The patient's right is at
negative x, on the left of the picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from trainer.phantoms.drawing import SIDE, Gray, Rng, X, Y

BUILDS = ("child", "adult")
FRAMES = ("body fills the picture", "borders", "infant")

Points = NDArray[np.float64]
Canvas = NDArray[np.uint8]
SHIFT = 4
"""OpenCV draws at sixteenths of a pixel."""


def canvas() -> Canvas:
    """An empty canvas for OpenCV."""
    return np.zeros((SIDE, SIDE), np.uint8)


def fixed(points: Points) -> NDArray[np.int32]:
    """Points in OpenCV's units."""
    return np.round(points * (1 << SHIFT)).astype(np.int32)


def gray(drawn: Canvas, soft: float = 0.0) -> Gray:
    """A canvas as 0 to 1, blurred: the wide blurs as two boxes over bytes, which is far faster."""
    if soft > 0.95:
        size = max(3, int(soft * 2.4) | 1)
        drawn = np.asarray(cv2.blur(cv2.blur(drawn, (size, size)), (size, size)), np.uint8)
    out = np.asarray(drawn.astype(np.float32) * np.float32(1 / 255), np.float32)
    return np.asarray(cv2.GaussianBlur(out, (0, 0), soft), np.float32) if 0.3 < soft <= 0.95 else out


def smooth(points: Points, *, closed: bool = True, rounds: int = 2) -> Points:
    """Cut the corners of a line, so that few points make a curve; doubled points stay corners."""
    for _ in range(rounds):
        around = np.concatenate([points, points[:1]]) if closed else points
        before, after = around[:-1], around[1:]
        cut = np.empty((2 * len(before), 2))
        cut[::2], cut[1::2] = before * 0.75 + after * 0.25, before * 0.25 + after * 0.75
        points = cut if closed else np.concatenate([points[:1], cut, points[-1:]])
    return points


@dataclass
class Frame:
    """The thorax in the picture: half width and height in pixels, centre, tilt, and what kind it is."""

    build: int
    kind: int
    wide: float
    tall: float
    cx: float
    cy: float
    tilt: float
    turned: float
    """How far the midline's parts lie beside the midline, because the patient is turned."""

    def pixels(self, points: Points) -> Points:
        """Points (..., 2) of the thorax as pixels."""
        c, s = np.cos(self.tilt), np.sin(self.tilt)
        turn = np.array([[self.wide * c, self.wide * s], [-self.tall * s, self.tall * c]])
        return np.asarray((points - (0, 0.5)) @ turn + (self.cx, self.cy), np.float64)

    def at(self, x: float, y: float) -> tuple[float, float]:
        """One point of the thorax in pixels."""
        ((px, py),) = self.pixels(np.array([[x, y]]))
        return float(px), float(py)

    def grid(self) -> tuple[Gray, Gray]:
        """Coordinates in the thorax of every pixel."""
        c, s = np.cos(self.tilt), np.sin(self.tilt)
        dx, dy = X - self.cx, Y - self.cy
        u, v = (dx * c + dy * s) / self.wide, (dy * c - dx * s) / self.tall + 0.5
        return np.asarray(u, np.float32), np.asarray(v, np.float32)

    def fill(self, points: Points, soft: float = 0.0) -> Gray:
        """Mask of a smoothed polygon of points of the thorax; ``soft`` is in pixels of a usual picture."""
        drawn = canvas()
        cv2.fillPoly(drawn, [fixed(self.pixels(smooth(points)))], 255, cv2.LINE_AA, SHIFT)
        return gray(drawn, soft * self.scale)

    @property
    def scale(self) -> float:
        """Size beside that of a chest that fills its picture."""
        return self.wide / 90

    def jitter(self, rng: Rng, points: Points, spread: float = 0.012) -> Points:
        """The same shape of somebody else."""
        return np.asarray(points + rng.normal(0, spread, points.shape), np.float64)


def choose(rng: Rng) -> Frame:
    """Draw build, kind of framing, size and place."""
    build = int(rng.integers(2))
    kind = int(rng.choice(3, p=(0.3, 0.2, 0.5) if build == 0 else (0.78, 0.22, 0.0)))
    wide = rng.uniform(80, 108)
    if kind == 2:
        ratio = rng.uniform(0.82, 1.2)
    else:
        ratio = rng.uniform(1.22, 1.65) if build == 0 else rng.uniform(1.3, 1.85)
    if rng.uniform() < 0.3:  # pictures of another shape are squeezed to a square
        ratio *= rng.uniform(0.8, 1.25)
    # A short wide thorax is what tells an infant.
    ratio = float(np.clip(ratio, 0.72, 1.18) if kind == 2 else np.clip(ratio, 1.22, 2.0))
    tall = min(wide * ratio, 172.0)
    wide = tall / ratio
    top = rng.uniform(10, max(12.0, min(64.0, 198 - tall)))
    if kind == 1:
        shrink = rng.uniform(0.6, 0.86)
        wide, tall = wide * shrink, tall * shrink
        top = rng.uniform(30, max(32.0, 176 - tall))
    wander = max(2.0, (SIDE / 2 - wide) * 0.35)
    return Frame(
        build=build,
        kind=kind,
        wide=wide,
        tall=tall,
        cx=SIDE / 2 + rng.normal(0, wander),
        cy=top + tall / 2,
        tilt=float(np.clip(rng.normal(0, 0.05), -0.15, 0.15)),
        turned=float(np.clip(rng.normal(0, 0.05), -0.14, 0.14)),
    )
