"""The rules of PS3.15 Annex E for a data set and all that it holds: one decision an attribute."""

from __future__ import annotations

import operator

from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag

from edge.anonymize.headers import codes, graphics, structured_content
from edge.anonymize.headers.by_vr import ByVR, Item, dummy, encoded
from edge.anonymize.headers.encoded import text_of
from edge.anonymize.headers.options import Options
from edge.anonymize.headers.profile import JUDGE, Rule, profile
from edge.anonymize.headers.remap import Remap
from edge.anonymize.headers.safe_private import safe_vr

_TIMES = frozenset({"DA", "DT", "TM"})
_RETAINED_TEXT = frozenset({"LO", "LT", "SH", "ST", "UC", "UT", "PN", "UR"})
_NAMES_RETAINED = frozenset({"device", "institution"})
"""Options under which text stays as it is; other text that is kept is cleaned (E.3.7)."""
_CHARACTER_SET = 0x00080005
_GRAPHIC_ANNOTATIONS = 0x00700001
_CONTENT = 0x0040A730
_PRIVATE = 0x10000
_FIRST = 0x00080000
"""Groups below are those of commands, files and directories."""
_CURVES, _OVERLAYS = 0x50, 0x60


class Attributes:
    """The rules for one object.

    Args:
        remap: replacements for its patient.
        options: those in force.
        names: words that name somebody in it, upper case.
    """

    def __init__(self, remap: Remap, options: Options, names: frozenset[str]) -> None:
        self._options = options
        self._rule = profile(options).rule
        self._values = ByVR(remap, options, names)

    def clean(self, dataset: Dataset) -> None:
        """Clean the data set that holds all others, in place."""
        if self._dataset(dataset) and not codes.clean_code(dataset, self._values.named):
            for keyword in codes.KEYWORDS & set(dataset.dir()):
                del dataset[keyword]
        if self._values.kept_other_scripts:
            dataset.SpecificCharacterSet = "ISO_IR 192"

    def _dataset(self, dataset: Dataset) -> bool:
        """Clean a data set in place; whether it has attributes of a coded entry."""
        kept_creators: set[int] = set()
        removed: list[BaseTag] = []
        coded = False
        for key, item in list(dataset.items()):
            tag = int(key)
            kept: Item | None = None
            try:
                present = _read(dataset, key, item)
                if not tag & _PRIVATE:
                    rule = self._rule(tag)
                    coded |= rule.keyword in codes.KEYWORDS
                    kept = self._public(dataset, tag, present, rule)
                elif self._options.retain_safe_private and tag & 0xFFFF > 0xFF:
                    kept = self._private(dataset, tag, present)
            except Exception:  # noqa: BLE001  # a value that no parser reads is no value to keep
                kept = None
            if kept is None:
                removed.append(key)
                continue
            if kept is not item:
                dataset[key] = kept
            if tag & _PRIVATE:
                kept_creators.add(_creator_tag(tag))
        for key in removed:
            if key not in kept_creators:
                del dataset[key]
        return coded

    def _public(self, dataset: Dataset, tag: int, item: Item, rule: Rule) -> Item | None:
        if rule.action == "X" or not rule.vr or tag < _FIRST or tag & 0xFFFF == 0:
            return None
        if tag >> 24 in {_CURVES, _OVERLAYS}:  # their bits may draw a name
            return None
        vr = item.VR or rule.vr
        if vr == "SQ":
            return self._sequence(dataset[tag], rule)
        if rule.action == JUDGE:
            return self._values.judge(dataset, item, vr, rule)
        return self._listed(dataset, item, vr, rule)

    def _listed(self, dataset: Dataset, item: Item, vr: str, rule: Rule) -> Item | None:
        """An attribute that Table E.1-1 lists, unless it goes."""
        if rule.action == "Z":
            return encoded(item, vr, "")
        if rule.action == "D":
            return dummy(item, vr)
        if rule.action == "U" or "UI" in {vr, rule.vr}:
            return self._values.uids(item, keep=rule.action == "K")
        if rule.action == "C" and vr in _TIMES:
            return self._values.moved(item, vr)
        if rule.action == "C" and rule.option == "device":
            return self._values.equipment(item, vr)
        if rule.action == "K" and vr in _RETAINED_TEXT and rule.option in _NAMES_RETAINED:
            return self._values.as_it_is(dataset[item.tag])
        return self._values.judge(dataset, item, vr, rule)

    def _private(self, dataset: Dataset, tag: int, item: Item) -> Item | None:
        creator = _creator_tag(tag)
        said = text_of(dataset.get_item(creator)).strip(" \0") if creator in dataset else ""
        vr = safe_vr(said, tag)
        if vr is None:
            return None
        rule = Rule(JUDGE, "", vr, "", (1, None))
        if item.VR not in {None, "UN"}:
            vr = item.VR
        elif isinstance(item, RawDataElement):
            item = item._replace(VR=vr)
        if vr == "SQ":
            return self._sequence(dataset[tag], rule)
        return self._values.judge(dataset, item, vr, rule)

    def _sequence(self, element: DataElement, rule: Rule) -> DataElement | None:
        items = list(element.value or [])
        if rule.option == "structured":
            cleaned = structured_content.clean_content(items, self._options, self._item, self._values.named)
        elif element.tag == _CONTENT:
            cleaned = structured_content.dummy_content()
        elif rule.action == "Z":
            cleaned = []
        elif element.tag == _GRAPHIC_ANNOTATIONS and rule.option != "graphics":
            return None
        else:
            cleaned = [item for item in items if self._item(item)]
            if element.tag == _GRAPHIC_ANNOTATIONS:
                cleaned = graphics.clean_annotations(cleaned)
        if len(cleaned) == len(items) and all(map(operator.is_, cleaned, items)):
            return element
        return DataElement(element.tag, "SQ", Sequence(cleaned))

    def _item(self, item: Dataset) -> bool:
        """Clean an item of a sequence; False if it may not stay."""
        coded = self._dataset(item)
        if _CHARACTER_SET in item:
            del item[_CHARACTER_SET]
        return not coded or codes.clean_code(item, self._values.named)


def _creator_tag(tag: int) -> int:
    """Tag of the Private Creator of a private attribute's block (PS3.5 7.8.1)."""
    return tag & 0xFFFF0000 | tag >> 8 & 0xFF


def _read(dataset: Dataset, key: BaseTag, item: Item) -> Item:
    """The element with its value, if reading it was deferred."""
    deferred = isinstance(item, RawDataElement) and item.value is None and item.length
    return dataset[key] if deferred else item
