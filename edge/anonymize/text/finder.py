"""What a text detector is, and how all of them look at images of any size."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import cv2
import numpy as np

from edge.anonymize.geometry import Box
from edge.imaging.frames import Pixels

TILE = 640
"""Longest side of one pass, in pixels: cost and memory are bounded whatever the image."""
_OVERLAP = 96
BORDER = 16
"""Pixels that a network may add around a tile: text that touches the edge of a picture is missed without."""
_CLOSER = 2.0
_CLOSER_FROM, _CLOSER_TO = 406, 1024
"""Longest sides of images that `scales` enlarges by less than 1.5, and of those that it looks at once."""
_LINE = 3.0
"""Elongation from which a find in the closer look is a line: ticks and bits of anatomy have less."""
_EDGE = 32
"""Gray levels that a stroke differs from its surroundings, at least, for anyone to read it."""


class TextFinder(Protocol):
    """What finds text. ``sha256`` names its weights in the receipt."""

    name: str
    sha256: bytes

    def find(self, image: Pixels, within: list[Box] | None = None) -> list[Box]:
        """Boxes of text in the pixels of ``image`` (rows, columns[, 3]), RGB or gray.

        Args:
            image: display values.
            within: if given, only tiles that touch one of these boxes are looked at.

        Raises:
            DetectorUnavailable: the network failed.
        """
        ...

    def glance(self, image: Pixels, side: int) -> list[Box]:
        """Boxes of text by one pass over the whole image, at most ``side`` pixels long; for video.

        Raises:
            DetectorUnavailable: the network failed.
        """
        ...


class AnyScriptFinder(TextFinder, Protocol):
    """What also tells where it is in doubt."""

    def find_beside(self, image: Pixels, lines: list[Box]) -> list[Box]:
        """Boxes of what may be text and lies beside ``lines`` that were found: names come in blocks.

        Raises:
            DetectorUnavailable: the network failed.
        """
        ...


def scales(rows: int, columns: int) -> tuple[float, ...]:
    """At which sizes an image is looked at: small ones enlarged, large ones also as a whole.

    A line of text must be neither below about 8 pixels nor so high that no tile holds it.
    """
    longest = max(rows, columns)
    if longest < 256:
        return (min(4.0, (TILE - 2 * BORDER) / longest),)
    if longest < TILE:
        return ((TILE - 2 * BORDER) / longest,)
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


def has_strokes(tile: Pixels) -> bool:
    """Whether anything in ``tile`` could be the strokes of a letter.

    A word has some 40 pixels or more at which the values change by `_EDGE` gray levels within 5
    pixels. A tile without them needs no look by a network.
    """
    gray = tile if tile.ndim == 2 else tile.max(axis=2)
    change = cv2.morphologyEx(gray, cv2.MORPH_GRADIENT, np.ones((5, 5), np.uint8))
    return int(np.count_nonzero(change >= _EDGE)) >= 40


def sized(image: Pixels, scale: float) -> Pixels:
    """The image ``scale`` times as large, at least a pixel a side; averaged where it gets smaller."""
    if scale == 1.0:
        return image
    rows, columns = image.shape[:2]
    size = (max(1, round(columns * scale)), max(1, round(rows * scale)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, size, interpolation=how), dtype=np.uint8)


Look = Callable[[Pixels], list[Box]]
"""One pass over a picture (rows, columns[, 3]), in its pixels; raises DetectorUnavailable."""


def look_everywhere(image: Pixels, within: list[Box] | None, look: Look) -> list[Box]:
    """Lines in ``image``, in tiles of every scale that is worth it; see `TextFinder.find`."""
    return [box for scale in scales(*image.shape[:2]) for box in _look_at(image, scale, within, look)]


def look_closer(image: Pixels, within: list[Box] | None, look: Look) -> list[Box]:
    """Lines of a few pixels, in the image twice as large; none if it is large, or small and enlarged."""
    if not _CLOSER_FROM < max(image.shape[:2]) <= _CLOSER_TO:
        return []
    return [box for box in _look_at(image, _CLOSER, within, look) if box.elongation >= _LINE]


def _look_at(image: Pixels, scale: float, within: list[Box] | None, look: Look) -> Iterator[Box]:
    rows, columns = image.shape[:2]
    whole = sized(image, scale)
    x, y = columns / whole.shape[1], rows / whole.shape[0]
    for left, top, right, bottom in tiles(*whole.shape[:2]):
        place = Box(left, top, right, bottom).scaled(x, y)
        if within is not None and not any(place.touches(box) for box in within):
            continue
        tile = whole[top:bottom, left:right]
        if has_strokes(tile):
            yield from (box.shifted(left, top).scaled(x, y) for box in look(tile))


def look_once(image: Pixels, side: int, look: Look) -> list[Box]:
    """Lines in ``image`` by one pass of at most ``side`` pixels; see `TextFinder.glance`."""
    rows, columns = image.shape[:2]
    small = sized(image, min(1.0, side / max(rows, columns)))
    x, y = columns / small.shape[1], rows / small.shape[0]
    return [box.scaled(x, y) for box in look(small)]
