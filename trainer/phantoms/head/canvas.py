"""Where a slice of a head is drawn: a map from anatomy to pixels, gray levels, and shapes painted in place.

Lengths are in half lengths of a brain, about 85 mm: x to the right of the picture, y downwards, (0, 0) at the
brain's centre. A mass pushes what lies around it aside, so every point that is drawn passes through the map.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from trainer.phantoms.drawing import SIDE, Drawing, Gray, Rng, X, Y, texture_bank

Points = NDArray[np.float64]
Path = Sequence[tuple[float, float]] | Points

_COVERS = {
    "air": ("brain", "white_matter", "fluid_space", "soft_tissue", "bone", "skin_or_fat"),
    "bone": ("brain", "white_matter", "fluid_space", "soft_tissue", "skin_or_fat"),
    "skin_or_fat": ("brain", "white_matter", "fluid_space", "soft_tissue", "bone", "air"),
    "soft_tissue": ("brain", "white_matter", "fluid_space", "skin_or_fat", "bone", "air"),
    "brain": ("fluid_space", "soft_tissue", "bone", "skin_or_fat", "air"),
    "fluid_space": ("white_matter", "brain", "soft_tissue", "bone", "skin_or_fat", "air"),
}
"""A part that is painted covers the masks of these."""


@dataclass(frozen=True)
class Levels:
    """Gray level of each tissue in one contrast."""

    fat: float
    muscle: float
    gray: float
    white: float
    fluid: float
    bone: float
    marrow: float
    vein: float
    plexus: float
    mucosa: float
    lesion: float
    dead: float
    swelling: float


@dataclass(frozen=True)
class Push:
    """A mass that displaces: centre and radius in pixels, and how much."""

    x: float
    y: float
    radius: float
    strength: float


def curve(points: Path, closed: bool = True, each: int = 4) -> Points:
    """A smooth line (Catmull and Rom's) through points (N, 2)."""
    p = np.asarray(points, np.float64)
    if not closed:
        p = np.concatenate([2 * p[:1] - p[1:2], p, 2 * p[-1:] - p[-2:-1]])
    n = np.arange(len(p))
    a, b, c, e = p[n - 1], p, p[(n + 1) % len(p)], p[(n + 2) % len(p)]
    t = (np.arange(each) / each)[None, :, None]
    a, b, c, e = a[:, None], b[:, None], c[:, None], e[:, None]
    out = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - e) * t**2 + (3 * b - a - 3 * c + e) * t**3)
    if closed:
        return np.asarray(out.reshape(-1, 2))
    return np.concatenate([out[1:-2].reshape(-1, 2), p[-2:-1]])


_TURN = np.linspace(0, 2 * np.pi, 32, endpoint=False)
_CIRCLE = np.stack([np.cos(_TURN), np.sin(_TURN)], 1)
_ORDERS = np.arange(2, 7)


def _round(rng: Rng, wobble: float) -> Points:
    """A circle, or one whose radius wavers by about ``wobble`` of itself."""
    if not wobble:
        return _CIRCLE
    phases = rng.uniform(0, 2 * np.pi, len(_ORDERS))
    radius = 1 + np.cos(_TURN[:, None] * _ORDERS + phases) @ (rng.normal(0, wobble, len(_ORDERS)) / _ORDERS)
    return np.asarray(_CIRCLE * radius[:, None])


def grain(rng: Rng, slope: float, stretch: float = 1.0) -> Gray:
    """A random field as ``texture`` draws it, without moving whole fields in memory."""
    fields = texture_bank()[round(4 * slope) / 4]
    band, size = fields[int(rng.integers(len(fields)))], int(SIDE / stretch)
    side = len(band)
    y, x = (int(each) for each in rng.integers(0, side, 2))
    down, across = min(size, side - y), min(size, side - x)
    cut = np.empty((size, size), np.float32)
    cut[:down, :across] = band[y : y + down, x : x + across]
    cut[down:, :across] = band[: size - down, x : x + across]
    cut[:down, across:] = band[y : y + down, : size - across]
    cut[down:, across:] = band[: size - down, : size - across]
    if rng.uniform() < 0.5:
        cut = np.asarray(cv2.transpose(cut), np.float32)
    if size == SIDE:
        return cut
    return np.asarray(cv2.resize(cut, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR), np.float32)


def jitter(rng: Rng, points: Path, by: float) -> Points:
    """The same points, each a little elsewhere."""
    p = np.asarray(points, np.float64)
    return np.asarray(p + rng.normal(0, by, p.shape))


def mirrored(right_half: Path) -> Points:
    """A closed outline from its right half, given from top to bottom."""
    p = np.asarray(right_half, np.float64)
    return np.concatenate([p, p[::-1] * (-1, 1)])


@dataclass
class Canvas:
    """One slice in the making."""

    d: Drawing
    t: Levels
    rng: Rng
    move: NDArray[np.float64]
    scale: float
    waves: NDArray[np.float64]
    push: Push | None = None
    brain: Gray = field(default_factory=lambda: np.zeros((SIDE, SIDE), np.float32))

    def to(self, points: Path, pushed: bool = True) -> Points:
        """Pixels of points; no head is quite straight, and a mass pushes what may give way."""
        p = np.asarray(points, np.float64).reshape(-1, 2)
        bent = p + np.sin(p @ self.waves[:, :2].T + self.waves[:, 2]) @ self.waves[:, 3:]
        out = bent @ self.move[:, :2].T + self.move[:, 2]
        if pushed and self.push is not None:
            away = out - (self.push.x, self.push.y)
            far = np.sqrt((away**2).sum(1, keepdims=True)) + 0.5
            reach = 2.2 * self.push.radius
            out = out + away / far * self.push.strength * self.push.radius * np.exp(-((far / reach) ** 2))
        return np.asarray(out)

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Pixel of one point, before anything is pushed."""
        (point,) = self.to([(x, y)], pushed=False)
        return float(point[0]), float(point[1])

    def mask(self, points: Path, soft: float = 0.0, pushed: bool = True) -> Gray:
        """Mask of a closed outline, the whole picture wide."""
        out = np.zeros((SIDE, SIDE), np.uint8)
        cv2.fillPoly(
            out, [np.round(self.to(points, pushed) * 16).astype(np.int32)], 255, cv2.LINE_AA, shift=4
        )
        mask = out.astype(np.float32) * np.float32(1 / 255)
        return np.asarray(cv2.GaussianBlur(mask, (0, 0), soft) if soft > 0.3 else mask, np.float32)

    def fill(
        self, points: Path, level: Gray | float, part: str = "", *, soft: float = 0.0, share: float = 1.0,
        within: Gray | None = None, pushed: bool = True,
    ) -> None:  # fmt: skip
        """Paint a closed outline."""
        self._paint(self.to(points, pushed), level, part, soft, share, within, 0)

    def line(
        self, points: Path, width: float, level: Gray | float, part: str = "", *, soft: float = 0.0,
        share: float = 1.0, within: Gray | None = None, pushed: bool = True,
    ) -> None:  # fmt: skip
        """Paint a smooth line; one thinner than a pixel is paler instead."""
        p = curve(points, closed=False) if len(points) > 2 else np.asarray(points, np.float64)
        wide = width * self.scale
        share = share * min(1.0, wide)
        self._paint(self.to(p, pushed), level, part, soft, share, within, max(1, round(wide)))

    def oval(
        self, x: float, y: float, rx: float, ry: float, level: Gray | float, part: str = "", *,
        angle: float = 0.0, wobble: float = 0.0, soft: float = 0.0, share: float = 1.0,
        within: Gray | None = None,
    ) -> None:  # fmt: skip
        """Paint an ellipse, or an irregular shape like one."""
        points = _round(self.rng, wobble) * (rx, ry)
        co, si = np.cos(angle), np.sin(angle)
        points = points @ np.array([[co, si], [-si, co]]) + (x, y)
        self.fill(points, level, part, soft=soft, share=share, within=within)

    def _paint(
        self, px: Points, level: Gray | float, part: str, soft: float, share: float, within: Gray | None,
        width: int,
    ) -> None:  # fmt: skip
        # Only the box around the shape is touched: most shapes are small.
        pad = int(3 * soft) + 2 + width
        (x, y), (x_end, y_end) = px.min(0).tolist(), px.max(0).tolist()
        left, top = max(0, int(x) - pad), max(0, int(y) - pad)
        right, bottom = min(SIDE, int(x_end) + 1 + pad), min(SIDE, int(y_end) + 1 + pad)
        if right <= left or bottom <= top:
            return
        box = (slice(top, bottom), slice(left, right))
        filled = np.zeros((bottom - top, right - left), np.uint8)
        fixed = ((px - (left, top)) * 16 + 0.5).astype(np.int32)
        if width:
            cv2.polylines(filled, [fixed], False, 255, width, cv2.LINE_AA, 4)
        else:
            cv2.fillPoly(filled, [fixed], 255, cv2.LINE_AA, shift=4)
        mask = filled.astype(np.float32) * np.float32(share / 255)
        if soft > 0.3:
            mask = np.asarray(cv2.GaussianBlur(mask, (0, 0), soft), np.float32)
        if within is not None:
            mask = mask * within[box]
        target = self.d.image[box]
        target += mask * ((level[box] if isinstance(level, np.ndarray) else np.float32(level)) - target)
        if part:
            self.note(mask, part, box)

    def note(self, mask: Gray, part: str, box: tuple[slice, slice] = np.s_[0:SIDE, 0:SIDE]) -> None:
        """Remember where a part is, and that it covers what was painted before."""
        if part not in self.d.parts:
            self.d.parts[part] = np.zeros((SIDE, SIDE), np.float32)
        known = self.d.parts[part][box]
        np.maximum(known, mask, out=known)
        rest = 1 - mask
        for covered in _COVERS.get(part, ()):
            if covered in self.d.parts:
                self.d.parts[covered][box] *= rest

    def lay(self, mask: Gray, level: Gray | float, part: str = "") -> None:
        """Paint a mask as wide as the picture."""
        self.d.lay(mask, level)
        if part:
            self.note(mask, part)

    def polar(self) -> tuple[Gray, Gray]:
        """Distance from the brain's centre and direction, of each pixel."""
        x, y = self.at(0, 0)
        far, turn = cv2.cartToPolar(X - np.float32(x), Y - np.float32(y))
        return np.asarray(far, np.float32), np.asarray(turn, np.float32)
