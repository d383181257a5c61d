"""Burned-in text of an object: no frame goes unexplained, and what one frame shows goes from all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice

import numpy as np
from numpy.typing import NDArray

from edge.anonymize.detectors import Detectors
from edge.anonymize.geometry import bounds
from edge.anonymize.scanner import cine
from edge.anonymize.scanner.anonymizer import find_names, mask_found
from edge.imaging.frames import Pixels

_RUN = 50
"""Frames whose composites are looked at together."""
_RUN_BYTES = 64 << 20
"""Size of a run's frames, at most; what is measured of them takes twice as much again."""
_FEW = 6
"""So many frames are looked at one by one: composites would cost as much."""
_THREADS = 2
"""Frames are looked at independently of each other: what one shows is filled in all, after the looks."""


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
    place = bounds(~outside)
    mask, outside = found.mask[place], outside[place]
    with ThreadPoolExecutor(_THREADS) as pool:
        for run in _runs(np.asarray(frame[place]) for frame in frames):
            run[:, outside] = 0
            pictures = _pictures(run)
            beat()
            names = pool.map(partial(find_names, detectors=detectors), pictures)
            for picture, boxes in zip(pictures, names, strict=True):
                new = mask_found(np.array(picture), boxes, mask, detectors)
                mask |= new.mask
                found.texts, found.left = found.texts + new.texts, found.left + new.left
                beat()
            found.frames, found.looks = found.frames + len(run), found.looks + len(pictures)
    return found


def _pictures(run: NDArray[np.uint8]) -> list[Pixels]:
    """What of a run must be looked at for all that its frames show."""
    if len(run) <= _FEW:
        return list(run)
    composites = cine.composites(run)
    return [*composites, *(run[index] for index in cine.unexplained(run, composites))]


def _runs(frames: Iterable[Pixels]) -> Iterator[NDArray[np.uint8]]:
    rest = iter(frames)
    for first in rest:
        length = max(1, min(_RUN, _RUN_BYTES // first.nbytes))
        yield np.stack(list(chain([first], islice(rest, length - 1))))
