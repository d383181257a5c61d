"""The canary of scanner objects: a known text, or face, in a part of a frame, cleaned as the frame was.

Faces are looked for in pictures without a DICOM header alone, so elsewhere none is planted. A text is
shown to one of the two text detectors at a time: either could be blind behind the other's back.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import cycle
from typing import Protocol

import cv2
import numpy as np

from edge.anonymize.detectors import Detectors
from edge.anonymize.geometry import Box
from edge.anonymize.proof import planting
from edge.anonymize.proof.canary import Material, Result, Unseeing, by_turns
from edge.anonymize.proof.screen_canary import gone
from edge.imaging.frames import Pixels

_LEAST = 192
"""Pixels a side that a line of text needs: a smaller frame gets a margin of its own edge."""
_MOST = 1024
"""Pixels a side that are looked at: a part of a large radiograph says as much and costs a tenth."""


class Again(Protocol):
    """Cleans pixels of which all may be kept; see `ScannerAnonymizer.again`."""

    def __call__(self, pixels: Pixels, detectors: Detectors, *, picture: bool) -> Pixels | None:
        """Clean pixels, or hold them back."""


class ScannerCanary:
    """The canaries of scanner objects.

    Args:
        again: their gate.
        detectors: those in service.
        key: from which all canaries follow.
    """

    def __init__(self, again: Again, detectors: Detectors, key: int) -> None:
        self._again, self._key, self._number = again, key, 0
        text = by_turns(detectors, face=False)
        self._texts = cycle(
            (
                replace(text, any_script=Unseeing(detectors.any_script)),
                replace(text, text=Unseeing(detectors.text)),
            )
        )
        # Of the two that look for faces our own is asked: the other one misses heads that are turned.
        self._faces = replace(by_turns(detectors, face=True), second=Unseeing(detectors.second))

    def sing(self, material: Material) -> Result:
        """See `Singer.sing`. In pictures face and text take turns."""
        self._number += 1
        if not material.regions:
            return Result()
        draw = planting.generator(self._key, self._number)
        frame, taken = _part(material, draw)
        rows, columns = frame.shape[:2]
        area = np.array([[0, 0], [columns, 0], [columns, rows], [0, rows]], np.float32)
        face = material.faces and self._number % 2 == 1
        planted = planting.plant(frame, area, taken, draw, faces=face, texts=not face)
        detectors = self._faces if face else next(self._texts)
        clean = self._again(planted.pixels, detectors, picture=material.faces)
        if clean is None:
            return Result()
        return Result(*(gone(mask, planted.pixels, clean) for mask in (planted.face, planted.text)))


def _part(material: Material, draw: np.random.Generator) -> tuple[Pixels, list[Box]]:
    """A part of the largest region that is kept, with room for a line; and what of it was masked."""
    region = max(material.regions, key=lambda r: (r.right - r.left) * (r.bottom - r.top))
    left, top = (
        int(draw.integers(first, max(first, last - _MOST) + 1))
        for first, last in ((region.left, region.right), (region.top, region.bottom))
    )
    part = material.pixels[top : min(region.bottom, top + _MOST), left : min(region.right, left + _MOST)]
    down, across = (max(0, _LEAST - side) for side in part.shape[:2])
    frame = cv2.copyMakeBorder(part, 0, down, 0, across, cv2.BORDER_REPLICATE)
    return np.asarray(frame, np.uint8), [box.shifted(-left, -top) for box in material.masks]
