"""Training pictures of faces: portraits of the training identities in drawn places."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from trainer.detectors import backgrounds
from trainer.detectors.faces import composite, portraits, targets
from trainer.detectors.faces.person import People
from trainer.detectors.faces.portraits import REACH, Portrait
from trainer.detectors.picture import Maps, Picture, Rng

_PLACES = 1500
"""Backgrounds drawn before training; each is cropped and lit anew every time."""
_SCANS = 120
_RECENT = 64
"""Each picture is seen a second time, turned; of so many recent ones."""


class Faces:
    """Composites with faces, and their maps.

    Args:
        folder: ``EDGE_DATA/faces``.
        seed: draws the backgrounds.
        size: side of a picture, in pixels.
        places: how many backgrounds.
    """

    def __init__(self, folder: Path, seed: int, size: int, places: int = _PLACES) -> None:
        people = portraits.load(folder, "train")
        self._size = size
        self._people = People(people)
        drawn = backgrounds.Places(
            backgrounds.photographs(), backgrounds.scans(_SCANS, seed), clothes(people)
        )
        self._places = [drawn.draw(np.random.default_rng((seed, 1 << 40, n))) for n in range(places)]
        self._recent: deque[composite.Sample] = deque(maxlen=_RECENT)

    def draw(self, rng: Rng) -> Iterator[tuple[Picture, Maps]]:
        """A new picture, then a recent one, turned."""
        place = self._places[int(rng.integers(len(self._places)))]
        self._recent.append(composite.draw(self._people, place, rng, self._size))
        yield self._with_maps(self._recent[-1])
        old = self._recent[int(rng.integers(len(self._recent)))]
        yield self._with_maps(composite.turned(old, int(rng.integers(4)), mirrored=bool(rng.integers(2))))

    def _with_maps(self, sample: composite.Sample) -> tuple[Picture, Maps]:
        return sample.pixels, targets.maps(sample.faces, self._size)


def clothes(portraits: Sequence[Portrait]) -> list[Picture]:
    """Parts of portraits with no face in them: below the chin, and the upper corners."""
    parts: list[Picture] = []
    for each in portraits:
        x, y = each.centre
        radius = REACH * each.distance
        chin, left, right = int(y + 1.15 * radius), int(x - radius), int(x + radius)
        parts += [each.pixels[chin:], each.pixels[: int(y), : max(0, left)], each.pixels[: int(y), right:]]
    return [part for part in parts if min(part.shape[:2]) >= 24]
