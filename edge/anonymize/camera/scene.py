"""Whether what a frame shows was looked at for text: its cells against those of the text looks. Pure.

Text is looked for more rarely than faces. So each text look leaves a thumbnail of what it saw, and
a frame may leave only if each of its cells looks as it did in a text look near it in time: a page
that opens between two looks matches neither, and waits for a look at itself.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.anonymize.camera.track import Glimpse
from edge.anonymize.geometry import Box, paint
from edge.imaging.frames import Pixels
from edge.imaging.perspective import Quad

WIDTH = 64
"""Cells across the kept part of the frame."""
_THRESHOLD = 6.0
"""Gray levels by which a cell's mean may differ. Noise of the sensor averages out in a cell; a line of
text of half a cell's height changes it by more."""
_LEAST = 4
"""Looks whose texts are masked in any case, as the text detector flickers too."""

Area = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels of the frame."""
Cells = NDArray[np.float32]
Mask = NDArray[np.bool_]


def thumbnail(pixels: Pixels, area: Area) -> Cells:
    """Mean gray of the cells of ``area``, (rows, WIDTH); every row of a large frame is not needed."""
    left, top, right, bottom = area
    crop = pixels[top : bottom : max(1, pixels.shape[0] // 360), left:right]
    size = (WIDTH, _rows(area))
    small = np.asarray(cv2.resize(crop, size, interpolation=cv2.INTER_AREA), np.float32)
    return small if small.ndim == 2 else small.mean(axis=2)


def looked_at(cells: Cells, area: Area, crop: Area) -> Cells:
    """``cells`` with those that do not lie wholly in ``crop`` unknown (NaN): no text was looked for there."""
    x, y = _scale(area)
    result = np.full_like(cells, np.nan)
    left, top = int(np.ceil((crop[0] - area[0]) / x - 1e-6)), int(np.ceil((crop[1] - area[1]) / y - 1e-6))
    right, bottom = int((crop[2] - area[0]) / x + 1e-6), int((crop[3] - area[1]) / y + 1e-6)
    part = (slice(max(0, top), max(0, bottom)), slice(max(0, left), max(0, right)))
    result[part] = cells[part]
    return result


def inside(quad: Quad, area: Area) -> Mask:
    """Cells of ``area`` that a quadrilateral touches, (rows, WIDTH)."""
    cells = np.zeros((_rows(area), WIDTH), np.uint8)
    corners = (quad.array() - np.array(area[:2], np.float32)) / np.array(_scale(area), np.float32)
    cv2.fillConvexPoly(cells, np.floor(corners).astype(np.int32), 1)
    return cells.astype(bool)


def covering(
    looks: Sequence[Glimpse],
    cells: Cells,
    needed: Mask | None,
    masks: Sequence[Box],
    area: Area,
    at_ns: int,
    max_age_ns: int,
) -> list[Glimpse] | None:
    """The looks, nearest first, that together saw every cell as it is; None if some cell was not seen so.

    Cells that a mask touches count as seen: what a face covers and uncovers as it moves is compared
    where it is bare. What lit the whole picture up or down alike between look and frame is not text.

    Args:
        looks: text looks at frames of this shape.
        cells: thumbnail of the frame, (rows, WIDTH).
        needed: cells that will leave; None: all.
        masks: faces of the frame, grown, in its pixels.
        area: the kept part of the frame.
        at_ns: when the frame was captured.
        max_age_ns: how far from it a look may lie.
    """
    open_ = np.ones(cells.shape, bool) if needed is None else needed.copy()
    x, y = _scale(area)
    hidden = np.zeros(cells.shape, bool)
    paint(hidden, [box.shifted(-area[0], -area[1]).scaled(1 / x, 1 / y) for box in masks])
    open_ &= ~hidden
    judged = open_.copy()
    used: list[Glimpse] = []
    for look in sorted(looks, key=lambda g: abs(g.at_ns - at_ns)):
        if abs(look.at_ns - at_ns) > max_age_ns or look.scene is None or look.scene.shape != cells.shape:
            continue
        if len(used) >= _LEAST and not open_.any():
            break
        used.append(look)
        if open_.any():
            change = cells - look.scene
            known = change[judged & np.isfinite(change)]
            if known.size:
                open_ &= ~(np.abs(change - np.median(known)) <= _THRESHOLD)
    return used if used and not open_.any() else None


def _rows(area: Area) -> int:
    left, top, right, bottom = area
    return max(1, round(WIDTH * (bottom - top) / max(1, right - left)))


def _scale(area: Area) -> tuple[float, float]:
    """Pixels of the frame to one cell (x, y)."""
    return (area[2] - area[0]) / WIDTH, (area[3] - area[1]) / _rows(area)
