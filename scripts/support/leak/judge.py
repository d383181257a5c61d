"""What counts as a leak, and how sure one can be. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from support.leak.canvas import Ink
from support.leak.clip import Truth

LEAK = 0.10
"""Share of the eyes-to-mouth box, as far as it is bare, that may be uncovered."""
READABLE = 1 / 3
"""Share of a character group's ink that may be uncovered. Half of a letter, its upper one, can be read."""
CODE = 0.10
"""Share of the ink of a bar code or a QR code that may be uncovered: a slice of bars is read, and what
corrects errors fills in."""
_MOST = 0.5
"""Share of the pixels around one of ink that left as they were, if it can be seen."""
_GROUP = 0.4
"""A window with less ink than this share of the mean one is a space or a full stop, not a group."""


def uncovered(emitted: NDArray[np.uint8], truth: Truth) -> float:
    """Share of a box's bare pixels that were not filled in a frame that left."""
    ys, xs = np.nonzero(truth.bare)
    if ys.size == 0:
        return 0.0
    return float((emitted[ys + truth.top, xs + truth.left] != 0).any(axis=1).mean())


def legible(bare: NDArray[np.bool_], ink: Ink) -> float:
    """Largest share of uncovered ink in any character group of a line.

    A group is what a window as wide as the line is high holds: about two letters, or one ideograph. No
    script is cut into letters for it, so joined ones are judged as the others are.

    Args:
        bare: for each pixel of ``ink``, whether it left as it was.
        ink: of the line.
    """
    if ink.along.size == 0:
        return 0.0
    place = np.floor(ink.along - ink.along.min()).astype(np.int64)
    window = np.ones(max(1, round(ink.size)))
    drawn = np.convolve(np.bincount(place), window, "valid")
    left = np.convolve(np.bincount(place, bare), window, "valid")
    groups = drawn >= _GROUP * drawn.mean()
    return float((left[groups] / drawn[groups]).max())


def bare(emitted: NDArray[np.generic], original: NDArray[np.generic], ink: Ink) -> NDArray[np.bool_]:
    """Which pixels of ``ink`` left as they were. Both frames hold stored values, (rows, columns[, 3]).

    A fill may have the value of ink by chance, and one fill may lie over another. So a pixel counts where
    most of a window of a quarter of the line's height left as it was, with the edge of a stroke in it.
    """
    if ink.ys.size == 0:  # a line that fell wholly outside the picture
        return np.zeros(0, bool)
    reach = max(2, round(ink.size / 8))
    top, left = max(0, int(ink.ys.min()) - reach), max(0, int(ink.xs.min()) - reach)
    place = np.s_[top : int(ink.ys.max()) + reach + 1, left : int(ink.xs.max()) + reach + 1]
    side = 2 * reach + 1
    rows, columns = emitted[place].shape[:2]
    before = original[place].reshape(rows, columns, -1).astype(np.float32)
    alone = (emitted[place] == original[place]).reshape(rows, columns, -1).all(axis=2)
    most = cv2.blur(alone.astype(np.float32), (side, side), borderType=cv2.BORDER_REPLICATE) >= _MOST
    window = np.ones((side, side), np.uint8)
    highest = cv2.dilate(np.where(alone[:, :, None], before, -np.inf), window).reshape(before.shape)
    lowest = cv2.erode(np.where(alone[:, :, None], before, np.inf), window).reshape(before.shape)
    shown = alone & most & (highest > lowest).any(axis=2)
    return np.asarray(shown[ink.ys - top, ink.xs - left])


def unfilled(emitted: NDArray[np.uint8], ink: Ink) -> NDArray[np.bool_]:
    """Which pixels of ``ink`` a camera's frame (rows, columns, 3) shows: those inside, not filled with 0."""
    rows, columns = emitted.shape[:2]
    found = (ink.ys >= 0) & (ink.ys < rows) & (ink.xs >= 0) & (ink.xs < columns)
    found[found] = emitted[ink.ys[found], ink.xs[found]].any(axis=1)
    return np.asarray(found)


def upper(found: int, of: int, confidence: float = 0.95) -> float:
    """One-sided upper bound of a share (Clopper and Pearson, 1934)."""
    return 1.0 if found >= of else float(beta.ppf(confidence, found + 1, of - found))


def by_cluster(leaks: Iterable[tuple[str, bool]]) -> tuple[int, int]:
    """Clusters with a leak in any case, and clusters: cases of one person or file are not independent."""
    worst: dict[str, bool] = {}
    for cluster, leaked in leaks:
        worst[cluster] = worst.get(cluster, False) or leaked
    return sum(worst.values()), len(worst)


def strata(rows: Iterable[Mapping[str, str]]) -> list[tuple[str, str]]:
    """Every (name, value) that occurs: names in order of first sight, values by number, then by letter."""
    values: dict[str, set[str]] = {}
    for row in rows:
        for name, value in row.items():
            values.setdefault(name, set()).add(value)
    return [(name, value) for name, found in values.items() for value in sorted(found, key=_by_number)]


def _by_number(value: str) -> tuple[int, str]:
    digits = value.split(maxsplit=1)[0]
    return (int(digits) if digits.isdigit() else -1, value)
