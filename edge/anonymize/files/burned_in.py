"""Burned-in text of an object: no frame goes unexplained, and what one frame shows goes from all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice

import numpy as np
from numpy.typing import NDArray

from edge.anonymize.detectors import Detectors
from edge.anonymize.geometry import fill_flat
from edge.anonymize.scanner import cine
from edge.anonymize.scanner.anonymizer import mask_text
from edge.imaging.frames import Pixels

_RUN = 50
"""Frames whose composites are looked at together."""
_RUN_BYTES = 64 << 20
"""Memory of a run, at most; of large frames fewer are taken together."""
_FEW = 6
"""So many frames are looked at one by one: composites would cost as much."""
_ROUNDS = 3
"""A run is looked at again, filled, until nothing new is found; at most so often."""


@dataclass
class BurnedIn:
    """What was found in all frames together."""

    mask: NDArray[np.bool_]
    """(rows, columns), True where text stands in any frame: a mask that holds for every frame."""
    frames: int = 0
    """How many were looked at, or shown to hold nothing more than what was."""
    looks: int = 0
    """How many pictures were looked at for that: frames and composites, without second looks at fills."""
    texts: int = 0
    left: int = 0
    """Texts that were still found after masking."""


def look(
    frames: Iterable[Pixels], outside: NDArray[np.bool_], detectors: Detectors, beat: Callable[[], None]
) -> BurnedIn:
    """Look for text in every frame: in composites of runs of frames, and in what they do not explain.

    Args:
        frames: display values, all of one shape.
        outside: (rows, columns), True outside the image region: not kept, so not looked at.
        detectors: what looks.
        beat: called after each look, to show that work goes on.

    Raises:
        DetectorUnavailable: the text detector failed.
    """
    found = BurnedIn(np.zeros(outside.shape, bool))

    def look_at(picture: Pixels) -> int:
        copy = np.array(picture)
        fill_flat(copy, found.mask & ~outside)
        new = mask_text(copy, detectors)
        found.mask |= new.mask
        found.looks, found.texts, found.left = found.looks + 1, found.texts + new.texts, found.left + new.left
        beat()
        return new.texts

    for run in _runs(frames):
        found.frames += len(run)
        run[:, outside] = 0
        pictures: tuple[Pixels, ...] = cine.composites(run)
        plan = cine.Plan(run, pictures)
        beat()
        if len(run) <= _FEW or 2 * np.count_nonzero(plan.unexplained()) > len(run):
            for frame in run:
                look_at(frame)
            continue
        for _ in range(_ROUNDS):
            texts = sum(look_at(picture) for picture in pictures)
            while (index := plan.next()) is not None:
                texts += look_at(run[index])
            if texts == 0:
                break
            for frame in run:
                fill_flat(frame, found.mask & ~outside)
            pictures = cine.composites(run)
            plan = cine.Plan(run, pictures)
            beat()
        else:
            found.left += texts
    return found


def _runs(frames: Iterable[Pixels]) -> Iterator[NDArray[np.uint8]]:
    rest = iter(frames)
    for first in rest:
        length = max(1, min(_RUN, _RUN_BYTES // first.nbytes))
        yield np.stack(list(chain([first], islice(rest, length - 1))))
