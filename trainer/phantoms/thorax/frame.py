"""What a cross section of the thorax is laid out in: millimetres, and the picture's frame around them.

Right and left are the viewer's; the front of the body is up. Levels are Hounsfield units / 1000, so that one
window makes all gray levels.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from trainer.phantoms.drawing import SIDE, Drawing, Gray, Rng, outline, polygon

Points = NDArray[np.float64]

AIR, LUNG, FAT, FLUID, MUSCLE, BONE = -1.0, -0.85, -0.1, 0.01, 0.05, 0.45
"""Usual levels."""
FRAMES = ("lungs", "body", "whole")
"""What fills the picture."""


@dataclass(frozen=True)
class Frame:
    """Where millimetres come to lie in the picture."""

    wide: float
    tall: float
    tilt: float
    x: float
    y: float
    flip: bool
    kind: int

    @property
    def scale(self) -> float:
        """Pixels a millimetre, about."""
        return float(np.sqrt(self.wide * self.tall))

    def px(self, points: Points) -> Points:
        """Pixels of points in millimetres, (N, 2)."""
        c, s = np.cos(self.tilt), np.sin(self.tilt)
        turn = np.array([[self.wide * c, self.wide * s], [-self.tall * s, self.tall * c]])
        if self.flip:
            turn[:, 0] = -turn[:, 0]
        return np.asarray((points - (self.x, self.y)) @ turn + SIDE / 2)

    def fill(self, points: Points, soft: float = 0.0) -> Gray:
        """Mask of a polygon in millimetres."""
        return polygon(self.px(points), soft)

    def blob(
        self, rng: Rng, x: float, y: float, rx: float, ry: float, *, angle: float = 0.0, wobble: float = 0.0,
        soft: float = 0.0,
    ) -> Gray:  # fmt: skip
        """Mask of an ellipse in millimetres, or of an irregular shape like one."""
        return self.fill(outline(rng, x, y, rx, ry, angle, wobble), soft)

    def lines(self, paths: list[Points], width: float) -> Gray:
        """Mask of lines of one width, all in millimetres."""
        mask = np.zeros((SIDE, SIDE), np.uint8)
        fixed = [np.round(self.px(path) * 16).astype(np.int32) for path in paths]
        cv2.polylines(mask, fixed, False, 255, max(1, round(width * self.scale)), cv2.LINE_AA, 4)
        return np.asarray(mask / 255, np.float32)


def choose_frame(rng: Rng, wide: float, tall: float, fat: float) -> Frame:
    """A frame around lungs of these half axes: cropped to them, to the body, or with the table.

    Pictures for classifiers are often squeezed to a square, which makes the lungs tall.
    """
    kind = int(rng.choice(3, p=(0.42, 0.36, 0.22)))
    if kind == 0:
        fx, fy = wide / rng.uniform(0.86, 1.08), tall / rng.uniform(0.78, 1.06)
    elif kind == 1:
        margin = rng.uniform(0.85, 1.08)
        fx, fy = (wide + 24 + fat) * margin, (tall + 24 + fat) * margin
    else:
        margin = rng.uniform(1.1, 1.45)
        fx, fy = (wide + 24 + fat) * margin, (tall + 30 + fat) * margin
    keep = rng.choice([0.0, 1.0, rng.uniform()], p=(0.5, 0.2, 0.3))  # 1 keeps the body's proportions
    fy = fy ** (1 - keep) * max(fx, fy) ** keep
    return Frame(
        SIDE / 2 / fx, SIDE / 2 / fy, rng.normal(0, 0.05), rng.normal(0, 5), rng.normal(6, 6),
        bool(rng.uniform() < 0.12), kind,
    )  # fmt: skip


@dataclass
class Section:
    """One cross section in the making."""

    d: Drawing
    frame: Frame
    level: int
    a: float
    b: float
    """Half axes of the cavity of the ribs."""
    rim: Points
    """Its outline."""
    lungs: list[Gray] = field(default_factory=list)
    """Masks of the lungs, left and right of the viewer (before a flip)."""

    @property
    def both(self) -> Gray:
        """Mask of both lungs."""
        return np.maximum(*self.lungs)

    def depth(self, lung: Gray) -> Gray:
        """Pixels to the border of a lung."""
        inside = np.asarray(lung > 0.5, np.uint8)
        return np.asarray(cv2.distanceTransform(inside, cv2.DIST_L2, 3), np.float32)
