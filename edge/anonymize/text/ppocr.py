"""Text by the detection network of PP-OCRv4 (differentiable binarization), run on the CPU.

Liao et al., "Real-time Scene Text Detection with Differentiable Binarization", 2020. The network
gives, for each pixel, how likely it lies in the shrunken core of a line of text; the lines are the
connected parts of that map, grown back. It finds text and cannot read it: the product has no OCR.
"""

from __future__ import annotations

from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.anonymize.faces.finder import rgb
from edge.anonymize.geometry import Box
from edge.anonymize.models import DetectorUnavailable, Weights, session
from edge.imaging.frames import Pixels

TILE = 640
"""Longest side of one pass, in pixels: cost and memory are bounded whatever the image."""
_OVERLAP = 96
_MULTIPLE = 32
_LARGEST_LINE = 0.10
"""A short text is no thicker than this share of the image's shorter side, its margin included.

What is thicker and not long is anatomy (a vertebra, a ventricle, a tumour): the network takes such
blobs for huge letters. A name in letters that large would be long.
"""
_SMALLEST_LIMIT = 16
_LONG = 3.0
_BORDER = 16
"""Pixels added around a tile: text that touches the edge of a picture is missed without them."""
_EDGE = 32
"""Gray levels that a stroke differs from its surroundings, at least, for anyone to read it."""


GLANCE_SIDE = 640
"""Longest side in pixels at which video is looked at for text."""


class TextFinder(Protocol):
    """What finds text. ``sha256`` names its weights in the receipt."""

    name: str
    sha256: bytes

    def find(self, image: Pixels, within: list[Box] | None = None) -> list[Box]:
        """Boxes of text in the pixels of ``image``; see `TextDetector.find`."""
        ...

    def glance(self, image: Pixels, side: int) -> list[Box]:
        """Boxes of text by one pass; see `TextDetector.glance`."""
        ...


def scales(rows: int, columns: int) -> tuple[float, ...]:
    """At which sizes an image is looked at: small ones enlarged, large ones also as a whole.

    A line of text must be neither below about 8 pixels nor so high that no tile holds it.
    """
    longest = max(rows, columns)
    if longest < 256:
        return (min(4.0, (TILE - 2 * _BORDER) / longest),)
    if longest < TILE:
        return ((TILE - 2 * _BORDER) / longest,)
    if longest <= 1024:
        return (1.0,)
    return (1.0, TILE / longest)


def tiles(rows: int, columns: int) -> list[tuple[int, int, int, int]]:
    """Tiles (left, top, right, bottom) of at most `TILE` a side that cover the image and overlap."""

    def cuts(length: int) -> list[tuple[int, int]]:
        if length <= TILE:
            return [(0, length)]
        count = -(-(length - _OVERLAP) // (TILE - _OVERLAP))
        step = (length - TILE) / (count - 1)
        return [(round(i * step), round(i * step) + TILE) for i in range(count)]

    return [(left, top, right, bottom) for top, bottom in cuts(rows) for left, right in cuts(columns)]


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
        """Boxes of text in the pixels of ``image`` (rows, columns[, 3]), RGB or gray.

        Args:
            image: display values.
            within: if given, only tiles that touch one of these boxes are looked at.

        Raises:
            DetectorUnavailable: the network failed.
        """
        found: list[Box] = []
        rows, columns = image.shape[:2]
        for scale in scales(rows, columns):
            size = (max(1, round(columns * scale)), max(1, round(rows * scale)))
            how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
            sized = image if scale == 1.0 else _resize(image, size, how)
            x, y = columns / size[0], rows / size[1]
            for left, top, right, bottom in tiles(size[1], size[0]):
                place = Box(left, top, right, bottom).scaled(x, y)
                if within is not None and not any(place.touches(box) for box in within):
                    continue
                tile = sized[top:bottom, left:right]
                if not has_strokes(tile):
                    continue
                found += [box.shifted(left, top).scaled(x, y) for box in self._look(tile)]
        return [box for box in found if is_line(box, rows, columns)]

    def glance(self, image: Pixels, side: int) -> list[Box]:
        """Boxes of text by one pass over the whole image, at most ``side`` pixels long; for video.

        Raises:
            DetectorUnavailable: the network failed.
        """
        rows, columns = image.shape[:2]
        scale = min(1.0, side / max(rows, columns))
        size = (max(1, round(columns * scale)), max(1, round(rows * scale)))
        sized = _resize(image, size, cv2.INTER_AREA) if scale < 1 else image
        found = [box.scaled(columns / size[0], rows / size[1]) for box in self._look(sized)]
        return [box for box in found if is_line(box, rows, columns)]

    def _look(self, tile: Pixels) -> list[Box]:
        rows, columns = tile.shape[:2]
        down, across = -(rows + 2 * _BORDER) % _MULTIPLE, -(columns + 2 * _BORDER) % _MULTIPLE
        image = rgb(tile)
        rim = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
        padded = cv2.copyMakeBorder(
            image,
            _BORDER,
            _BORDER + down,
            _BORDER,
            _BORDER + across,
            cv2.BORDER_CONSTANT,
            value=np.median(rim, axis=0).tolist(),
        )
        blob = padded[:, :, ::-1].transpose(2, 0, 1)[None].astype(np.float32)
        blob = blob * (2 / 255) - 1
        try:
            (probability,) = self._session.run(None, {self._input: blob})
        except Exception as error:  # whatever ONNX Runtime raises, no look was had
            raise DetectorUnavailable("the text detector failed") from error
        inside = probability[0, 0, _BORDER : _BORDER + rows, _BORDER : _BORDER + columns]
        return lines(inside, self._threshold, self._mean, self._unclip)


def is_line(box: Box, rows: int, columns: int) -> bool:
    """Whether a find is thin enough, or long enough, for a line of text in an image of that size."""
    thickest = max(_LARGEST_LINE * min(rows, columns), _SMALLEST_LIMIT)
    return min(box.width, box.height) <= thickest or box.elongation >= _LONG


def _resize(image: Pixels, size: tuple[int, int], how: int) -> Pixels:
    return np.asarray(cv2.resize(image, size, interpolation=how), dtype=np.uint8)


def has_strokes(tile: Pixels) -> bool:
    """Whether anything in ``tile`` could be the strokes of a letter.

    A word has some 40 pixels or more at which the values change by `_EDGE` gray levels within 5
    pixels. A tile without them needs no look by the network.
    """
    gray = tile if tile.ndim == 2 else tile.max(axis=2)
    change = cv2.morphologyEx(gray, cv2.MORPH_GRADIENT, np.ones((5, 5), np.uint8))
    return int(np.count_nonzero(change >= _EDGE)) >= 40
