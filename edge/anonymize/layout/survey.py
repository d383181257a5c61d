"""What stands still over the samples of one screen, and what changes. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.anonymize.layout.match import cell_levels, gray
from edge.imaging.frames import Pixels
from edge.imaging.layout_template import CELL

Mask = NDArray[np.bool_]

_CHANGE = 24
"""Range of a pixel's gray levels over the samples from which it changes: above what compression does."""
_CHANGED_PIXELS = 2
"""Changed pixels of a cell from which it changes: a thin letter's stroke has as many."""
_RELIEF = 24
"""Range of gray levels in a cell's surroundings from which something is drawn there."""


@dataclass(frozen=True)
class Survey:
    """Cells of a screen, each mask (rows, columns) of cells."""

    shape: tuple[int, int]
    """Rows and columns in pixels."""
    changing: Mask
    drawn: Mask
    """Static, with a line, a letter or an edge."""
    plain: Mask
    """Static and of one gray."""
    levels: NDArray[np.float32]
    """Mean over the samples."""


def survey(frames: Sequence[Pixels]) -> Survey:
    """Tell static from changing cells.

    Args:
        frames: at least two samples of one shape, (rows, columns) or RGB (rows, columns, 3), uint8.
    """
    first = gray(frames[0])
    low, high = first.copy(), first.copy()
    total = np.zeros((first.shape[0] // CELL, first.shape[1] // CELL), np.float64)
    for frame in frames:
        luma = gray(frame)
        low, high = np.minimum(low, luma), np.maximum(high, luma)
        total += cell_levels(luma)
    changed = (high - low >= _CHANGE).astype(np.uint8) * 255
    changing = cell_levels(changed) * CELL * CELL / 255 >= _CHANGED_PIXELS - 0.5
    # Half a cell around: an edge between two cells belongs to both.
    around = np.ones((5, 5), np.uint8)
    relief = cv2.dilate(low, around) - cv2.erode(low, around) >= _RELIEF
    relief &= cv2.dilate(changed, around) == 0  # the edge of what changes is not drawn beside it
    drawn = (cell_levels(relief.astype(np.uint8)) > 0) & ~changing
    levels = np.asarray(total / len(frames), np.float32)
    return Survey(first.shape, changing, drawn, ~changing & ~drawn, levels)


def with_room(fields: Mask, plain: Mask, reach: int) -> Mask:
    """Changing text fields with the plain ground beside them: another name may be longer.

    Args:
        fields: cells where text changed.
        plain: cells that are static and of one gray.
        reach: how many cells to the left and right, at most.
    """
    grown = fields.copy()
    for _ in range(reach):
        near = cv2.dilate(grown.astype(np.uint8), np.ones((1, 3), np.uint8)) > 0
        step = near & plain & ~grown
        if not step.any():
            break
        grown |= step
    tall = cv2.dilate(grown.astype(np.uint8), np.ones((3, 1), np.uint8)) > 0
    return grown | (tall & plain)
