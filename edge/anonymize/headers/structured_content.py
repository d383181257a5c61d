"""Content trees of structured reports (PS3.15 E.3.4, Clean Structured Content Option; PS3.3 C.17.3).

``data/structured_content.csv`` is Table E.3.4-1: the action for a content item by its concept name
and value type, with the option columns of Table E.1-1. What the table does not list is cleaned by
its value type: text by the vocabulary of descriptors, names replaced, dates shifted, UIDs replaced,
codes by the lists of PS3.16. An item whose concept name is no public code goes with its children.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from functools import lru_cache
from importlib import resources

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from edge.anonymize.headers import codes
from edge.anonymize.headers.options import Options
from edge.anonymize.headers.profile import Action, resolve
from edge.anonymize.headers.values import is_uid

_DATES = frozenset({"DATE", "TIME", "DATETIME"})
_VALUES = {
    "TEXT": "TextValue",
    "CODE": "ConceptCodeSequence",
    "NUM": "MeasuredValueSequence",
    "PNAME": "PersonName",
    "DATE": "Date",
    "TIME": "Time",
    "DATETIME": "DateTime",
    "UIDREF": "UID",
    "IMAGE": "ReferencedSOPSequence",
    "COMPOSITE": "ReferencedSOPSequence",
    "WAVEFORM": "ReferencedSOPSequence",
    "SCOORD": "GraphicData",
    "SCOORD3D": "GraphicData",
    "TCOORD": "TemporalRangeType",
    "CONTAINER": "",
}
"""Attribute that holds the value of each value type that may stay; tables go."""
_NEED_A_NAME = frozenset({"TEXT", "NUM", "CODE", "DATE", "TIME", "DATETIME", "UIDREF", "PNAME"})
_SUBJECT_AGE = ("DCM", "121033")
_OLDEST = 90


@lru_cache(maxsize=1)
def _table() -> dict[tuple[str, str, str], dict[str, str]]:
    text = (resources.files("edge.anonymize") / "data" / "structured_content.csv").read_text("ascii")
    return {(row["scheme"], row["code"], row["value_type"]): row for row in csv.DictReader(text.splitlines())}


def size() -> int:
    """How many rows Table E.3.4-1 has."""
    return len(_table())


def action(scheme: str, code: str, value_type: str, options: Options) -> tuple[Action, str] | None:
    """Action for a content item and the option column it is from; None if the table does not list it."""
    row = _table().get((*codes.present(scheme, code), value_type))
    return None if row is None else resolve(row, options, is_date=value_type in _DATES)


def clean_content(
    items: Iterable[Dataset],
    options: Options,
    clean: Callable[[Dataset], bool],
    named: Callable[[str], bool],
) -> list[Dataset]:
    """The content items that may stay, cleaned, with their children.

    Args:
        items: of Content Sequence or another sequence of content items.
        options: those in force.
        clean: applies Table E.1-1 to an item in place, False if it may not stay; for nested Content
            Sequences it comes back here.
        named: whether a text holds a word that names somebody.
    """
    return [item for item in items if _stays(item, options, clean, named)]


def _stays(
    item: Dataset, options: Options, clean: Callable[[Dataset], bool], named: Callable[[str], bool]
) -> bool:
    value_type = str(item.get("ValueType", "") or "").strip()
    names = list(item.get("ConceptNameCodeSequence", None) or [])
    if not value_type:  # by reference: nothing but the position of another item
        return clean(item) and "ReferencedContentItemIdentifier" in item
    if value_type not in _VALUES or len(names) > 1 or (not names and value_type in _NEED_A_NAME):
        return False
    concept = codes.of(names[0]) if names else ("", "")
    found = action(*concept, value_type, options)
    if found is None and names and codes.meaning(*concept) is None:
        return False
    act, _ = found or ("judge", "")
    if act == "X":
        return False
    original = (
        item.get(_VALUES[value_type], None) if act == "K" and value_type in {"TEXT", "UIDREF"} else None
    )
    title = codes.meaning(*concept) or concept[1]
    if not clean(item):
        return False
    if names:
        _name(item, concept, concept[1] if named(title) else title)
    return _settle(item, value_type, act, original, concept, named)


def _name(item: Dataset, concept: tuple[str, str], title: str) -> None:
    """Put the concept name back: Table E.3.4-1 lists codes that no context group of PS3.16 does."""
    kept = Dataset()
    kept.CodeValue, kept.CodingSchemeDesignator, kept.CodeMeaning = concept[1], concept[0], title
    item.ConceptNameCodeSequence = Sequence([kept])


def _settle(
    item: Dataset,
    value_type: str,
    act: Action,
    original: object,
    concept: tuple[str, str],
    named: Callable[[str], bool],
) -> bool:
    if value_type == "TEXT":
        if act == "K" and original is not None and not named(str(original)):
            item.TextValue = str(original)
        elif act in {"D", "Z"} or not item.get("TextValue", ""):
            item.TextValue = "REMOVED"
    elif value_type == "PNAME":
        item.PersonName = "REMOVED"
    elif value_type == "UIDREF" and act == "K" and is_uid(str(original)) and not named(str(original)):
        item.UID = str(original)
    elif value_type == "NUM" and concept == _SUBJECT_AGE:
        for measured in item.get("MeasuredValueSequence", None) or []:
            years = codes.of(next(iter(measured.get("MeasurementUnitsCodeSequence", None) or []), Dataset()))
            if years == ("UCUM", "a") and float(measured.get("NumericValue", 0) or 0) >= _OLDEST:
                measured.NumericValue = _OLDEST
    keyword = _VALUES[value_type]
    return value_type in {"CONTAINER", "NUM"} or bool(item.get(keyword, None))


def dummy_content() -> list[Dataset]:
    """What takes the place of a content tree without the option (action D): one comment without words."""
    item = Dataset()
    item.RelationshipType, item.ValueType = "CONTAINS", "TEXT"
    _name(item, ("DCM", "121106"), "Comment")
    item.TextValue = "REMOVED"
    return [item]
