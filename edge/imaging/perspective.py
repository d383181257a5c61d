"""The region of a film or monitor: find its four corners, and look at it straight. Pure geometry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.imaging.frames import Pixels

_LOOK = 320
"""Side in pixels at which corners are searched: they are found to about half a percent of the frame."""
_MIN_AREA = 0.08
"""Share of the frame below which a bright region is a lamp or a window, not the film."""
_MIN_FILL = 0.85
"""Share of the quadrilateral that the region must fill, or it has another shape."""
_MAX_SIDE = 512
"""Longer side in pixels of the rectified region: more than twice what the network sees."""
_MAX_ASPECT = 4.0


@dataclass(frozen=True)
class Quad:
    """Corners in pixels, (x, y) each, clockwise from the top left."""

    corners: tuple[tuple[float, float], tuple[float, float], tuple[float, float], tuple[float, float]]

    def array(self) -> NDArray[np.float32]:
        """The corners as (4, 2)."""
        return np.array(self.corners, np.float32)

    def area(self) -> float:
        """Area in pixels (the shoelace formula)."""
        x, y = self.array().T.astype(np.float64)
        return abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))) / 2

    def bounds(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of the smallest upright box around it."""
        low, high = self.array().min(axis=0), self.array().max(axis=0)
        return float(low[0]), float(low[1]), float(high[0]), float(high[1])

    def inset(self, share: float) -> Quad:
        """The quadrilateral drawn in towards its middle by ``share`` of its size on every side."""
        corners = self.array()
        middle = corners.mean(axis=0)
        a, b, c, d = ((float(x), float(y)) for x, y in middle + (corners - middle) * (1 - 2 * share))
        return Quad((a, b, c, d))


def clockwise(points: NDArray[np.float32]) -> Quad:
    """Four corners (4, 2) in any order as a Quad: clockwise as seen, from the one nearest the top left."""
    middle = points.mean(axis=0)
    turned = points[np.argsort(np.arctan2(points[:, 1] - middle[1], points[:, 0] - middle[0]))]
    first = int(np.argmin(turned.sum(axis=1)))
    ordered = np.roll(turned, -first, axis=0)
    a, b, c, d = ((float(x), float(y)) for x, y in ordered)
    return Quad((a, b, c, d))


def find_quad(pixels: Pixels) -> Quad | None:
    """The largest bright quadrilateral, such as a film on a light box or a monitor; None if none stands out.

    Args:
        pixels: (rows, columns[, 3]), display values.
    """
    rows, columns = pixels.shape[:2]
    scale = min(1.0, _LOOK / max(rows, columns))
    size = (max(8, round(columns * scale)), max(8, round(rows * scale)))
    # Not averaged over areas, which costs ten times as much: the blur below takes the aliasing out.
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_LINEAR)
    gray = small if small.ndim == 2 else cv2.max(cv2.max(small[..., 0], small[..., 1]), small[..., 2])
    gray = cv2.GaussianBlur(np.asarray(gray, np.uint8), (5, 5), 0)
    otsu, _ = cv2.threshold(gray, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    best: Quad | None = None
    # The film's own dark parts pull Otsu's threshold up; half of it and a fixed low one are tried too.
    for threshold in sorted({round(otsu), round(otsu * 0.6), 40}):
        _, bright = cv2.threshold(gray, threshold, 255, cv2.THRESH_BINARY)
        closed = cv2.morphologyEx(bright, cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8))
        contours, _ = cv2.findContours(closed, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        for contour in contours:
            quad = _as_quad(contour, size[0] * size[1])
            if quad is not None and (best is None or quad.area() > best.area()):
                best = quad
    if best is None:
        return None
    factor = np.array([columns / size[0], rows / size[1]], np.float32)
    return clockwise(best.array() * factor)


def _as_quad(contour: NDArray[Any], whole: int) -> Quad | None:
    hull = cv2.convexHull(contour)
    area = cv2.contourArea(hull)
    # The whole frame is no find: nothing stands out from anything.
    if not _MIN_AREA * whole <= area <= 0.97 * whole or cv2.contourArea(contour) < _MIN_FILL * area:
        return None
    around = cv2.arcLength(hull, closed=True)
    for tolerance in (0.02, 0.04, 0.06, 0.08):
        corners = cv2.approxPolyDP(hull, tolerance * around, closed=True)
        if len(corners) == 4:
            quad = clockwise(corners.reshape(4, 2).astype(np.float32))
            if area < _MIN_FILL * quad.area() or quad.area() < _MIN_FILL * area:
                return None
            width, height = rectified_size(quad)
            return quad if max(width, height) <= _MAX_ASPECT * min(width, height) else None
        if len(corners) < 4:
            return None
    return None


def rectified_size(quad: Quad, limit: int = _MAX_SIDE) -> tuple[int, int]:
    """Width and height in pixels of the region seen straight: its longer sides, at most ``limit``."""
    a, b, c, d = quad.array()
    width = max(float(np.linalg.norm(b - a)), float(np.linalg.norm(c - d)), 1.0)
    height = max(float(np.linalg.norm(d - a)), float(np.linalg.norm(c - b)), 1.0)
    scale = min(1.0, limit / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def rectify(pixels: Pixels, quad: Quad, limit: int = _MAX_SIDE) -> Pixels:
    """The region inside ``quad``, seen straight: (height, width[, 3]) of `rectified_size`.

    Nothing outside the quadrilateral gets into the result but the edge's interpolation.
    """
    width, height = rectified_size(quad, limit)
    target = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    homography = cv2.getPerspectiveTransform(quad.array(), target)
    flat = cv2.warpPerspective(pixels, homography, (width, height), flags=cv2.INTER_LINEAR)
    return np.asarray(flat, dtype=np.uint8)
