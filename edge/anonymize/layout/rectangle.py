"""The largest rectangle of allowed cells. Pure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def largest(allowed: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of the largest rectangle that is all True; all 0 if nothing is.

    Row by row, the largest rectangle under the histogram of what is allowed above; linear in the cells.
    """
    best, found = 0, (0, 0, 0, 0)
    heights = np.zeros(allowed.shape[1] + 1, np.int64)  # the last stays 0: it ends every run
    for row in range(allowed.shape[0]):
        heights[:-1] = np.where(allowed[row], heights[:-1] + 1, 0)
        open_: list[tuple[int, int]] = []  # where a run began, and its height; heights ascend
        for column, height in enumerate(heights.tolist()):
            start = column
            while open_ and open_[-1][1] >= height:
                start, tall = open_.pop()
                if tall * (column - start) > best:
                    best, found = tall * (column - start), (start, row - tall + 1, column, row + 1)
            open_.append((start, height))
    return found
