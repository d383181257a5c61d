"""Boxes: grow, join, clip, fill. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.imaging.frames import Pixels


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels, edges as real numbers: left <= x < right, top <= y < bottom."""

    left: float
    top: float
    right: float
    bottom: float
    score: float = 1.0
    elongation: float = 1.0
    """Of what was found in the box, which may lie askew: its longer side by its shorter one."""

    @property
    def width(self) -> float:
        """Width in pixels."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """Height in pixels."""
        return self.bottom - self.top

    def _at(self, left: float, top: float, right: float, bottom: float) -> Box:
        return Box(left, top, right, bottom, self.score, self.elongation)

    def scaled(self, x: float, y: float) -> Box:
        """The box in an image that is ``x`` times wider and ``y`` times higher."""
        return self._at(self.left * x, self.top * y, self.right * x, self.bottom * y)

    def shifted(self, x: float, y: float) -> Box:
        """The box moved by (``x``, ``y``) pixels."""
        return self._at(self.left + x, self.top + y, self.right + x, self.bottom + y)

    def grown(self, scale: float) -> Box:
        """The box ``scale`` times as large, about its centre."""
        dx, dy = self.width * (scale - 1) / 2, self.height * (scale - 1) / 2
        return self._at(self.left - dx, self.top - dy, self.right + dx, self.bottom + dy)

    def padded(self, x: float, y: float) -> Box:
        """The box with ``x`` pixels more on the left and right, ``y`` above and below."""
        return self._at(self.left - x, self.top - y, self.right + x, self.bottom + y)

    def hull(self, other: Box) -> Box:
        """The smallest box that holds both."""
        return Box(
            min(self.left, other.left),
            min(self.top, other.top),
            max(self.right, other.right),
            max(self.bottom, other.bottom),
            max(self.score, other.score),
        )

    def overlap(self, other: Box) -> float:
        """Intersection over union, 0 to 1."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        if width <= 0 or height <= 0:
            return 0.0
        both = width * height
        return both / (self.width * self.height + other.width * other.height - both)

    def shared(self, other: Box) -> float:
        """The intersection's share of the smaller one, 0 to 1."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        if width <= 0 or height <= 0:
            return 0.0
        return width * height / min(self.width * self.height, other.width * other.height)

    def touches(self, other: Box) -> bool:
        """Whether the two have a pixel in common."""
        return (
            self.left < other.right
            and other.left < self.right
            and self.top < other.bottom
            and other.top < self.bottom
        )


def suppress_overlaps(boxes: Iterable[Box], limit: float = 0.4) -> list[Box]:
    """Non-maximum suppression: of boxes that overlap by more than ``limit`` the best stays."""
    kept: list[Box] = []
    for box in sorted(boxes, key=lambda b: -b.score):
        if all(box.overlap(other) <= limit for other in kept):
            kept.append(box)
    return kept


def paint(mask: NDArray[np.bool_], boxes: Sequence[Box]) -> None:
    """Set ``mask`` (rows, columns) where a box lies; a pixel that a box cuts is inside it."""
    rows, columns = mask.shape
    for box in boxes:
        left, right = max(0, int(np.floor(box.left))), min(columns, int(np.ceil(box.right)))
        top, bottom = max(0, int(np.floor(box.top))), min(rows, int(np.ceil(box.bottom)))
        if left < right and top < bottom:
            mask[top:bottom, left:right] = True


def fill_boxes(pixels: Pixels, boxes: Sequence[Box], value: int = 0) -> None:
    """Overwrite the boxes with one solid value, in place; the same pixels that `paint` sets."""
    rows, columns = pixels.shape[:2]
    for box in boxes:
        left, right = max(0, int(np.floor(box.left))), min(columns, int(np.ceil(box.right)))
        top, bottom = max(0, int(np.floor(box.top))), min(rows, int(np.ceil(box.bottom)))
        if left < right and top < bottom:
            pixels[top:bottom, left:right] = value


def fill(pixels: Pixels, mask: NDArray[np.bool_], value: int = 0) -> None:
    """Overwrite the masked pixels with one solid value, in place. Never blur: a blur can be undone."""
    pixels[mask] = value


def boxes_of(mask: NDArray[np.bool_]) -> list[Box]:
    """A box around each connected part of ``mask`` (rows, columns)."""
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    parts = (tuple(float(v) for v in part[:4]) for part in stats[1:])
    return [Box(left, top, left + width, top + height) for left, top, width, height in parts]


def bounds(kept: NDArray[np.bool_]) -> tuple[slice, slice]:
    """Rows and columns of the rectangle around what is kept; all of them if nothing is.

    Nothing else is looked at: the edge of a fill around it hides from a network what stands beside it.
    """
    if not kept.any():
        return np.s_[:, :]
    rows, columns = np.flatnonzero(kept.any(axis=1)), np.flatnonzero(kept.any(axis=0))
    return np.s_[int(rows[0]) : int(rows[-1]) + 1, int(columns[0]) : int(columns[-1]) + 1]


def fill_flat(
    values: NDArray[Any], mask: NDArray[np.bool_], *, nominal: bool = False, default: int = 0
) -> None:
    """Overwrite each connected part of ``mask`` with one value taken from its rim, in place.

    As solid as black, but without the hard edge that a detector takes for a letter and a classifier
    for a finding. The rim is outside the mask, so nothing of what is covered goes into it.

    Args:
        values: (rows, columns[, channels]), display or stored values.
        mask: (rows, columns), True where nothing may stay.
        nominal: whether values are names, as in a palette: then the commonest one is taken, else
            the median.
        default: value of a part without a rim.
    """
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    rim = 3
    for label in range(1, count):
        left, top, width, height, _ = (int(v) for v in stats[label])
        window = np.s_[max(0, top - rim) : top + height + rim, max(0, left - rim) : left + width + rim]
        part = labels[window] == label
        around = cv2.dilate(part.astype(np.uint8), np.ones((2 * rim + 1, 2 * rim + 1), np.uint8)) > 0
        free = values[window][around & ~mask[window]]
        if len(free) == 0:
            values[window][part] = default
        elif nominal:
            found, times = np.unique(free, return_counts=True)
            values[window][part] = found[np.argmax(times)]
        else:
            middle = np.median(free, axis=0)
            values[window][part] = middle.astype(values.dtype)
