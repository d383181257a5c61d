"""From detections before and after a frame to the masks on it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from edge.anonymize.geometry import Box

HELD = 4
"""Earlier detections that still count: looks at two scales take turns, and a detector flickers."""
_UNSURE = 0.5
"""Sizes by which the mask of a face that one side alone has seen is widened all round."""
_MOTION = 0.25
"""Share of the motion between two detections by which their common mask is widened."""
_SAME_PLACE = 0.2
"""Overlap (intersection over union) from which two boxes are in one place."""
_GROWTH = 1.6
"""How much larger a face may be in the next look and still be taken for the same."""


@dataclass(frozen=True, eq=False)
class Glimpse:
    """What a detector saw in the frame captured at ``at_ns``, of ``shape`` (rows, columns)."""

    at_ns: int
    shape: tuple[int, int]
    boxes: tuple[Box, ...]
    scene: NDArray[np.float32] | None = field(default=None, repr=False)
    """Thumbnail of what was looked at, for text; see `edge.anonymize.camera.scene`."""


def bracket(
    glimpses: Sequence[Glimpse], at_ns: int, shape: tuple[int, int]
) -> tuple[Glimpse | None, Glimpse | None]:
    """The last detection at or before a frame and the first at or after it, of frames of its shape."""
    same = [g for g in glimpses if g.shape == shape]
    before = max((g for g in same if g.at_ns <= at_ns), key=lambda g: g.at_ns, default=None)
    after = min((g for g in same if g.at_ns >= at_ns), key=lambda g: g.at_ns, default=None)
    return before, after


def match(before: Sequence[Box], after: Sequence[Box]) -> list[tuple[Box, Box]]:
    """Pairs of boxes that are likely one face: nearest centres, within two sizes, each used once."""
    offers = []
    for i, a in enumerate(before):
        for j, b in enumerate(after):
            away = _distance(a, b)
            size = max(a.width, a.height, b.width, b.height)
            if away <= 2 * size:
                offers.append((away / max(size, 1e-6), i, j))
    pairs, used_a, used_b = [], set(), set()
    for _, i, j in sorted(offers):
        if i not in used_a and j not in used_b:
            used_a.add(i)
            used_b.add(j)
            pairs.append((before[i], after[j]))
    return pairs


def face_masks(
    glimpses: Sequence[Glimpse], at_ns: int, shape: tuple[int, int], scale: float
) -> tuple[tuple[Box, ...], int]:
    """Masks on the frame at ``at_ns``, and how many faces they stand for.

    The union of the detections on both sides, each ``scale`` times as large; where both saw the
    same face, the hull of its two places, widened by its motion; where one did, widened all round,
    as it may have come from or gone anywhere. A face that only earlier or later looks saw stays
    masked, too.

    One that they followed to a place that is masked is that face, and its way there stays bare.

    Args:
        glimpses: all detections that are known, in any order.
        at_ns: when the frame was captured.
        shape: its rows and columns.
        scale: how much larger than the detected face the mask is.
    """
    return _face_masks(tuple(glimpses), at_ns, shape, scale)


@lru_cache(maxsize=64)  # asked for several times while a frame waits
def _face_masks(
    glimpses: tuple[Glimpse, ...], at_ns: int, shape: tuple[int, int], scale: float
) -> tuple[tuple[Box, ...], int]:
    before, after = bracket(glimpses, at_ns, shape)
    first = list(before.boxes) if before is not None else []
    second = list(after.boxes) if after is not None and after is not before else []
    pairs = match(first, second) if second else []
    masks = []
    for a, b in pairs:
        motion = _distance(a, b)
        masks.append(a.grown(scale).hull(b.grown(scale)).padded(_MOTION * motion, _MOTION * motion))
    paired = {id(box) for pair in pairs for box in pair}
    alone = [box for box in (*first, *second) if id(box) not in paired]
    if after is before:
        masks += [box.grown(scale) for box in alone]  # the frame itself was looked at
    else:
        masks += [_unsure(box, scale) for box in alone]
    faces = len(pairs) + len(alone)
    near = [*first, *second]
    for box in (*_agreed(glimpses, at_ns, shape), *_lost(glimpses, at_ns, shape)):
        if all(box.overlap(other) < _SAME_PLACE for other in near):
            masks.append(_unsure(box, scale))
            near.append(box)
            faces += 1
    return tuple(masks), faces


def _agreed(glimpses: Sequence[Glimpse], at_ns: int, shape: tuple[int, int]) -> list[Box]:
    """What the looks before and after, not counting the frame's own, saw in one place: it is there."""
    others = [g for g in glimpses if g.shape == shape and g.at_ns != at_ns]
    before, after = bracket(others, at_ns, shape)
    if before is None or after is None:
        return []
    return [a for a in before.boxes if any(a.overlap(b) > _SAME_PLACE for b in after.boxes)]


def _lost(glimpses: Sequence[Glimpse], at_ns: int, shape: tuple[int, int]) -> list[Box]:
    """What farther looks saw and the next look nearer to the frame has not, nearest first."""
    same = sorted((g for g in glimpses if g.shape == shape), key=lambda g: g.at_ns)
    earlier = [g for g in same if g.at_ns <= at_ns][: -(HELD + 2) : -1]
    later = [g for g in same if g.at_ns >= at_ns]
    lost: list[Box] = []
    for looks in (earlier, later):
        for nearer, farther in pairwise(looks):
            lost += _lost_between(farther, nearer)
    return lost


@lru_cache(maxsize=512)  # the same two looks count for many frames
def _lost_between(farther: Glimpse, nearer: Glimpse) -> tuple[Box, ...]:
    followed = {id(a) for a, b in match(farther.boxes, nearer.boxes) if _one_face(a, b)}
    return tuple(box for box in farther.boxes if id(box) not in followed)


def _one_face(a: Box, b: Box) -> bool:
    small, large = sorted((a.width, b.width))
    return large <= _GROWTH * small and _distance(a, b) <= large


def _unsure(box: Box, scale: float) -> Box:
    return box.grown(scale).padded(_UNSURE * box.width, _UNSURE * box.height)


def _distance(a: Box, b: Box) -> float:
    dx = (a.left + a.right - b.left - b.right) / 2
    dy = (a.top + a.bottom - b.top - b.bottom) / 2
    return float((dx * dx + dy * dy) ** 0.5)
