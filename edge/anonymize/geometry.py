"""Boxes: grow, join, clip, fill. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

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

    @property
    def width(self) -> float:
        """Width in pixels."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """Height in pixels."""
        return self.bottom - self.top

    def scaled(self, x: float, y: float) -> Box:
        """The box in an image that is ``x`` times wider and ``y`` times higher."""
        return Box(self.left * x, self.top * y, self.right * x, self.bottom * y, self.score)

    def shifted(self, x: float, y: float) -> Box:
        """The box moved by (``x``, ``y``) pixels."""
        return Box(self.left + x, self.top + y, self.right + x, self.bottom + y, self.score)

    def grown(self, scale: float) -> Box:
        """The box ``scale`` times as large, about its centre."""
        dx, dy = self.width * (scale - 1) / 2, self.height * (scale - 1) / 2
        return Box(self.left - dx, self.top - dy, self.right + dx, self.bottom + dy, self.score)

    def padded(self, x: float, y: float) -> Box:
        """The box with ``x`` pixels more on the left and right, ``y`` above and below."""
        return Box(self.left - x, self.top - y, self.right + x, self.bottom + y, self.score)

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
