"""From sample frames of one screen to a template that a technician may confirm. Pure.

The samples should come from several patients: what changes between them is image or a field; what
stands still is chrome, and goes into the fingerprint. A text that all samples show is taken for a label,
so the proposal names how many there are and where.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.anonymize.geometry import Box, paint
from edge.anonymize.layout.match import matches
from edge.anonymize.layout.rectangle import largest
from edge.anonymize.layout.survey import Mask, Survey, survey, with_room
from edge.imaging.frames import Pixels
from edge.imaging.layout_template import CELL, KeepRegion, LayoutTemplate

LEAST_SAMPLES = 3
_LEAST_IMAGE = 0.04
"""Share of the frame that an image region has, at least."""
_SECOND = 0.4
"""Share of the largest region that another must have, to be one of a dual display."""
_MOST = 4
_TEXT_SHARE = 0.3
"""Share of a changing region that text covers, above which it is no image."""
_MARGIN = 1
"""Cells between a keep-region and whatever is no image."""
_SHRUNK = 0.75
"""Share of a region that must be left where it gives way to text; below, the text is reported instead."""
_ROOM = 32
"""Cells beside a changing field that a longer text may take."""

Refusal = Literal["too_few_samples", "different_sizes", "no_image_region", "nothing_to_hold_on_to"]

ADVICE: dict[Refusal, str] = {
    "too_few_samples": f"give at least {LEAST_SAMPLES} different frames, of several patients",
    "different_sizes": "give frames of one screen at one resolution",
    "no_image_region": "give frames whose images differ; no large region changes between these",
    "nothing_to_hold_on_to": "around the image this screen is too plain to tell when it moves;"
    " have the scanner show its frame, logo or menus",
}


class LearnError(Exception):
    """No template comes out of the samples; ``reason`` says why."""

    def __init__(self, reason: Refusal) -> None:
        super().__init__(ADVICE[reason])
        self.reason: Refusal = reason


@dataclass(frozen=True)
class Proposal:
    """A template to be confirmed, and what the technician must see. Boxes in pixels."""

    template: LayoutTemplate
    fields: Mask
    """Cells outside the keep-regions that change: never kept, not fingerprinted."""
    texts_inside: tuple[Box, ...]
    """Text that was found inside a keep-region: removed frame by frame, if the detector finds it."""
    texts_static: tuple[Box, ...]
    """Text in all samples alike, outside: a label, or a patient of whom all samples are."""


def learn(frames: Sequence[Pixels], texts: Sequence[Sequence[Box]], name: str, version: int = 1) -> Proposal:
    """Propose keep-regions and fingerprint the chrome around them.

    Args:
        frames: samples of one screen, (rows, columns) or RGB (rows, columns, 3), uint8.
        texts: for each frame, where the text detector found text.
        name: of the template.
        version: of the template.

    Raises:
        LearnError: nothing can be proposed.
    """
    if len(frames) < LEAST_SAMPLES or len(frames) != len(texts):
        raise LearnError("too_few_samples")
    if len({frame.shape[:2] for frame in frames}) != 1:
        raise LearnError("different_sizes")
    seen = survey(frames)
    found = [box for boxes in texts for box in boxes]
    text = _cells(found, seen)
    images = _images(seen, text)
    keep = [region for part in images if (region := _keep(part, seen, text)) is not None]
    if not keep:
        raise LearnError("no_image_region")
    template = _template(name, version, seen, images, keep)
    if not _holds(template, frames):
        raise LearnError("nothing_to_hold_on_to")
    kept = [Box(r.left, r.top, r.right, r.bottom) for r in template.keep]
    inside = tuple(box for box in found if any(box.touches(k) for k in kept))
    still = tuple(box for box in texts[0] if _still(box, seen))
    fields = seen.changing.copy()
    fields[_cells(kept, seen)] = False
    return Proposal(template, fields, inside, still)


def _cells(boxes: Sequence[Box], seen: Survey) -> Mask:
    mask = np.zeros(seen.changing.shape, bool)
    paint(mask, [box.scaled(1 / CELL, 1 / CELL) for box in boxes])
    return mask


def _still(box: Box, seen: Survey) -> bool:
    inside = _cells([box], seen)
    return not seen.changing[inside].any()


def _images(seen: Survey, text: Mask) -> list[Mask]:
    """The large connected regions that change; a line of text is too thin, a block of it too full of text."""
    thick = cv2.morphologyEx(seen.changing.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    thick[seen.drawn] = 0  # what is drawn parts the two images of a dual display
    thick = cv2.morphologyEx(thick, cv2.MORPH_OPEN, np.ones((7, 7), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(thick, connectivity=4)
    sizes = stats[1:count, cv2.CC_STAT_AREA]
    least = max(_LEAST_IMAGE * thick.size, _SECOND * sizes.max(initial=0))
    order = [int(i) + 1 for i in np.argsort(-sizes) if sizes[i] >= least][:_MOST]
    return [part for label in order if text[part := labels == label].mean() <= _TEXT_SHARE]


def _keep(part: Mask, seen: Survey, text: Mask) -> KeepRegion | None:
    """The largest rectangle of an image's cells and the plain ground between them, less the margin."""
    image = part & seen.changing
    rows, columns = np.nonzero(image.any(axis=1))[0], np.nonzero(image.any(axis=0))[0]
    window = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    allowed = np.zeros_like(part)
    allowed[window] = (part | seen.plain)[window] & ~seen.drawn[window]
    whole, less = largest(allowed), largest(allowed & ~text)
    left, top, right, bottom = less if _area(less) >= _SHRUNK * _area(whole) else whole
    left, top, right, bottom = left + _MARGIN, top + _MARGIN, right - _MARGIN, bottom - _MARGIN
    if (right - left) * (bottom - top) < _LEAST_IMAGE / 2 * part.size or right <= left:
        return None
    return KeepRegion(left=left * CELL, top=top * CELL, right=right * CELL, bottom=bottom * CELL)


def _area(box: tuple[int, int, int, int]) -> int:
    return (box[2] - box[0]) * (box[3] - box[1])


def _template(
    name: str, version: int, seen: Survey, images: list[Mask], keep: list[KeepRegion]
) -> LayoutTemplate:
    image = np.any(images, axis=0)
    chrome = ~(with_room(seen.changing & ~image, seen.plain, _ROOM) | seen.changing)
    for r in keep:
        chrome[r.top // CELL : r.bottom // CELL, r.left // CELL : r.right // CELL] = False
    if chrome.sum() < chrome.size // 50:
        raise LearnError("nothing_to_hold_on_to")
    levels = np.where(chrome, np.clip(seen.levels.round(), 0, 255), 0).astype(np.uint8)
    return LayoutTemplate(
        name=name,
        version=version,
        rows=seen.shape[0],
        columns=seen.shape[1],
        keep=keep,
        chrome=np.packbits(chrome).tobytes(),
        levels=levels.tobytes(),
    )


def _holds(template: LayoutTemplate, frames: Sequence[Pixels]) -> bool:
    """Whether the template knows its own samples, but not when moved by half the margin or zoomed."""
    if not all(matches(template, frame).matches for frame in frames):
        return False
    rows, columns = template.rows, template.columns
    step = CELL * _MARGIN / 2
    shifts = ((step, 0.0), (-step, 0.0), (0.0, step), (0.0, -step))
    moves = [np.array([[1, 0, x], [0, 1, y]], np.float32) for x, y in shifts]
    moves += [np.array([[z, 0, columns / 2 * (1 - z)], [0, z, rows / 2 * (1 - z)]]) for z in (0.97, 1.03)]
    return not any(matches(template, _moved(frames[0], move)).matches for move in moves)


def _moved(frame: Pixels, move: NDArray[Any]) -> Pixels:
    size = (frame.shape[1], frame.shape[0])
    return np.asarray(cv2.warpAffine(frame, move, size, borderMode=cv2.BORDER_REPLICATE), np.uint8)
