"""The quality gate: is there anything to see in this frame?

Pure: pixels and limits in, a reason or None out. All measures are taken on a gray copy of at most
256 pixels a side, so that the cost does not grow with the frame.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.imaging.frames import Pixels
from edge.messages import SuppressReason
from edge.settings import Quality

_SIDE = 256
_LAPLACIAN_GAIN = 20.0
"""Sum of squares of the 3x3 Laplacian kernel: its variance on white noise of variance one."""


class Measures(NamedTuple):
    """What the gate looks at; gray levels 0 to 255."""

    shortest_side: int
    mean: float
    spread: float
    """Standard deviation of gray levels."""
    sharpness: float
    """Standard deviation of the Laplacian, in gray levels."""
    noise: float
    """Share of the variance that neighbours do not have in common: near 0 in images, near 1 in noise."""


def _gray(pixels: Pixels) -> NDArray[np.uint8]:
    gray = pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    rows, columns = gray.shape
    if max(rows, columns) <= _SIDE:
        return np.ascontiguousarray(gray)
    # A crop of single pixels, not an average: averaging would make noise look like an image.
    step = int(np.ceil(max(rows, columns) / _SIDE))
    return np.ascontiguousarray(gray[::step, ::step])


def _centre(pixels: Pixels) -> NDArray[np.float32]:
    """Full-resolution middle of the frame, at most 256 pixels a side, where neighbours are neighbours."""
    rows, columns = pixels.shape[:2]
    top, left = max(0, (rows - _SIDE) // 2), max(0, (columns - _SIDE) // 2)
    part = np.ascontiguousarray(pixels[top : top + _SIDE, left : left + _SIDE])
    gray = part if part.ndim == 2 else cv2.cvtColor(part, cv2.COLOR_RGB2GRAY)
    return np.asarray(gray, dtype=np.float32)


def measure(pixels: Pixels) -> Measures:
    """Measure a frame of shape (rows, columns) or (rows, columns, 3), uint8."""
    gray = _gray(pixels)
    mean, spread = cv2.meanStdDev(gray)
    centre = _centre(pixels)
    laplacian = cv2.Laplacian(centre, cv2.CV_32F)
    variance = float(centre.var())
    roughness = float(laplacian.var())
    return Measures(
        shortest_side=min(pixels.shape[:2]),
        mean=float(mean[0, 0]),
        spread=float(spread[0, 0]),
        sharpness=roughness**0.5,
        noise=min(2.0, roughness / (_LAPLACIAN_GAIN * variance)) if variance > 1.0 else 0.0,
    )


def judge(measures: Measures, limits: Quality, *, camera: bool) -> SuppressReason | None:
    """Return why the frame is held back, or None if it may go on.

    A scanner does not blur; sharpness is asked of cameras alone.
    """
    if measures.shortest_side < limits.min_side:
        return "too_small"
    if measures.spread < limits.min_spread:
        if measures.mean < limits.min_mean:
            return "too_dark"
        return "too_bright" if measures.mean > limits.max_mean else "no_content"
    if measures.mean < limits.min_mean:
        return "too_dark"
    if measures.mean > limits.max_mean:
        return "too_bright"
    if measures.noise > limits.max_noise:
        return "noise"
    if camera and measures.sharpness < limits.min_sharpness:
        return "blurred"
    return None
