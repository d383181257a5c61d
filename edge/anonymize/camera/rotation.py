"""Which orientations and sizes of a frame are looked at when: upright always, the others in turn."""

from __future__ import annotations

import time
from collections.abc import Callable

from edge.anonymize.faces.centerface import FaceFinder
from edge.anonymize.geometry import Box, suppress_overlaps
from edge.imaging.frames import Pixels

FINE = 1.5
"""How much wider than the usual look the fine one is, which sees smaller faces."""
_EXTRA = ((90, 1.0), (270, 1.0), (180, 1.0), (0, FINE))
"""Looks that take turns beside the upright one: degrees, and how wide."""

_ALWAYS = (0, 1.0)


class RotatingLook:
    """Looks for faces upright and, in turn, at another rotation or finer; where it last found one, again.

    A patient lies down, and the detector misses most heads that do; it misses small faces, too. If
    looks take longer than ``budget_s``, the second one is left out of two of three rounds: later
    detections would hold every frame back.

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
        self._hot: tuple[int, float] | None = None

    def __call__(self, image: Pixels) -> list[Box]:
        """Boxes of faces in ``image``; raises DetectorUnavailable."""
        looks = self._next()
        started = self._clock()
        found: list[Box] = []
        for look in looks:
            rotation, wider = look
            boxes = self._faces.find(image, round(self._width * wider), (rotation,))
            found += boxes
            if look != _ALWAYS:
                if boxes:
                    self._hot = look
                elif look == self._hot:
                    self._hot = None
        took = (self._clock() - started) / sum(wider * wider for _, wider in looks)
        self._pass_s = took if self._pass_s == 0 else 0.8 * self._pass_s + 0.2 * took
        return suppress_overlaps(found)

    def _next(self) -> tuple[tuple[int, float], ...]:
        self._round += 1
        if 2 * self._pass_s > self._budget and self._round % 3 != 0:
            return (_ALWAYS,)
        extra = _EXTRA[self._turn % len(_EXTRA)]
        self._turn += 1
        cost = (1 + extra[1] ** 2 + (self._hot[1] ** 2 if self._hot else 0)) * self._pass_s
        if self._hot is not None and self._hot != extra and cost <= self._budget:
            return (_ALWAYS, extra, self._hot)
        return (_ALWAYS, extra)
