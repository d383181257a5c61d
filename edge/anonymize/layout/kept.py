"""What templates keep of a frame, cut out of it; the rest of the frame is let go at once. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.anonymize.layout.match import cell_levels, gray
from edge.imaging.frames import Pixels, Region

_STEP = 28.0
"""Gray levels by which a cell's mean changes from one frame to the next, if something else is shown."""
_PATCH = 16
"""Connected cells that change so at once: a line of text, a menu, another image."""


@dataclass(frozen=True, repr=False)
class Kept:
    """The smallest rectangle around the keep-regions; between them it is 0."""

    pixels: Pixels
    inside: NDArray[np.bool_]
    """(rows, columns) of ``pixels``: True in the keep-regions."""
    left: int
    top: int
    shape: tuple[int, ...]
    """Of the frame that it was cut from."""
    levels: NDArray[np.float32]
    """Mean gray of the cells of ``pixels``."""

    @property
    def share(self) -> float:
        """Of the frame that is kept."""
        return float(np.count_nonzero(self.inside)) / (self.shape[0] * self.shape[1])

    def on_black(self) -> Pixels:
        """A frame of the original shape, 0 wherever nothing is kept."""
        whole: Pixels = np.zeros(self.shape, np.uint8)
        rows, columns = self.pixels.shape[:2]
        whole[self.top : self.top + rows, self.left : self.left + columns] = self.pixels
        return whole


def cut(frame: Pixels, regions: Sequence[Region]) -> Kept:
    """Copy what is kept, at least one region, out of ``frame`` (rows, columns[, 3])."""
    left, top = min(r.left for r in regions), min(r.top for r in regions)
    right, bottom = max(r.right for r in regions), max(r.bottom for r in regions)
    pixels: Pixels = np.zeros((bottom - top, right - left, *frame.shape[2:]), np.uint8)
    inside = np.zeros(pixels.shape[:2], bool)
    for r in regions:
        place = np.s_[r.top - top : r.bottom - top, r.left - left : r.right - left]
        pixels[place] = frame[r.top : r.bottom, r.left : r.right]
        inside[place] = True
    return Kept(pixels, inside, left, top, frame.shape, cell_levels(gray(pixels)))


def goes_on(before: Kept, now: Kept) -> bool:
    """Whether two frames in a row show one scene: no patch of what is kept changed at once."""
    if (before.left, before.top) != (now.left, now.top) or before.levels.shape != now.levels.shape:
        return False
    changed = (np.abs(now.levels - before.levels) > _STEP).astype(np.uint8)
    count, _, stats, _ = cv2.connectedComponentsWithStats(changed, connectivity=8)
    return count < 2 or int(stats[1:, cv2.CC_STAT_AREA].max()) < _PATCH
