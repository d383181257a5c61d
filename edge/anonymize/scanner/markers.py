"""Laterality and orientation markers: what of the found texts may stay. Pure.

A lone glyph (L, R, A, P, H, F on a radiograph) says where left is, and losing it is an error, too.
Without OCR a glyph is told from a word by its shape alone: about as long as it is wide, and nothing
beside it. That lets stay, too, what the detector takes for one letter and is none: a ventricle, a
tumour. What it cannot tell: a name of one ideograph, or initials apart from each other; more than
`_MOST` of them in one image are no markers, and all go.
"""

from __future__ import annotations

from edge.anonymize.geometry import Box

_ELONGATION = 1.5
"""Longer side by shorter, from which a text has more than one letter; two letters have about 1.6."""
_APART = 1.5
"""Sizes of a glyph around it in which nothing else may stand: letters of one word are nearer."""
_MOST = 4


def lone_glyphs(found: list[Box]) -> list[Box]:
    """Those of ``found`` that are single glyphs by themselves, none if there are too many.

    Boxes of one glyph that was found twice (in two tiles, at two scales) count as one.
    """
    lone: list[Box] = []
    places: list[Box] = []
    for box in found:
        if box.elongation > _ELONGATION:
            continue
        reach = _APART * max(box.width, box.height)
        around = box.padded(reach, reach)
        beside = [other for other in found if other.touches(around) and not _same(box, other)]
        twins = [other for other in found if _same(box, other)]
        if beside or any(other.elongation > _ELONGATION for other in twins):
            continue
        lone.append(box)
        if not any(_same(box, place) for place in places):
            places.append(box)
    return lone if len(places) <= _MOST else []


def _same(a: Box, b: Box) -> bool:
    return a is b or a.overlap(b) > 0.4
