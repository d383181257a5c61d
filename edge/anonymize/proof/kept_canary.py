"""The canary of a scanner's object or screen: planted in what is kept of it, cleaned by its own gate.

What is kept leaves bit for bit, and what is masked is filled with the shade around it: so what is covered is
told by what no longer is what was planted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from edge.anonymize.gate import Held
from edge.anonymize.proof import planting
from edge.anonymize.proof.canary import Material, Result
from edge.imaging.frames import Acquisition, CleanFrame, Pixels, RawFrame, Region

Again = Callable[[RawFrame, Sequence[Region]], CleanFrame | Held]
"""Cleans a frame of which nothing but these regions is there, whatever the source's standing."""
_COVERED = 0.9
"""Share of what was planted that must be gone."""


class KeptCanary:
    """The canaries of a scanner or a grabber.

    Args:
        name: of the source.
        again: its gate.
        key: from which all canaries follow.
        faces: whether the gate looks for faces.
    """

    def __init__(self, name: str, again: Again, key: int, *, faces: bool) -> None:
        self._name, self._again, self._key, self._faces = name, again, key, faces
        self._number = 0

    def sing(self, material: Material) -> Result:
        """See `Singer.sing`."""
        self._number += 1
        if not material.regions:
            return Result()
        largest = max(material.regions, key=lambda r: (r.right - r.left) * (r.bottom - r.top))
        left, top, right, bottom = largest.left, largest.top, largest.right, largest.bottom
        area = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32)
        draw = planting.generator(self._key, self._number)
        planted = planting.plant(material.pixels, area, material.masks, draw, faces=self._faces)
        raw = RawFrame(planted.pixels.copy(), self._name, 0, material.captured_ns, 0, Acquisition())
        outcome = self._again(raw, material.regions)
        if isinstance(outcome, Held):
            return Result()
        return Result(*(_gone(mask, planted.pixels, outcome.pixels) for mask in (planted.face, planted.text)))


def _gone(mask: planting.Mask | None, planted: Pixels, clean: Pixels) -> bool | None:
    if mask is None or not np.any(mask > 127):
        return None
    changed = (clean != planted).any(axis=2)
    return bool(changed[mask > 127].mean() >= _COVERED)
