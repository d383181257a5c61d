"""Burned-in text of an object: every frame is looked at, and what one frame shows goes from all."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.anonymize.detectors import Detectors
from edge.anonymize.geometry import fill_flat
from edge.anonymize.scanner.anonymizer import mask_text
from edge.imaging.frames import Pixels


@dataclass(frozen=True)
class BurnedIn:
    """What was found in all frames together."""

    mask: NDArray[np.bool_]
    """(rows, columns), True where text stands in any frame."""
    frames: int
    """How many were looked at."""
    texts: int
    left: int
    """Texts that were still found after masking."""


def look(
    frames: Iterable[Pixels], outside: NDArray[np.bool_], detectors: Detectors, beat: Callable[[], None]
) -> BurnedIn:
    """Look for text in every frame. A cheaper look at many frames at once belongs here.

    Args:
        frames: display values, all of one shape.
        outside: (rows, columns), True outside the image region: not kept, so not looked at.
        detectors: what looks.
        beat: called after each frame, to show that work goes on.

    Raises:
        DetectorUnavailable: the text detector failed.
    """
    mask = np.zeros(outside.shape, bool)
    count = texts = left = 0
    for image in frames:
        copy = np.array(image)
        copy[outside] = 0
        fill_flat(copy, mask & ~outside)
        found = mask_text(copy, detectors)
        mask |= found.mask
        count, texts, left = count + 1, texts + found.texts, left + found.left
        beat()
    return BurnedIn(mask, count, texts, left)
