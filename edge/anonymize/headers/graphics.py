"""Graphic annotations (PS3.15 E.3.3, Clean Graphics Option; PS3.3 C.10.5).

Text goes, and so do compound graphics, which carry text. Points, circles, ellipses and polylines of
few points stay. A line of many points may be handwriting.
"""

from __future__ import annotations

from collections.abc import Iterable

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

_PLAIN = frozenset({"POINT", "CIRCLE", "ELLIPSE", "POLYLINE"})
_MOST_POINTS = 5


def clean_annotations(items: Iterable[Dataset]) -> list[Dataset]:
    """The items of Graphic Annotation Sequence (0070,0001) that still show something.

    Args:
        items: their other attributes are cleaned already.
    """
    kept = []
    for item in items:
        for keyword in ("TextObjectSequence", "CompoundGraphicSequence"):
            if keyword in item:
                del item[keyword]
        objects = [graphic for graphic in item.get("GraphicObjectSequence", None) or [] if _plain(graphic)]
        if objects:
            item.GraphicObjectSequence = Sequence(objects)
            kept.append(item)
    return kept


def _plain(graphic: Dataset) -> bool:
    points = graphic.get("NumberOfGraphicPoints", None)
    return (
        graphic.get("GraphicType", "") in _PLAIN
        and isinstance(points, int)
        and points <= _MOST_POINTS
        and len(graphic.get("GraphicData", None) or []) == 2 * points
    )
