"""Faces by CenterFace: one anchor-free network, run on the CPU.

Xu et al., "CenterFace: Joint Face Detection and Alignment Using Face as Point", 2019. The network
gives, at a quarter of the input's size, a heat map of face centres, the log of height and width,
and the centre's offset.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge.anonymize.faces.turned import ROTATIONS, find_turned
from edge.anonymize.geometry import Box, suppress_overlaps
from edge.anonymize.models import DetectorUnavailable, Weights, free_dimensions, session
from edge.imaging.frames import Pixels

STRIDE = 4
_MULTIPLE = 32


class CenterFaceDetector:
    """CenterFace on ONNX Runtime. It misses heads that are not upright, so it looks at turned copies, too.

    Args:
        weights: checked weights of CenterFace.
        score: lowest height of a centre's peak that counts, 0 to 1.
        threads: threads of the CPU that one look may take.
        rotations: degrees, each of `ROTATIONS`; every one costs a pass.
    """

    def __init__(
        self,
        weights: Weights,
        score: float = 0.25,
        threads: int = 1,
        rotations: Sequence[int] = ROTATIONS,
    ) -> None:
        self.name = weights.name
        self.sha256 = weights.sha256
        self._score = score
        self._rotations = tuple(rotations)
        self._session = session(free_dimensions(weights), threads)

    def find(self, image: Pixels, width: int) -> list[Box]:
        """Boxes of faces; see `FaceFinder.find`."""
        return find_turned(image, width, _MULTIPLE, self._rotations, self._look)

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
