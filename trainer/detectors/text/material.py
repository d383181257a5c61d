"""Training pictures of text: drawn lines in drawn places. No image of a patient is in them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import numpy as np

from trainer.detectors import backgrounds
from trainer.detectors.picture import Maps, Picture, Rng
from trainer.detectors.text import composite, targets
from trainer.detectors.text.writing import Writing

_PLACES = 1500
_SCANS = 400
_RECENT = 64
"""Each picture is seen a second time, turned; of so many recent ones."""


class Lines:
    """Composites with text, and their maps.

    Args:
        writing: words and fonts.
        seed: draws the backgrounds.
        size: side of a picture, in pixels.
        places: how many backgrounds.
    """

    def __init__(self, writing: Writing, seed: int, size: int, places: int = _PLACES) -> None:
        self._writing, self._size = writing, size
        scans = backgrounds.scans(_SCANS, seed)
        drawn = backgrounds.Places(backgrounds.photographs(), scans, scans, scanned=0.25)
        self._places = [drawn.draw(np.random.default_rng((seed, 1 << 42, n))) for n in range(places)]
        self._recent: deque[composite.Sample] = deque(maxlen=_RECENT)

    def draw(self, rng: Rng) -> Iterator[tuple[Picture, Maps]]:
        """A new picture, then a recent one, turned."""
        place = self._places[int(rng.integers(len(self._places)))]
        sample = composite.draw(self._writing, place, rng, self._size)
        self._recent.append(sample)
        yield sample.pixels, targets.maps(sample)
        old = self._recent[int(rng.integers(len(self._recent)))]
        again = composite.turned(old, int(rng.integers(4)), mirrored=bool(rng.integers(2)))
        yield again.pixels, targets.maps(again)
