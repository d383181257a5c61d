"""Text by the detection network of PP-OCRv4 (differentiable binarization), run on the CPU.

Liao et al., "Real-time Scene Text Detection with Differentiable Binarization", 2020. The network
gives, for each pixel, how likely it lies in the shrunken core of a line of text; the lines are the
connected parts of that map, grown back. It finds text and cannot read it: the product has no OCR.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.anonymize.faces.finder import rgb
from edge.anonymize.geometry import Box
from edge.anonymize.models import DetectorUnavailable, Weights, session
from edge.anonymize.text.finder import BORDER, look_everywhere, look_once
from edge.imaging.frames import Pixels

_MULTIPLE = 32
_LARGEST_LINE = 0.10
"""A short text is no thicker than this share of the image's shorter side, its margin included.

What is thicker and not long is anatomy (a vertebra, a ventricle, a tumour): the network takes such
blobs for huge letters. A name in letters that large would be long.
"""
_SMALLEST_LIMIT = 16
_LONG = 3.0


def lines(probability: NDArray[np.float32], threshold: float, mean: float, unclip: float) -> list[Box]:
    """Boxes of lines of text from the network's map (rows, columns), upright, grown back.

    Args:
        probability: per pixel, 0 to 1.
        threshold: from where a pixel belongs to a core.
        mean: lowest mean probability of a core.
        unclip: how far the core is grown: area x unclip / perimeter pixels on each side.

    Raises:
        DetectorUnavailable: the map holds values that are not finite.
    """
    if not np.isfinite(probability).all():
        raise DetectorUnavailable("the text detector gave values that are not finite")
    core = (probability > threshold).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(core, connectivity=8)
    boxes = []
    for label in range(1, count):
        left, top, width, height, area = (int(v) for v in stats[label])
        if min(width, height) < 2 or area < 6:
            continue
        inside = labels[top : top + height, left : left + width] == label
        score = float(probability[top : top + height, left : left + width][inside].mean())
        if score < mean:
            continue
        grow = width * height * unclip / (2 * (width + height))
        points = np.argwhere(inside)[:, ::-1].astype(np.int32)
        sides = [side + 1 + grow for side in cv2.minAreaRect(points)[1]]
        box = Box(left, top, left + width, top + height, score, max(sides) / min(sides))
        boxes.append(box.padded(grow, grow))
    return boxes


class TextDetector:
    """PP-OCRv4 text detection on ONNX Runtime.

    Thresholds are lower than for reading: a line too many is masked, a line too few leaks.
    """

    def __init__(self, weights: Weights, threads: int = 1) -> None:
        self.name = weights.name
        self.sha256 = weights.sha256
        self._threshold, self._mean, self._unclip = 0.2, 0.5, 1.8
        self._session = session(weights.data, threads)
        self._input = self._session.get_inputs()[0].name

    def find(self, image: Pixels, within: list[Box] | None = None) -> list[Box]:
        """Boxes of text in the pixels of ``image``; see `TextFinder.find`."""
        return _lines_of(look_everywhere(image, within, self._look), image)

    def glance(self, image: Pixels, side: int) -> list[Box]:
        """Boxes of text by one pass; see `TextFinder.glance`."""
        return _lines_of(look_once(image, side, self._look), image)

    def _look(self, tile: Pixels) -> list[Box]:
        rows, columns = tile.shape[:2]
        down, across = -(rows + 2 * BORDER) % _MULTIPLE, -(columns + 2 * BORDER) % _MULTIPLE
        image = rgb(tile)
        rim = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
        padded = cv2.copyMakeBorder(
            image,
            BORDER,
            BORDER + down,
            BORDER,
            BORDER + across,
            cv2.BORDER_CONSTANT,
            value=np.median(rim, axis=0).tolist(),
        )
        blob = padded[:, :, ::-1].transpose(2, 0, 1)[None].astype(np.float32)
        blob = blob * (2 / 255) - 1
        try:
            (probability,) = self._session.run(None, {self._input: blob})
        except Exception as error:  # whatever ONNX Runtime raises, no look was had
            raise DetectorUnavailable("the text detector failed") from error
        inside = probability[0, 0, BORDER : BORDER + rows, BORDER : BORDER + columns]
        return lines(inside, self._threshold, self._mean, self._unclip)


def is_line(box: Box, rows: int, columns: int) -> bool:
    """Whether a find is thin enough, or long enough, for a line of text in an image of that size."""
    thickest = max(_LARGEST_LINE * min(rows, columns), _SMALLEST_LIMIT)
    return min(box.width, box.height) <= thickest or box.elongation >= _LONG


def _lines_of(found: list[Box], image: Pixels) -> list[Box]:
    return [box for box in found if is_line(box, *image.shape[:2])]
