"""The cranial cavity in a CT: soft tissue that bone encloses."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.anonymize.heads.grid import STEP, NoVolumeError, Volume

LEAST = 500_000.0
"""Volume in mm3 of a cavity that is taken for one; an adult's has 1,200,000 to 1,700,000."""
_BONE, _SOFT = 180.0, (-20.0, 110.0)
"""Hounsfield units: from where there is bone; brain, blood and muscle."""
_SUTURE, _MUSCLE = 8.0, 12.0
"""Gaps of bone that are closed, and soft tissue that is too thin to be brain, in mm."""


def find(volume: Volume) -> NDArray[np.bool_]:
    """Where brain lies, in the shape of ``volume``.

    In each axial plane what closed rings of bone enclose; of that the largest connected part.

    Raises:
        NoVolumeError: there is no cavity as large as a cranium's.
    """
    inside = np.stack([_enclosed(plane) for plane in volume.values])
    largest = _largest(inside)
    if largest.sum() * STEP**3 < LEAST:
        raise NoVolumeError("no cranial cavity")
    return largest


def _enclosed(plane: NDArray[np.float32]) -> NDArray[np.uint8]:
    bone = (plane > _BONE).astype(np.uint8)
    ring = cv2.morphologyEx(bone, cv2.MORPH_CLOSE, _disc(_SUTURE))
    filled = np.zeros_like(ring)
    contours, levels = cv2.findContours(ring, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    holes = [
        c for c, level in zip(contours, [] if levels is None else levels[0], strict=True) if level[3] >= 0
    ]
    cv2.drawContours(filled, holes, -1, 1, cv2.FILLED)
    soft = (filled > 0) & (plane > _SOFT[0]) & (plane < _SOFT[1])
    return np.asarray(cv2.morphologyEx(soft.astype(np.uint8), cv2.MORPH_OPEN, _disc(_MUSCLE)), dtype=np.uint8)


def _disc(width: float) -> NDArray[np.uint8]:
    side = round(width / STEP) | 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), dtype=np.uint8)


def _largest(mask: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """The largest part whose pieces overlap from plane to plane."""
    labels = np.zeros(mask.shape, np.int64)
    used = 1
    for number, plane in enumerate(mask):
        count, found = cv2.connectedComponents(plane)
        labels[number] = np.where(found > 0, found + used - 1, 0)
        used += count - 1
    parent = np.arange(used)

    def root(label: int) -> int:
        while parent[label] != label:
            label = int(parent[label])
        return label

    for below, above in pairwise(labels):
        both = (below > 0) & (above > 0)
        for pair in np.unique(below[both] * used + above[both]):
            one, other = root(int(pair) // used), root(int(pair) % used)
            parent[max(one, other)] = min(one, other)
    roots = np.array([root(label) for label in range(used)])[labels]
    sizes = np.bincount(roots.ravel())
    sizes[0] = 0
    return np.asarray(roots == np.argmax(sizes)) & (roots > 0)
