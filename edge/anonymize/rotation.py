"""Which orientations of a frame are looked at when: upright always, the others in turn."""

from __future__ import annotations

import time
from collections.abc import Callable

from edge.anonymize.faces import FaceFinder
from edge.anonymize.geometry import Box, suppress_overlaps
from edge.imaging.frames import Pixels

_TURNED = (90, 270, 180)


class RotatingLook:
    """Looks for faces upright and at one other rotation in turn; where it last found one, again.

    A patient lies down, and the detector misses most heads that do. If looks take longer than
    ``budget_s``, the turned look is left out of two of three rounds: later detections would hold
    every frame back.

    Args:
        faces: the detector.
        width: width in pixels at which it looks.
        budget_s: seconds that one round may take.
        clock: seconds, monotonic.
    """

    def __init__(
        self, faces: FaceFinder, width: int, budget_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._faces = faces
        self._width = width
        self._budget = budget_s
        self._clock = clock
        self._round = 0
        self._turn = 0
        self._pass_s = 0.0
        self._hot: int | None = None

    def __call__(self, image: Pixels) -> list[Box]:
        """Boxes of faces in ``image``; raises DetectorUnavailable."""
        rotations = self._next()
        started = self._clock()
        found: list[Box] = []
        for rotation in rotations:
            boxes = self._faces.find(image, self._width, (rotation,))
            found += boxes
            if rotation != 0:
                if boxes:
                    self._hot = rotation
                elif rotation == self._hot:
                    self._hot = None
        took = (self._clock() - started) / len(rotations)
        self._pass_s = took if self._pass_s == 0 else 0.8 * self._pass_s + 0.2 * took
        return suppress_overlaps(found)

    def _next(self) -> tuple[int, ...]:
        self._round += 1
        if 2 * self._pass_s > self._budget and self._round % 3 != 0:
            return (0,)
        turned = _TURNED[self._turn % len(_TURNED)]
        self._turn += 1
        if self._hot is not None and self._hot != turned and 3 * self._pass_s <= self._budget:
            return (0, turned, self._hot)
        return (0, turned)
