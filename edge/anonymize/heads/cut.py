"""Where a face is cut off: by planes that touch the brain from in front and below.

After Schimke & Hale, "Quickshear Defacing for Neuroimages" (2011), who take one plane along the convex
hull of the brain. Here it is one each 10 degrees: what they leave in front is the hull of the brain seen
from the side, drawn out to the left and right, and no surface that the face had.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.anonymize.heads.grid import STEP, NoVolumeError, Volume

_ANGLES = np.radians(np.arange(10.0, 61.0, 10.0))
"""Of the planes' normals below straight ahead."""
_MARGIN = 4.0
"""From brain to cut, in mm: its own voxels and those that are part bone."""
_FACE_HEIGHT = 160.0
"""From the base of the frontal lobes down to below any chin, in mm: further down nothing is cut."""
_SKIN = -300.0
_HALF_WIDTH, _DEPTH, _SHARE = 35.0, 6.0, 0.97


@dataclass(frozen=True)
class Cut:
    """What is removed: all in front of a plane, down to a floor."""

    normals: NDArray[np.float64]
    """(planes, 3), towards what is removed."""
    offsets: NDArray[np.float64]
    """(planes,), mm."""
    floor: float
    """H in mm below which nothing is removed."""

    def removes(
        self,
        position: NDArray[np.float64],
        row: NDArray[np.float64],
        column: NDArray[np.float64],
        shape: tuple[int, int],
    ) -> NDArray[np.bool_]:
        """Which pixels of a slice are removed, (rows, columns).

        Args:
            position: of the first pixel, L, P, H in mm.
            row: step from one column to the next, mm.
            column: step from one row to the next, mm.
            shape: rows, columns.
        """
        i, j = np.arange(shape[0])[:, None], np.arange(shape[1])[None, :]
        result = np.zeros(shape, bool)
        for normal, offset in zip(self.normals, self.offsets, strict=True):
            result |= position @ normal + i * (column @ normal) + j * (row @ normal) > offset
        return np.asarray(result & (position[2] + i * column[2] + j * row[2] > self.floor))


def plan(volume: Volume, brain: NDArray[np.bool_]) -> Cut:
    """The cut for a head.

    Args:
        volume: Hounsfield units.
        brain: where brain lies in it.

    Raises:
        NoVolumeError: the cut would leave some of the face's surface.
    """
    normals = np.stack([np.zeros_like(_ANGLES), -np.cos(_ANGLES), -np.sin(_ANGLES)], axis=1)
    h, p, left = (volume.axis(axis)[index] for axis, index in zip((2, 1, 0), np.nonzero(brain), strict=True))
    points = np.stack([left, p, h], axis=1)
    reach = points @ normals.T
    base = points[np.argmax(reach[:, int(np.argmin(abs(_ANGLES - np.pi / 4)))])]
    cut = Cut(normals, reach.max(axis=0) + _MARGIN, float(base[2]) - _FACE_HEIGHT)
    if _uncut(volume, cut, float(np.median(left)), float(base[2])) > 1 - _SHARE:
        raise NoVolumeError("the cut does not reach the face")
    return cut


def applied(volume: Volume, cut: Cut) -> Volume:
    """The volume after the cut, for looking at it."""
    values = volume.values.copy()
    for number, h in enumerate(volume.axis(2)):
        values[number][_removed(volume, cut, h)] = values.min()
    return Volume(values, volume.origin)


def _removed(volume: Volume, cut: Cut, h: float) -> NDArray[np.bool_]:
    """Which voxels of an axial plane of the volume are removed."""
    start = np.array([volume.origin[0], volume.origin[1], h])
    right, back = np.array([STEP, 0, 0]), np.array([0, STEP, 0])
    return cut.removes(start, right, back, (volume.values.shape[1], volume.values.shape[2]))


def _uncut(volume: Volume, cut: Cut, middle: float, base: float) -> float:
    """Share of the face that the cut does not reach deep enough, seen from in front, from the eyes down."""
    near = np.abs(volume.axis(0) - middle) <= _HALF_WIDTH
    seen = missed = 0
    for number, h in enumerate(volume.axis(2)):
        if not cut.floor < h < base - 5:
            continue
        body = volume.values[number] > _SKIN
        depth = (body & _removed(volume, cut, h)).sum(axis=0) * STEP
        hit = body.any(axis=0) & near
        seen += int(hit.sum())
        missed += int((hit & (depth < _DEPTH)).sum())
    return missed / seen if seen else 0.0
