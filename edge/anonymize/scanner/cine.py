"""What of a run of frames must be looked at so that no text in any of them is missed. Pure.

Text that stands still stands in a temporal composite of the run: in the median if it is there for
half of the time, through any speckle; in the maximum (bright) or minimum (dark) if it is there once
and nothing moves around it.
What else a frame shows is measured: the strokes, bright and dark, that no picture which is looked at
has in the same place, as the mean over windows of the size of a short word. A frame with such a
window is unexplained, and has to be looked at itself.

There is no allowance for speckle, which gives every frame strokes of its own: one that lets speckle
pass was seen to let short names of one frame pass, too. Doubt costs a look, never a name.
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
_TOLERANCE = 12
"""Gray levels that a stroke may be higher than in the picture that explains it: nobody reads those."""
_LEAST = 1.0
"""Gray levels above that, as the mean of a window, from which it is unexplained: a faint letter or two."""

_Strokes = list[NDArray[np.uint8]]


def composites(run: NDArray[np.uint8]) -> tuple[Pixels, Pixels, Pixels]:
    """Median, maximum and minimum over time of ``run`` (frames, rows, columns[, 3]), per value."""
    middle = len(run) // 2
    return np.partition(run, middle, axis=0)[middle], run.max(axis=0), run.min(axis=0)


class Plan:
    """Which frames of a run are not explained by what was looked at.

    Args:
        run: (frames, rows, columns[, 3]), display values; only read.
        looked: pictures of the same shape that are looked at in any case.
    """

    def __init__(self, run: NDArray[np.uint8], looked: Sequence[Pixels]) -> None:
        self._run = run
        self._open = self._unlike(looked[0])
        for picture in looked[1:]:
            self._open &= self._unlike(picture)

    def unexplained(self) -> NDArray[np.int64]:
        """Of each frame, in how many windows it has strokes that nothing explains."""
        return np.count_nonzero(self._open, axis=1)

    def next(self) -> int | None:
        """The frame to look at next, by its index in the run; None when every frame is explained.

        From then on that frame counts as looked at, and explains others that show the same.
        """
        index = int(self.unexplained().argmax())
        if not self._open[index].any():
            return None
        self._open &= self._unlike(self._run[index])
        return index

    def _unlike(self, picture: Pixels) -> NDArray[np.bool_]:
        """(frames, windows): where a frame has strokes that ``picture`` has not."""
        known = _strokes(picture)
        return np.stack([_extra(_strokes(frame), known) > _LEAST for frame in self._run])


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


def _extra(frame: _Strokes, picture: _Strokes) -> NDArray[np.float32]:
    """Of every window, in gray levels: the mean of what ``frame`` has more than ``picture``.

    Both polarities count together: a bar has the bright strokes of a name that moved along it, and
    not the gaps between them.
    """
    result = []
    for bright, dark in ((0, 1), (2, 3)):
        more = cv2.add(cv2.subtract(frame[bright], picture[bright]), cv2.subtract(frame[dark], picture[dark]))
        above = np.where(more > _TOLERANCE, more - _TOLERANCE, 0).astype(np.uint8)
        means = [cv2.boxFilter(above, cv2.CV_32F, window) for window in _WINDOWS]
        result += [mean[::_STEP, ::_STEP].ravel() for mean in means]
    return np.concatenate(result).astype(np.float32)
