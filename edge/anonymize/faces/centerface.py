"""Faces by CenterFace: one anchor-free network, run on the CPU.

Xu et al., "CenterFace: Joint Face Detection and Alignment Using Face as Point", 2019. The network
gives, at a quarter of the input's size, a heat map of face centres, the log of height and width,
and the centre's offset.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.anonymize.geometry import Box, suppress_overlaps
from edge.anonymize.models import DetectorUnavailable, Weights, free_dimensions, session
from edge.imaging.frames import Pixels

STRIDE = 4
_MULTIPLE = 32

ROTATIONS = (0, 90, 180, 270)
"""Degrees by which the frame is turned, counter-clockwise, before it is looked at."""


class FaceFinder(Protocol):
    """What finds faces. ``sha256`` names its weights in the receipt."""

    name: str
    sha256: bytes

    def find(self, image: Pixels, width: int, rotations: Sequence[int] = (0,)) -> list[Box]:
        """Boxes of faces in the pixels of ``image``; see `FaceDetector.find`."""
        ...


def rgb(image: Pixels) -> Pixels:
    """``image`` as (rows, columns, 3)."""
    return np.repeat(image[:, :, None], 3, axis=2) if image.ndim == 2 else image


def shrink(image: Pixels, width: int) -> Pixels:
    """``image`` at ``width`` pixels or less, aspect kept, both sides multiples of 32.

    The result is what `FaceDetector.find` looks at, so that a caller can let go of the frame.
    """
    rows, columns = image.shape[:2]
    scale = min(1.0, width / columns)
    size = [max(_MULTIPLE, round(side * scale / _MULTIPLE) * _MULTIPLE) for side in (columns, rows)]
    how = cv2.INTER_AREA if size[0] < columns else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (size[0], size[1]), interpolation=how), dtype=np.uint8)


def _unturn(box: Box, turns: int, rows: int, columns: int) -> Box:
    """A box of the image after `np.rot90` by ``turns``, in the image before it."""
    if turns == 1:
        return Box(columns - box.bottom, box.left, columns - box.top, box.right, box.score)
    if turns == 2:
        return Box(columns - box.right, rows - box.bottom, columns - box.left, rows - box.top, box.score)
    if turns == 3:
        return Box(box.top, rows - box.right, box.bottom, rows - box.left, box.score)
    return box


class FaceDetector:
    """CenterFace on ONNX Runtime.

    Args:
        weights: checked weights of CenterFace.
        score: lowest height of a centre's peak that counts, 0 to 1.
        threads: threads of the CPU that one look may take.
    """

    def __init__(self, weights: Weights, score: float = 0.25, threads: int = 1) -> None:
        self.name = weights.name
        self.sha256 = weights.sha256
        self._score = score
        self._session = session(free_dimensions(weights), threads)

    def find(self, image: Pixels, width: int, rotations: Sequence[int] = (0,)) -> list[Box]:
        """Boxes of faces in the pixels of ``image``.

        Args:
            image: (rows, columns[, 3]), display values, RGB.
            width: width in pixels at which to look; a smaller image is looked at as it is.
            rotations: degrees, each of `ROTATIONS`; every one costs a pass.

        Raises:
            DetectorUnavailable: the network failed.
        """
        small = rgb(shrink(image, width))
        rows, columns = small.shape[:2]
        found: list[Box] = []
        for rotation in rotations:
            turns = rotation // 90 % 4
            turned = np.ascontiguousarray(np.rot90(small, turns))
            found += [_unturn(box, turns, rows, columns) for box in self._look(turned)]
        x, y = image.shape[1] / columns, image.shape[0] / rows
        return [box.scaled(x, y) for box in suppress_overlaps(found)]

    def _look(self, image: Pixels) -> list[Box]:
        blob = np.ascontiguousarray(image.transpose(2, 0, 1)[None], dtype=np.float32)
        try:
            heat, scale, offset, _ = self._session.run(None, {"input.1": blob})
        except Exception as error:  # whatever ONNX Runtime raises, no look was had
            raise DetectorUnavailable("the face detector failed") from error
        return decode(heat[0, 0], scale[0], offset[0], self._score)


def decode(
    heat: NDArray[np.float32], scale: NDArray[np.float32], offset: NDArray[np.float32], score: float
) -> list[Box]:
    """Boxes from the network's maps: ``heat`` (h, w), ``scale`` (2, h, w), ``offset`` (2, h, w).

    Raises:
        DetectorUnavailable: the maps hold values that are not finite.
    """
    if not (np.isfinite(heat).all() and np.isfinite(scale).all() and np.isfinite(offset).all()):
        raise DetectorUnavailable("the face detector gave values that are not finite")
    ys, xs = np.nonzero(heat > score)
    boxes = []
    for y, x in zip(ys.tolist(), xs.tolist(), strict=True):
        height, width = (float(np.exp(min(scale[i, y, x], 8.0))) * STRIDE for i in (0, 1))
        middle_y = (y + float(offset[0, y, x]) + 0.5) * STRIDE
        middle_x = (x + float(offset[1, y, x]) + 0.5) * STRIDE
        boxes.append(
            Box(
                middle_x - width / 2,
                middle_y - height / 2,
                middle_x + width / 2,
                middle_y + height / 2,
                float(heat[y, x]),
            )
        )
    return suppress_overlaps(boxes)
