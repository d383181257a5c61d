"""The second look: what left is looked at again, by a detector of another make.

A find is explained where it lies on fill: a masked head still has hair and ears. Any other is looked at
closer, by the same detector in the frame's own pixels, and objected to if it is found there again.
"""

from __future__ import annotations

import cv2
import numpy as np

from edge.anonymize.faces.finder import FaceFinder
from edge.anonymize.geometry import Box
from edge.imaging.frames import Pixels

WIDTH = 320
"""Width in pixels at which a frame is looked at."""
_CLOSER = 224
"""Side in pixels of the closer look."""
_AROUND = 2.5
"""Its side in sizes of the find."""
_MOST = 3
"""Finds in one frame that are looked at closer: one is enough to object."""
_FILLED = 0.5
"""Share of a find's middle that is fill, from which on the find is explained."""
_MIDDLE = 0.6


def explained(find: Box, pixels: Pixels) -> bool:
    """Whether the middle of a find is mostly fill: what was found there is masked.

    Args:
        find: in pixels.
        pixels: (rows, columns[, 3]), masked; the fill is 0.
    """
    middle = find.grown(_MIDDLE)
    rows, columns = pixels.shape[:2]
    left, right = max(0, int(middle.left)), min(columns, int(np.ceil(middle.right)))
    top, bottom = max(0, int(middle.top)), min(rows, int(np.ceil(middle.bottom)))
    part = pixels[top:bottom, left:right]
    if part.size == 0:
        return True  # outside of the picture: nothing is there that could leave
    filled = part == 0 if part.ndim == 2 else (part == 0).all(axis=2)
    return float(filled.mean()) >= _FILLED


class SecondLook:
    """Looks at frames that passed the gate.

    Args:
        faces: a face detector that the masks do not come from.
        score: score from which a find, looked at closer, counts.
    """

    def __init__(self, faces: FaceFinder, score: float) -> None:
        self._faces, self._score = faces, score

    def objections(self, pixels: Pixels) -> list[Box]:
        """Faces that are open to see in ``pixels`` (rows, columns[, 3]); raises DetectorUnavailable."""
        finds = [box for box in self._faces.find(pixels, WIDTH) if not explained(box, pixels)]
        likely = sorted(finds, key=lambda box: -box.score)[:_MOST]
        return [again for box in likely if (again := self._closer(pixels, box)) is not None]

    def _closer(self, pixels: Pixels, find: Box) -> Box | None:
        rows, columns = pixels.shape[:2]
        side = max(_AROUND * max(find.width, find.height), 48.0)
        x, y = (find.left + find.right) / 2, (find.top + find.bottom) / 2
        left, top = max(0, int(x - side / 2)), max(0, int(y - side / 2))
        right, bottom = min(columns, int(x + side / 2) + 1), min(rows, int(y + side / 2) + 1)
        crop = pixels[top:bottom, left:right]
        scale = _CLOSER / max(crop.shape[:2])
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        size = (max(32, round(crop.shape[1] * scale)), max(32, round(crop.shape[0] * scale)))
        closer = np.asarray(cv2.resize(crop, size, interpolation=how), np.uint8)
        for box in self._faces.find(closer, _CLOSER):
            again = box.scaled(crop.shape[1] / size[0], crop.shape[0] / size[1]).shifted(left, top)
            if again.score >= self._score and again.overlap(find) > 0.2 and not explained(again, pixels):
                return again
        return None
