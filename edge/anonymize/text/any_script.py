"""Text in any script by a network of our own: one pass, any angle, bar codes too, found and not read.

Trained by ``trainer text`` on drawn lines; its weights lie in this package. At a quarter of the input's
size it gives the logit that a cell lies on a line of text, and how high that line is. Lines that touch
are found as one: they are masked, not read.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.anonymize.faces.finder import rgb
from edge.anonymize.geometry import Box
from edge.anonymize.models import DetectorUnavailable, Weights, session
from edge.anonymize.text.finder import BORDER, look_closer, look_everywhere, look_once
from edge.imaging.frames import Pixels

STRIDE = 4
GLANCE_SIDE = 1280
"""Longest side in pixels at which a frame of video is looked at."""
_MULTIPLE = 64
"""Of both sides of an input."""
_LONG = 3.0
"""Elongation from which a find is a line that others lie beside, and no bit of anatomy."""
_REACH, _LEAST_REACH = 1.0, 8.0
"""How far beside a line: its heights, and pixels at least."""
_LEAST = 2
"""Cells of a find, at least."""
_MARGIN = 0.25
"""Of the line's height, beside a cell: ascenders and first letters that the cells cut off."""
_FULL = 0.6
"""Share of a box that its cells fill; a box with less is cut in two: a line askew is no square."""
_SMALLEST = 3
_CHARACTER = 24
"""Cells a side up to which a find that is not long may be one character, and is left whole to be judged."""


class AnyScriptDetector:
    """The network on ONNX Runtime.

    Args:
        weights: checked weights.
        score: likelihood from which a cell counts.
        sure: likelihood that a cell of a find must reach in a picture that stands still: there another
            detector looks, too, and what is masked in vain is anatomy.
        threads: threads of the CPU that one look may take.
    """

    def __init__(self, weights: Weights, score: float = 0.45, sure: float = 0.993, threads: int = 1) -> None:
        self.name = weights.name
        self.sha256 = weights.sha256
        self._score, self._sure = score, sure
        self._session = session(weights.data, threads)

    def find(self, image: Pixels, within: list[Box] | None = None) -> list[Box]:
        """Boxes of text in the pixels of ``image``; see `TextFinder.find`."""
        return self._look_twice(image, within, self._sure)

    def find_beside(self, image: Pixels, lines: list[Box]) -> list[Box]:
        """Boxes of what may be text beside ``lines``; see `AnyScriptFinder.find_beside`."""
        zones = [
            line.padded(*[_REACH * max(_LEAST_REACH, min(line.width, line.height))] * 2)
            for line in lines
            if line.elongation >= _LONG
        ]
        found = self._look_twice(image, zones, 0.0) if zones else []
        return [box for box in found if any(box.touches(zone) for zone in zones)]

    def _look_twice(self, image: Pixels, within: list[Box] | None, sure: float) -> list[Box]:
        look = partial(self._look, sure=sure, margin=0.0)
        return look_everywhere(image, within, look) + look_closer(image, within, look)

    def glance(self, image: Pixels, side: int) -> list[Box]:
        """Boxes of text by one pass; see `TextFinder.glance`."""
        return look_once(image, side, partial(self._look, sure=0.0, margin=1.0))

    def _look(self, picture: Pixels, *, sure: float, margin: float) -> list[Box]:
        rows, columns = picture.shape[:2]
        down, across = (max(0, -(side + BORDER) % _MULTIPLE) for side in (rows, columns))
        image = cv2.copyMakeBorder(rgb(picture), BORDER, down, BORDER, across, cv2.BORDER_REPLICATE)
        try:
            (maps,) = self._session.run(None, {"pixels": image[None]})
        except Exception as error:  # whatever ONNX Runtime raises, no look was had
            raise DetectorUnavailable("the text detector failed") from error
        whole = Box(0, 0, columns, rows)
        found = decode(maps[0, 0], maps[0, 1], self._score, sure, margin)
        boxes = (box.shifted(-BORDER, -BORDER) for box in found)
        return [box for box in boxes if box.touches(whole)]


def decode(
    logit: NDArray[np.float32],
    height: NDArray[np.float32],
    score: float,
    sure: float = 0.0,
    margin: float = 1.0,
) -> list[Box]:
    """Boxes that cover the connected parts of a map, and what the cells cut off of them.

    Two thresholds: what is likely somewhere is followed to its ends (Canny, 1986, section VIII, hysteresis).

    Args:
        logit: (rows, columns), of text.
        height: (rows, columns), log of the line's height in cells.
        score: likelihood from which a cell counts.
        sure: likelihood that some cell of a part must reach.
        margin: times a cell and a part of the line's height; none where the caller grows a find.

    Raises:
        DetectorUnavailable: a map holds values that are not finite.
    """
    if not (np.isfinite(logit).all() and np.isfinite(height).all()):
        raise DetectorUnavailable("the text detector gave values that are not finite")
    bound = float(np.log(score / (1 - score)))
    least = float(np.log(sure / (1 - sure))) if sure > score else bound
    count, labels, stats, _ = cv2.connectedComponentsWithStats(
        (logit > bound).astype(np.uint8), connectivity=8
    )
    boxes = []
    for label in range(1, count):
        left, top, width, rows, cells = (int(v) for v in stats[label])
        if cells < _LEAST:
            continue
        window = np.s_[top : top + rows, left : left + width]
        inside = labels[window] == label
        if logit[window][inside].max() < least:
            continue
        likely = 1 / (1 + np.exp(-float(logit[window][inside].mean())))
        sides = [side + 1 for side in cv2.minAreaRect(np.argwhere(inside).astype(np.int32))[1]]
        # A line is no higher than what was found of it, whatever the network says.
        line = min(float(np.exp(np.median(height[window][inside]))), *sides)
        grow = margin * (1 + _MARGIN * line)
        elongation = max(sides) / min(sides)
        compact = elongation < 2 and max(inside.shape) <= _CHARACTER
        for x0, y0, x1, y1 in [(0, 0, width, rows)] if compact else _pieces(inside):
            box = Box(x0 + left, y0 + top, x1 + left, y1 + top, likely, elongation)
            boxes.append(box.padded(grow, grow).scaled(STRIDE, STRIDE))
    return boxes


def _pieces(cells: NDArray[np.bool_]) -> Iterator[tuple[int, int, int, int]]:
    """Boxes (left, top, right, bottom) that cover all of ``cells`` and little else."""
    rows, columns = np.flatnonzero(cells.any(axis=1)), np.flatnonzero(cells.any(axis=0))
    if rows.size == 0:
        return
    top, bottom, left, right = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
    part = cells[top:bottom, left:right]
    if part.mean() >= _FULL or max(part.shape) <= _SMALLEST:
        yield left, top, right, bottom
        return
    across = part.shape[1] >= part.shape[0]
    middle = max(part.shape) // 2
    halves = (part[:, :middle], part[:, middle:]) if across else (part[:middle], part[middle:])
    for half, start in zip(halves, (0, middle), strict=True):
        x, y = (left + start, top) if across else (left, top + start)
        for x0, y0, x1, y1 in _pieces(half):
            yield x0 + x, y0 + y, x1 + x, y1 + y
