"""Which single letter stands in a box, if it is one: by comparison with drawn letters. Pure.

No OCR: what is no letter of the allow-list, or more than one, is not read but told apart from them.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.anonymize.geometry import Box
from edge.imaging.frames import Pixels

ALLOWED = frozenset("LRAPHFSI")
"""Left, right, anterior, posterior, head, foot (PS3.3 C.7.6.1.1.1), superior, inferior."""
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_FONTS = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_COMPLEX,
    cv2.FONT_HERSHEY_TRIPLEX,
)
_SIDE = 24
_HEIGHT = 48
"""Shorter side in pixels at which a box is looked at."""
_STROKE = 32
"""Gray levels between a stroke and its surroundings, at least, for anyone to read it."""
_STRONG, _WHITE = 64, 200
"""Gray levels of contrast, or of a bright stroke itself, from which it may be ink: anatomy has less."""
_INK = 0.03
"""Share of a box that strokes cover, at least, if something is written in it."""
_LIKE = 0.80
"""Correlation with a drawn letter, at least."""
_BESIDE = 0.08
"""Size of a second piece of ink, against the first, from which there are two characters."""
_REACH = 2.0
"""Heights of a letter around it within which nothing of its ink and size may stand."""
_RIM = 2
"""Pixels of a letter's gray edge, at the height at which it is looked at."""
_SHADE = 24
"""Gray levels between characters of one word, at most."""


def is_written(image: Pixels, box: Box) -> bool:
    """Whether anything in the box could be ink: thin against the box, and of strong contrast or white."""
    crop, _, _ = _crop(image, box, 1)
    bright, dark = _strokes(crop, _thick(crop))
    strong = (bright >= _STRONG) | (dark >= _STRONG)
    white = (bright >= _STROKE) & (crop >= _WHITE)
    return bool(max(strong.mean(), white.mean()) >= _INK)


def letter(image: Pixels, box: Box) -> str | None:
    """The letter or digit that stands alone in a box and around it.

    None if there is none, or more than one, or one of no certain shape.

    Args:
        image: display values, gray or RGB.
        box: found as text, with room around the letter.
    """
    crop, scale, at = _crop(image, box, 1)
    reach = _REACH * max(box.width, box.height)
    around, _, start = _crop(image, box.padded(reach, reach), 0, scale)
    # Cut in two by a thin stroke of another gray, the letter would be its own company.
    down, across = (round((a - b) * scale) for a, b in zip(at, start, strict=True))
    thick = _thick(crop)
    for strokes, outer in zip(_strokes(crop, thick), _strokes(around, thick), strict=True):
        if strokes.max() < _STROKE:
            continue
        _, drawn = cv2.threshold(strokes, 0, 1, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
        ink = _alone(np.asarray(drawn, dtype=np.uint8))
        found = None if ink is None else _named(ink)
        if ink is None or found is None:
            continue
        level = int(np.median(crop[ink]))
        like = (outer >= _STROKE) & (np.abs(around.astype(np.int16) - level) <= _SHADE)
        rows, columns = np.flatnonzero(ink.any(axis=1)) + down, np.flatnonzero(ink.any(axis=0)) + across
        like[
            max(0, rows[0] - _RIM) : rows[-1] + 1 + _RIM, max(0, columns[0] - _RIM) : columns[-1] + 1 + _RIM
        ] = False
        if not _company(like, ink):
            return found
    return None


def _crop(
    image: Pixels, box: Box, room: int, scale: float | None = None
) -> tuple[Pixels, float, tuple[int, int]]:
    """The pixels of a box in gray, times ``scale``, or else of `_HEIGHT`; the scale; top and left."""
    rows, columns = image.shape[:2]
    top, bottom = max(0, int(box.top) - room), min(rows, int(box.bottom) + 1 + room)
    left, right = max(0, int(box.left) - room), min(columns, int(box.right) + 1 + room)
    part = image[top:bottom, left:right]
    gray = part if part.ndim == 2 else part.max(axis=2)
    if scale is None:
        scale = _HEIGHT / max(1, min(gray.shape))
    how = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
    sized = cv2.resize(gray, None, fx=scale, fy=scale, interpolation=how)
    return np.asarray(sized, dtype=np.uint8), scale, (top, left)


def _thick(crop: Pixels) -> int:
    return int(max(5, round(0.4 * min(crop.shape)))) | 1


def _strokes(gray: Pixels, thick: int) -> NDArray[np.uint8]:
    """How far pixels stand out from what is within ``thick``, bright and dark: (2, rows, columns)."""
    around = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (thick, thick))
    how = (cv2.MORPH_TOPHAT, cv2.MORPH_BLACKHAT)
    return np.stack([cv2.morphologyEx(gray, one, around) for one in how]).astype(np.uint8)


def _alone(ink: NDArray[np.uint8]) -> NDArray[np.bool_] | None:
    """The one piece of ink, if there is but one of any size."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(ink, connectivity=8)
    sizes = stats[1:, cv2.CC_STAT_AREA]
    if count < 2 or (sizes >= _BESIDE * sizes.max()).sum() != 1:
        return None
    return np.asarray(labels == 1 + int(np.argmax(sizes)))


def _named(ink: NDArray[np.bool_]) -> str | None:
    names, shapes = _drawn()
    likeness = shapes @ _normal(_tight(ink))
    best = int(np.argmax(likeness))
    return names[best] if likeness[best] >= _LIKE else None


def _company(like: NDArray[np.bool_], ink: NDArray[np.bool_]) -> bool:
    """Whether characters of the letter's ink and size are among ``like``, the letter itself cut out."""
    height, area = _tight(ink).shape[0], int(ink.sum())
    _, _, stats, _ = cv2.connectedComponentsWithStats(like.astype(np.uint8), connectivity=8)
    return any(
        0.5 * height <= stat[cv2.CC_STAT_HEIGHT] <= 1.6 * height
        and stat[cv2.CC_STAT_WIDTH] <= 2 * height
        and stat[cv2.CC_STAT_AREA] >= 0.15 * area
        for stat in stats[1:]
    )


def _tight(ink: NDArray[Any]) -> NDArray[np.uint8]:
    columns, rows = np.flatnonzero(ink.any(axis=0)), np.flatnonzero(ink.any(axis=1))
    return np.asarray(ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], dtype=np.uint8)


def _normal(ink: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Ink in a square, centred, of one size, mean and length: (`_SIDE` squared,)."""
    rows, columns = ink.shape
    scale = (_SIDE - 4) / max(rows, columns)
    size = (max(1, round(columns * scale)), max(1, round(rows * scale)))
    small = cv2.resize(ink.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    square = np.zeros((_SIDE, _SIDE), np.float32)
    x, y = (_SIDE - size[0]) // 2, (_SIDE - size[1]) // 2
    square[y : y + size[1], x : x + size[0]] = small
    blurred = cv2.GaussianBlur(square, (0, 0), 1.0).ravel()
    centred = blurred - blurred.mean()
    return np.asarray(centred / max(float(np.linalg.norm(centred)), 1e-6), dtype=np.float32)


@lru_cache(maxsize=1)
def _drawn() -> tuple[str, NDArray[np.float32]]:
    """Letters and digits in several fonts and weights: their names, and their shapes as rows."""
    names, shapes = "", []
    for character in _ALPHABET:
        for font in _FONTS:
            for weight in (3, 6, 10):
                sheet = np.zeros((120, 160), np.uint8)
                cv2.putText(sheet, character, (40, 95), font, 2.5, 1, weight, cv2.LINE_8)
                shapes.append(_normal(_tight(sheet)))
                names += character
    return names, np.stack(shapes)
