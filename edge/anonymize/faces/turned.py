"""Looking at turned copies of a picture, for detectors that miss heads which are not upright."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from edge.anonymize.faces.finder import rgb, shrink
from edge.anonymize.geometry import Box, suppress_overlaps
from edge.imaging.frames import Pixels

ROTATIONS = (0, 90, 180, 270)
"""Degrees by which the frame is turned, counter-clockwise, before it is looked at."""


def find_turned(
    image: Pixels, width: int, multiple: int, rotations: Sequence[int], look: Callable[[Pixels], list[Box]]
) -> list[Box]:
    """Boxes in ``image``: what ``look`` finds in it, made small and turned by each of ``rotations``.

    Args:
        image: (rows, columns[, 3]), RGB.
        width: at which to look, in pixels.
        multiple: of which both sides of the small picture are.
        rotations: degrees, each of `ROTATIONS`.
        look: takes (rows, columns, 3) and gives boxes in it.
    """
    small = rgb(shrink(image, width, multiple))
    rows, columns = small.shape[:2]
    found: list[Box] = []
    for rotation in rotations:
        turns = rotation // 90 % 4
        turned = np.ascontiguousarray(np.rot90(small, turns))
        found += [unturn(box, turns, rows, columns) for box in look(turned)]
    x, y = image.shape[1] / columns, image.shape[0] / rows
    return [box.scaled(x, y) for box in suppress_overlaps(found)]


def unturn(box: Box, turns: int, rows: int, columns: int) -> Box:
    """A box of the image after `np.rot90` by ``turns``, in the image before it."""
    if turns == 1:
        return Box(columns - box.bottom, box.left, columns - box.top, box.right, box.score)
    if turns == 2:
        return Box(columns - box.right, rows - box.bottom, columns - box.left, rows - box.top, box.score)
    if turns == 3:
        return Box(box.top, rows - box.right, box.bottom, rows - box.left, box.score)
    return box
