"""Laterality and orientation markers: what of the found texts may stay. Pure.

A lone L, R, A, P, H, F, S or I on an image says where left is, and losing it is an error, too. Two
things may stay: a letter of this list with nothing beside it, told by its shape; and what the detector
takes for a letter and has no strokes of ink: a ventricle, a tumour. All else goes, a marker in letters
of unusual shape included. What no rule can tell: initials of such letters far apart from each other are
taken for markers, and two letters in faint gray for anatomy. More than `_MOST` in one image are no
markers, and all go.
"""

from __future__ import annotations

from edge.anonymize.geometry import Box
from edge.anonymize.scanner import glyph
from edge.imaging.frames import Pixels

_BLOB, _LETTER = 1.5, 2.5
"""Longer side by shorter: of a shape that is no word, at most; of the narrowest letter, with its margin."""
_APART = 1.5
"""Sizes of a glyph around it in which nothing else may stand: letters of one word are nearer."""
_WIDER = 2.5
"""How much wider one detector's box of a glyph may be than another's that it holds."""
_CUT = 0.25
"""Overlap with the whole letter, at least, of a box that cuts it."""
_MOST = 4


def markers(image: Pixels, found: list[Box]) -> list[Box]:
    """Those of ``found`` that may stay, none if there are too many.

    Boxes of one glyph that was found twice (in two tiles, at two scales, by two detectors) count as one.

    Args:
        image: display values in which they were found.
        found: all texts of the image.
    """
    ink = [box for box in found if glyph.is_written(image, box)]
    alone = [box for box in found if not any(_beside(box, other) for other in ink)]
    single = [box for box in alone if _is_single(image, box)]
    kept = [
        box for box in alone if _holds_one(image, [twin for twin in found if _same(box, twin)], alone, single)
    ]
    places: list[Box] = []
    for box in kept:
        if not any(_same(box, place) for place in places):
            places.append(box)
    return kept if len(places) <= _MOST else []


def _holds_one(image: Pixels, twins: list[Box], alone: list[Box], single: list[Box]) -> bool:
    """Whether the tightest box of a glyph is a marker's, or the widest a letter's, with nothing beside them.

    The widest speaks for a tighter one that cuts its letter, not for one that holds something small in it.
    """
    written = [twin for twin in twins if glyph.is_written(image, twin)] or twins
    written.sort(key=lambda twin: twin.width * twin.height)
    widest = written[-1]
    whole = all(twin.overlap(widest) >= _CUT for twin in twins) and _is_letter(image, widest)
    return (written[0] in single or whole) and all(twin in alone for twin in twins)


def _is_letter(image: Pixels, box: Box) -> bool:
    return box.elongation <= _LETTER and glyph.letter(image, box) in glyph.ALLOWED


def _is_single(image: Pixels, box: Box) -> bool:
    if box.elongation <= _BLOB and not glyph.is_written(image, box):
        return True
    return _is_letter(image, box)


def _beside(box: Box, other: Box) -> bool:
    reach = _APART * max(box.width, box.height)
    return other.touches(box.padded(reach, reach)) and not _same(box, other)


def _same(a: Box, b: Box) -> bool:
    if a is b or a.overlap(b) > 0.4:
        return True
    sides = sorted(max(box.width, box.height) for box in (a, b))
    return a.shared(b) > 0.8 and sides[1] <= _WIDER * sides[0]
