"""The skin of a volume as a viewer would show it, for the face detectors to look at."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.anonymize.heads.grid import STEP, Volume
from edge.imaging.frames import Pixels

_SKIN = -300.0
_LIGHT = np.array([0.15, -0.5, 0.85]) / np.linalg.norm([0.15, -0.5, 0.85])
"""Towards the lamp, of a viewer in front: right, down, and out of the picture."""
_TURNS = (0.0, -35.0, 35.0, 180.0, 145.0, 215.0)


def views(volume: Volume) -> Iterator[Pixels]:
    """Pictures (rows, columns, 3), a pixel a mm, upright and upside down.

    From in front and 35 degrees to either side, and the same from behind: a header can be wrong.
    """
    for angle in _TURNS:
        body = (volume.values > _SKIN).astype(np.uint8)
        if angle:
            rows, columns = body.shape[1:]
            turn = cv2.getRotationMatrix2D((columns / 2, rows / 2), angle, 1.0)
            body = np.stack([cv2.warpAffine(plane, turn, (columns, rows)) for plane in body])
        yield _lit(body > 0)
        yield _lit(body[::-1, :, ::-1] > 0)


def _lit(body: NDArray[np.bool_]) -> Pixels:
    depth = body.argmax(axis=1).astype(np.float32)[::-1] * STEP
    empty: NDArray[np.bool_] = np.asarray(~body.any(axis=1))[::-1]
    depth[empty] = depth.max()
    down, across = np.gradient(cv2.GaussianBlur(depth, (0, 0), 0.8), STEP)
    normal = np.stack([across, down, np.ones_like(down)], axis=-1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    gray = np.where(empty, 20.0, np.clip(normal @ _LIGHT, 0, 1) * 200 + 30).astype(np.uint8)
    large = cv2.resize(gray, None, fx=STEP, fy=STEP, interpolation=cv2.INTER_CUBIC)
    return np.repeat(np.asarray(large, dtype=np.uint8)[:, :, None], 3, axis=2)
