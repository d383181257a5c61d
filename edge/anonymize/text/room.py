"""Text in a room, by a network of our own: one fast pass, any script, any angle, found and not read.

Trained by ``trainer text`` on drawn lines; its weights lie in this package. It gives, at a quarter of
the input's size, the logit that a cell lies on a line of text. Lines that touch are found as one: they
are masked, not read.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.anonymize.faces.finder import rgb, shrink
from edge.anonymize.geometry import Box
from edge.anonymize.models import DetectorUnavailable, Weights, session
from edge.imaging.frames import Pixels

STRIDE = 4
_LEAST = 2
"""Cells of a find, at least."""


class RoomTextDetector:
    """The network on ONNX Runtime.

    Args:
        weights: checked weights.
        score: likelihood from which a cell counts.
        threads: threads of the CPU that one look may take.
    """

    def __init__(self, weights: Weights, score: float = 0.3, threads: int = 1) -> None:
        self.name = weights.name
        self.sha256 = weights.sha256
        self._score = score
        self._session = session(weights.data, threads)

    def glance(self, image: Pixels, side: int) -> list[Box]:
        """Boxes of text in the pixels of ``image`` (rows, columns[, 3]), in one pass of ``side`` pixels.

        Raises:
            DetectorUnavailable: the network failed.
        """
        rows, columns = image.shape[:2]
        width = side if columns >= rows else max(1, round(side * columns / rows))
        small = rgb(shrink(image, width))
        try:
            (maps,) = self._session.run(None, {"pixels": np.ascontiguousarray(small[None])})
        except Exception as error:  # whatever ONNX Runtime raises, no look was had
            raise DetectorUnavailable("the text detector failed") from error
        x, y = columns / small.shape[1], rows / small.shape[0]
        return [box.scaled(x, y) for box in decode(maps[0, 0], self._score)]


def decode(logit: NDArray[np.float32], score: float) -> list[Box]:
    """Boxes of the connected parts of a map (rows, columns), a cell and a quarter of their thickness wider.

    Raises:
        DetectorUnavailable: the map holds values that are not finite.
    """
    if not np.isfinite(logit).all():
        raise DetectorUnavailable("the text detector gave values that are not finite")
    bound = float(np.log(score / (1 - score)))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(
        (logit > bound).astype(np.uint8), connectivity=8
    )
    boxes = []
    for label in range(1, count):
        left, top, width, height, cells = (int(v) for v in stats[label])
        if cells < _LEAST:
            continue
        window = np.s_[top : top + height, left : left + width]
        inside = labels[window] == label
        likely = 1 / (1 + np.exp(-float(logit[window][inside].mean())))
        sides = [side + 1 for side in cv2.minAreaRect(np.argwhere(inside).astype(np.int32))[1]]
        grow = 1 + 0.25 * min(sides)
        box = Box(left, top, left + width, top + height, likely, max(sides) / min(sides))
        boxes.append(box.padded(grow, grow).scaled(STRIDE, STRIDE))
    return boxes
