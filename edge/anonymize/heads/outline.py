"""How large the body is in an axial slice: a trunk is larger than any head. Pure."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

TRUNK = 45_000.0
"""Area in mm2 from which a body is no head: a large head has 25,000, with two raised arms at it 35,000."""
_GRID = 2.0
"""Side in mm of the pixels in which the outline is drawn."""
_SHELL, _THICK = 14.0, 30.0
"""What is thinner, in mm, is taken off before and after the outline is filled: shells and rings that
would enclose air with a head in it; a table, a head rest, a blanket."""
_AIR = -300.0
"""Hounsfield units between air and skin."""


def area(values: NDArray[Any], pixel: tuple[float, float], *, hounsfield: bool) -> float:
    """Area in mm2 inside the outline of the largest body in a slice; 0 if air does not surround it.

    Args:
        values: (rows, columns), rescaled.
        pixel: distance of rows and of columns, in mm.
        hounsfield: whether ``values`` are of CT; else the threshold between air and body is Otsu's.
    """
    columns, rows = (max(1, round(values.shape[i] * pixel[i] / _GRID)) for i in (1, 0))
    if max(columns, rows) > 2000:
        return 0.0  # no scanner is four metres wide: the spacing is wrong
    sized = cv2.resize(values.astype(np.float32), (columns, rows), interpolation=cv2.INTER_AREA)
    small: NDArray[np.float32] = np.asarray(sized, dtype=np.float32)
    body = (small > _AIR).astype(np.uint8) if hounsfield else _otsu(small)
    body = _without_thin(body, _SHELL)
    filled = np.zeros_like(body)
    contours, _ = cv2.findContours(body, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(filled, contours, -1, 1, cv2.FILLED)
    solid = _without_thin(filled, _THICK)
    if any(solid[row, column] for row in (0, -1) for column in (0, -1)):
        return 0.0
    count, _, stats, _ = cv2.connectedComponentsWithStats(solid)
    return float(stats[1:, cv2.CC_STAT_AREA].max() * _GRID**2) if count > 1 else 0.0


def _without_thin(mask: NDArray[np.uint8], thick: float) -> NDArray[np.uint8]:
    side = round(thick / _GRID)
    element = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    return np.asarray(cv2.morphologyEx(mask, cv2.MORPH_OPEN, element), dtype=np.uint8)


def _otsu(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    low, high = float(values.min()), float(np.percentile(values, 99.5))
    if not high > low:
        return np.zeros(values.shape, np.uint8)
    gray = (np.clip((values - low) / (high - low), 0, 1) * 255).astype(np.uint8)
    return np.asarray(cv2.threshold(gray, 0, 1, cv2.THRESH_BINARY | cv2.THRESH_OTSU)[1], dtype=np.uint8)
