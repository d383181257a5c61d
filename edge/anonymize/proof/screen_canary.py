"""The canary of a scanner's screen: planted in what its layout keeps, cleaned by the screen's own gate.

What is kept leaves bit for bit, and what is masked is filled with the shade around it: so what is covered is
told by what no longer is what was planted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from edge.anonymize.detectors import Detectors
from edge.anonymize.gate import Held
from edge.anonymize.proof import planting
from edge.anonymize.proof.canary import Material, Result, by_turns
from edge.imaging.frames import Acquisition, CleanFrame, Pixels, RawFrame, Region

Again = Callable[[RawFrame, Sequence[Region], Detectors], CleanFrame | Held]
"""Cleans a frame of which nothing but these regions is there; see `ScreenAnonymizer.again`."""
_COVERED = 0.9
"""Share of what was planted that must be gone."""


class ScreenCanary:
    """The canaries of a grabber.

    Args:
        name: of the source.
        again: its gate.
        detectors: those in service.
        key: from which all canaries follow.
    """

    def __init__(self, name: str, again: Again, detectors: Detectors, key: int) -> None:
        self._name, self._again, self._detectors, self._key = name, again, detectors, key
        self._number = 0

    def sing(self, material: Material) -> Result:
        """See `Singer.sing`. Face and text by turns, as in `Canary`."""
        self._number += 1
        if not material.regions:
            return Result()
        face = self._number % 2 == 1
        largest = max(material.regions, key=lambda r: (r.right - r.left) * (r.bottom - r.top))
        left, top, right, bottom = largest.left, largest.top, largest.right, largest.bottom
        area = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32)
        draw = planting.generator(self._key, self._number)
        planted = planting.plant(material.pixels, area, material.masks, draw, faces=face, texts=not face)
        raw = RawFrame(planted.pixels.copy(), self._name, 0, material.captured_ns, 0, Acquisition())
        outcome = self._again(raw, material.regions, by_turns(self._detectors, face=face))
        if isinstance(outcome, Held):
            return Result()
        return Result(*(gone(mask, planted.pixels, outcome.pixels) for mask in (planted.face, planted.text)))


def gone(mask: planting.Mask | None, planted: Pixels, clean: Pixels) -> bool | None:
    """Whether what was planted is no longer there; None if nothing was."""
    if mask is None or not np.any(mask > 127):
        return None
    changed = (clean != planted).any(axis=2)
    return bool(changed[mask > 127].mean() >= _COVERED)
