"""What of a run of frames must be looked at so that no text in any of them is missed. Pure.

Text that stands still stands in a temporal composite of the run: in the median if it is there for
half of the time, through any speckle; in the maximum (bright) or minimum (dark) if it is there once
and nothing moves around it.
What else a frame shows is measured: how far its strokes, bright and dark, are from those of a picture
that is looked at, as the mean over windows of the size of a short word. A frame with a window that is
like no such picture is unexplained, and has to be looked at itself.

There is no allowance for speckle, which gives every frame strokes of its own, so that all of them
are looked at. One was tried: of 86 names in a single frame of speckle that the detector finds, those
beyond 3 (5) standard deviations of their window's speckle were flagged, and 5.8 % (29 %) were not,
while 30 of 30 (half of the) frames without a name were. Doubt costs a look, never a name.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.imaging.frames import Pixels

_THICKEST = np.ones((15, 15), np.uint8)
"""What is thinner than this is a stroke; in a quarter of the size, so are those of large letters."""
_SMALLER = 4
_WINDOWS = ((32, 16), (16, 32))
"""Width and height in pixels of a short word, across and upright."""
_STEP = 6
_TOLERANCE = 6
"""Gray levels that a stroke may differ from the one that explains it: the noise of a codec.

Twelve, with a mean of 1.0, was seen to lose a name that fades in: found in some of its steps only.
"""
_LEAST = 0.5
"""Gray levels beyond that, as the mean of a window, from which it is unexplained."""
_ALONE = 4
"""Frames in a row, each of which explains no other: then all that are left are looked at."""

_Strokes = list[NDArray[np.uint8]]


def composites(run: NDArray[np.uint8]) -> tuple[Pixels, Pixels, Pixels]:
    """Median, maximum and minimum over time of ``run`` (frames, rows, columns[, 3]), per value."""
    middle = len(run) // 2
    return np.partition(run, middle, axis=0)[middle], run.max(axis=0), run.min(axis=0)


def unexplained(run: NDArray[np.uint8], looked: Sequence[Pixels]) -> list[int]:
    """Which frames of a run have to be looked at, besides ``looked``; as few as show everything.

    Args:
        run: (frames, rows, columns[, 3]), display values.
        looked: pictures of the same shape that are looked at in any case.

    Returns:
        Indexes into ``run``, in the order in which they explain the most.
    """
    strokes = [_strokes(frame) for frame in run]
    waiting = np.ones((len(run), 1), bool)

    def explain(picture: _Strokes) -> None:
        nonlocal waiting
        waiting = waiting & np.stack([_difference(frame, picture) > _LEAST for frame in strokes])

    for picture in looked:
        explain(_strokes(picture))
    result: list[int] = []
    alone = 0
    while waiting.any() and alone < _ALONE:
        index = int(np.count_nonzero(waiting, axis=1).argmax())
        before = np.count_nonzero(waiting.any(axis=1))
        elsewhere = waiting & ~waiting[index]  # there it was itself judged by likeness to something else
        explain(strokes[index])
        waiting |= elsewhere
        result.append(index)
        alone = alone + 1 if before - np.count_nonzero(waiting.any(axis=1)) == 1 else 0
    return [*result, *(int(index) for index in np.flatnonzero(waiting.any(axis=1)))]


def _strokes(image: Pixels) -> _Strokes:
    """Height of bright and of dark strokes over what surrounds them, in two sizes, in any channel."""
    rows, columns = image.shape[:2]
    small = (max(1, columns // _SMALLER), max(1, rows // _SMALLER))
    result = []
    for picture in (image, cv2.resize(image, small, interpolation=cv2.INTER_AREA)):
        for polarity in (cv2.MORPH_TOPHAT, cv2.MORPH_BLACKHAT):
            height = cv2.morphologyEx(picture, polarity, _THICKEST)
            result.append(np.asarray(height if height.ndim == 2 else height.max(axis=2), np.uint8))
    return result


def _difference(frame: _Strokes, picture: _Strokes) -> NDArray[np.float32]:
    """Of every window, in gray levels: how far the strokes of the two are apart, in the mean.

    Strokes of both polarities, and what either has more than the other: a bar has the bright strokes
    of a name that moved along it, and not the gaps between them; a bright name is no faint one, which
    may be found with wider margins, or in another piece.
    """
    result = []
    for bright, dark in ((0, 1), (2, 3)):
        apart = cv2.add(cv2.absdiff(frame[bright], picture[bright]), cv2.absdiff(frame[dark], picture[dark]))
        above = cv2.subtract(apart, np.full_like(apart, _TOLERANCE))
        means = [cv2.boxFilter(above, cv2.CV_32F, window) for window in _WINDOWS]
        result += [mean[::_STEP, ::_STEP].ravel() for mean in means]
    return np.concatenate(result).astype(np.float32)
