"""Slices put together to one volume in the patient: axes L, P, H (PS3.3 C.7.6.2.1.1), mm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

STEP = 2.0
"""Distance of the volume's voxels in mm, in each direction."""
AIR = -1000.0
_LEAST, _MOST_VOXELS = 8, 60_000_000
_UNEVEN = 0.1


class NoVolumeError(Exception):
    """The slices make no volume that can be relied on."""


@dataclass(frozen=True)
class Slice:
    """One frame and where it lies: vectors (L, P, H) in mm."""

    position: NDArray[np.float64]
    """Of the centre of the first pixel (PS3.3 C.7.6.2, Image Position)."""
    row: NDArray[np.float64]
    """Step from one column to the next, along a row."""
    column: NDArray[np.float64]
    """Step from one row to the next."""
    values: NDArray[np.float32]
    """(rows, columns), Hounsfield units; may be `shrunk`."""

    def shrunk(self) -> Slice:
        """The same slice in pixels of about `STEP`."""
        rows, columns = self.values.shape
        size = [
            max(1, round(count * float(np.linalg.norm(step)) / STEP))
            for count, step in ((columns, self.row), (rows, self.column))
        ]
        x, y = columns / size[0], rows / size[1]
        values = cv2.resize(self.values, (size[0], size[1]), interpolation=cv2.INTER_AREA)
        # A large pixel's centre lies amid the pixels that it takes the place of.
        start = self.position + self.row * (x - 1) / 2 + self.column * (y - 1) / 2
        return Slice(start, self.row * x, self.column * y, np.asarray(values, dtype=np.float32))


@dataclass(frozen=True)
class Volume:
    """Hounsfield units, axes H, P, L (so that a view from in front lies upright once turned over)."""

    values: NDArray[np.float32]
    origin: NDArray[np.float64]
    """Of the first voxel, L, P, H in mm."""

    def axis(self, number: int) -> NDArray[np.float64]:
        """Coordinates in mm along L (0), P (1) or H (2)."""
        return np.asarray(self.origin[number] + STEP * np.arange(self.values.shape[2 - number]))


def assemble(slices: Sequence[Slice]) -> Volume:
    """The volume of parallel slices in any order and orientation; air where there is none.

    Raises:
        NoVolumeError: too few slices, slices of several stacks, a gap, or too large a volume.
    """
    if len(slices) < _LEAST:
        raise NoVolumeError("too few slices")
    first = slices[0]
    for item in slices:
        same = item.values.shape == first.values.shape
        if not same or not np.allclose([item.row, item.column], [first.row, first.column], atol=1e-3):
            raise NoVolumeError("slices of several stacks")
    normal = np.cross(first.row, first.column)
    ordered = sorted(slices, key=lambda item: float(item.position @ normal))
    places = np.array([item.position for item in ordered])
    step = (places[-1] - places[0]) / (len(places) - 1)
    even = places[0] + np.arange(len(places))[:, None] * step
    if (
        not np.linalg.norm(step) > _UNEVEN
        or np.abs(places - even).max() > _UNEVEN * np.linalg.norm(step) + 0.1
    ):
        raise NoVolumeError("slices are doubled, missing or unevenly apart")
    stack = np.stack([item.values for item in ordered])
    return _resampled(stack, places[0], np.stack([step, first.column, first.row], axis=1))


def _resampled(stack: NDArray[np.float32], start: NDArray[np.float64], axes: NDArray[np.float64]) -> Volume:
    """``stack`` (slices, rows, columns) on the patient's grid; ``axes`` (3, 3) holds its steps as columns."""
    ends = np.array(np.meshgrid(*[(0, count - 1) for count in stack.shape])).reshape(3, -1)
    corners = start[:, None] + axes @ ends
    low, high = corners.min(axis=1), corners.max(axis=1)
    nx, ny, nz = (int(count) for count in (high - low) // STEP + 1)
    if nx * ny * nz > _MOST_VOXELS:
        raise NoVolumeError("larger than a head with its neck")
    back = np.linalg.inv(axes)
    values = np.full((nz, ny, nx), AIR, np.float32)
    y, x = (low[i] + STEP * np.arange(n) for i, n in ((1, ny), (0, nx)))
    plane: NDArray[Any] = np.zeros((ny, nx, 3))
    plane[..., 0], plane[..., 1] = x[None, :], y[:, None]
    for number in range(nz):
        plane[..., 2] = low[2] + STEP * number
        index = np.rint((plane - start) @ back.T).astype(np.intp)
        inside = np.all((index >= 0) & (index < stack.shape), axis=-1)
        values[number][inside] = stack[tuple(index[inside].T)]
    return Volume(values, low)
