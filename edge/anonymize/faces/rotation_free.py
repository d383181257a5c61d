"""Faces by a network of our own, which knows no way up: one pass finds a head at any angle.

Trained by ``trainer faces`` on composites of public portraits; its weights lie in this package. It
gives, at a quarter of the input's size, the logit of a heat map of face centres (Zhou et al., "Objects
as Points", 2019), the log of the radius, and the centre's offset. A radius reaches from the middle of
eyes and mouth to the forehead and just below the chin.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.anonymize.faces.finder import rgb, shrink
from edge.anonymize.geometry import Box, suppress_overlaps
from edge.anonymize.models import DetectorUnavailable, Weights, session
from edge.imaging.frames import Pixels

STRIDE = 4
MULTIPLE = 64
_MOST = 400
"""Finds in one picture that are looked at further; noise alone gives more."""
_DOUBT = 0.10
"""So much of what is due a find may lack and still be worth a closer look."""
_LARGEST = 7.0
"""Log of the radius, in cells, beyond which a value is no size."""
_RADII, _DUE = (12.0, 24.0, 60.0), (0.0, 0.10, 0.25)
"""How much higher a find has to score, by its radius in pixels that are looked at: a large face shows enough
of itself, a false one costs as much as it covers, and anatomy on a monitor is large."""


class RotationFreeDetector:
    """The network on ONNX Runtime.

    Args:
        weights: checked weights.
        sure: score, 0 to 1, from which a find counts.
        unsure: score from which a closer look is worth it.
        threads: threads of the CPU that one look may take.
    """

    def __init__(self, weights: Weights, sure: float = 0.12, unsure: float = 0.1, threads: int = 1) -> None:
        self.name = weights.name
        self.sha256 = weights.sha256
        self.sure, self.unsure = sure, min(sure, unsure)
        self._session = session(weights.data, threads)

    def find(self, image: Pixels, width: int) -> list[Box]:
        """Boxes of faces; see `FaceFinder.find`."""
        small = rgb(shrink(image, width, MULTIPLE))
        (found,) = self.candidates(small[None])
        x, y = image.shape[1] / small.shape[1], image.shape[0] / small.shape[0]
        return [box.scaled(x, y) for box in found if box.score >= self.sure]

    def candidates(self, images: Pixels) -> list[list[Box]]:
        """Finds, sure or unsure, in each of ``images`` (n, rows, columns, 3); sides are multiples of 64.

        Raises:
            DetectorUnavailable: the network failed.
        """
        try:
            (maps,) = self._session.run(None, {"pixels": np.ascontiguousarray(images)})
        except Exception as error:  # whatever ONNX Runtime raises, no look was had
            raise DetectorUnavailable("the face detector failed") from error
        return [decode(each, self.unsure) for each in maps]


def decode(maps: NDArray[np.float32], least: float) -> list[Box]:
    """Square boxes from the network's maps (4, rows, columns); a large one's score is less what is due.

    Raises:
        DetectorUnavailable: the maps hold values that are not finite.
    """
    if not np.isfinite(maps).all():
        raise DetectorUnavailable("the face detector gave values that are not finite")
    logit, size, right, down = maps
    bound = float(np.log(least / (1 - least)))
    peaks = (logit >= bound) & (logit == cv2.dilate(logit, np.ones((3, 3), np.uint8)))
    rows, columns = np.nonzero(peaks)
    scores = 1 / (1 + np.exp(-logit[rows, columns]))
    best = np.argsort(-scores, kind="stable")[:_MOST]
    boxes = []
    for row, column, score in zip(
        rows[best].tolist(), columns[best].tolist(), scores[best].tolist(), strict=True
    ):
        radius = STRIDE * float(np.exp(min(float(size[row, column]), _LARGEST)))
        x = STRIDE * (column + 0.5 + float(right[row, column]))
        y = STRIDE * (row + 0.5 + float(down[row, column]))
        due = float(np.interp(radius, _RADII, _DUE))
        if score - max(0.0, due - _DOUBT) >= least:
            boxes.append(Box(x - radius, y - radius, x + radius, y + radius, float(score) - due))
    return suppress_overlaps(boxes)
