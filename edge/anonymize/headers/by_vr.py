"""The value of one attribute under the rules of `values`: kept as it is encoded, or encoded anew."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from typing import Any

from pydicom.datadict import dictionary_has_tag
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset

from edge.anonymize.headers import codes, values
from edge.anonymize.headers.descriptors import clean_descriptor
from edge.anonymize.headers.encoded import raw_element, text_of
from edge.anonymize.headers.identity import encoded_forms, tells, values_of
from edge.anonymize.headers.options import Options
from edge.anonymize.headers.profile import JUDGE, Rule
from edge.anonymize.headers.remap import Remap, time_of_day

Item = DataElement | RawDataElement

_BYTES_KEPT = re.compile(r"(?:Segmented)?(?:Red|Green|Blue|Alpha)PaletteColorLookupTableData|LUTData")
_BULK = frozenset({"OB", "OW", "OB or OW", "US or OW", "US or SS or OW"})
_MULTIPLE = frozenset({"LO", "SH", "UC"})
"""VRs of text in which a backslash parts values (PS3.5 6.2)."""
_TIMES = frozenset({"DA", "DT", "TM"})


class ByVR:
    """The rules for the values of one object.

    Args:
        remap: replacements for its patient.
        options: those in force.
        names: words that name somebody in it, upper case.
    """

    def __init__(self, remap: Remap, options: Options, names: frozenset[str]) -> None:
        self._remap = remap
        self._options = options
        self._names = names
        self._long_names = tuple(filter(tells, names))
        self._raw_names = tuple(form for name in self._long_names for form in encoded_forms(name))
        self._rules: dict[str, Callable[[Dataset, Item, str, Rule], Item | None]] = {
            **dict.fromkeys(values.SIZES, self._binary),
            **dict.fromkeys(("DS", "IS"), self._number_string),
            **dict.fromkeys(("LO", "LT", "SH", "ST", "UC", "UT"), self._free_text),
            **dict.fromkeys(("PN", "AE", "UR"), lambda _, item, vr, __: encoded(item, vr, "")),
            **dict.fromkeys(_TIMES, lambda _, item, vr, __: self._time(item, vr)),
            **dict.fromkeys(_BULK, self._bytes),
            "CS": self._code_string,
            "UI": lambda _, item, __, ___: self.uids(item, keep=self._options.retain_uids),
            "AS": lambda _, item, vr, __: encoded(item, vr, values.age(text_of(item))),
        }
        self.kept_other_scripts = False
        """Whether text that is not ASCII was kept."""

    def named(self, text: str) -> bool:
        """Whether a text holds a word that names somebody."""
        return any(map(text.upper().__contains__, self._long_names))

    def judge(self, dataset: Dataset, item: Item, vr: str, rule: Rule) -> Item | None:
        """What of a value may stay by its VR; None if the attribute goes."""
        vr = "US" if vr == "US or SS" else vr
        by_vr = self._rules.get(vr)
        return None if by_vr is None else by_vr(dataset, item, vr, rule)

    def uids(self, item: Item, *, keep: bool) -> Item:
        """UIDs replaced, or kept if they are UIDs and no number in them names the patient."""

        def new(value: str) -> str:
            if not value or (keep and values.is_uid(value) and not self.named(value)):
                return value
            return self._remap.uid(value)

        return encoded(item, "UI", values.each(text_of(item), new))

    def equipment(self, item: Item, vr: str) -> Item:
        """AE titles and network names replaced."""
        return encoded(item, vr, values.each(text_of(item), self._remap.equipment))

    def moved(self, item: Item, vr: str) -> Item:
        """Dates shifted, times of day as they are."""
        move = {"DA": self._remap.date, "DT": self._remap.datetime, "TM": time_of_day}[vr]
        return encoded(item, vr, values.each(text_of(item), lambda value: move(value) or ""))

    def as_it_is(self, element: DataElement) -> DataElement:
        """Text that an option retains, emptied if it names somebody."""
        text = "\\".join(map(str, values_of(element.value)))
        if self.named(text):
            return DataElement(element.tag, element.VR, "")
        self.kept_other_scripts |= not text.isascii()
        return DataElement(element.tag, element.VR, element.value)

    def _time(self, item: Item, vr: str) -> Item | None:
        return self.moved(item, vr) if self._options.modified_dates else None

    def _binary(self, dataset: Dataset, item: Item, vr: str, rule: Rule) -> Item | None:
        if vr not in rule.vr.split(" or "):  # a name under another VR would pass for numbers
            return None
        raw = item.value if isinstance(item, RawDataElement) else _packed(item.value, vr)
        fits = values.binary(raw or b"", vr, rule.vm, self._raw_names)
        if fits and vr == "AT":
            fits = all(map(dictionary_has_tag, values_of(dataset[item.tag].value)))
        return item if fits else encoded(item, vr, "")

    def _code_string(self, _: Dataset, item: Item, vr: str, rule: Rule) -> Item:
        return encoded(item, vr, values.code_string(text_of(item), rule.keyword, self._long_names))

    def _number_string(self, _: Dataset, item: Item, vr: str, rule: Rule) -> Item:
        kept = values.number_string(text_of(item), vr, rule.vm, rule.keyword, self._names)
        return item if kept is not None else encoded(item, vr, "")

    def _free_text(self, _: Dataset, item: Item, vr: str, rule: Rule) -> Item:
        if rule.keyword in codes.KEYWORDS:
            return item  # judged with its data set
        if not self._options.clean_descriptors and rule.action == JUDGE:
            return encoded(item, vr, "")
        text = text_of(item)
        parts = text.split("\\") if vr in _MULTIPLE else [text]
        kept = [clean_descriptor(part, self._names, self._long_names) for part in parts]
        return encoded(item, vr, "\\".join(part for part in kept if part))

    def _bytes(self, dataset: Dataset, item: Item, _: str, rule: Rule) -> Item | None:
        if rule.keyword == "PixelData":
            return item
        if not _BYTES_KEPT.fullmatch(rule.keyword):
            return None
        value = dataset[item.tag].value
        data = (value if isinstance(value, bytes) else _packed(value, "US")).upper()
        if any(map(data.__contains__, self._raw_names)):
            return None
        return dataset[item.tag] if _fits_descriptor(dataset, rule.keyword, len(data)) else None


def encoded(item: Item, vr: str, text: str) -> Item:
    """The element with another ASCII value, encoded; the same element if the value is the same."""
    value = text.encode("ascii")
    if isinstance(item, RawDataElement):
        if item.VR and (item.value or b"").rstrip(b" \0") == value:
            return item
        return raw_element(item.tag, vr, value, little_endian=item.is_little_endian)
    return raw_element(item.tag, vr, value)


def dummy(item: Item, vr: str) -> Item:
    """The element with a value that says nothing (action D)."""
    return raw_element(item.tag, vr, values.dummy(vr))


def _packed(value: Any, vr: str) -> bytes:
    """Numbers as they are encoded, little endian."""
    numbers = values_of(value)
    if vr == "AT":
        return b"".join(struct.pack("<HH", int(tag) >> 16, int(tag) & 0xFFFF) for tag in numbers)
    return struct.pack(f"<{len(numbers)}{values.FORMATS[vr]}", *numbers)


def _fits_descriptor(dataset: Dataset, keyword: str, size: int) -> bool:
    """Whether a look-up table is as long as its descriptor says (PS3.3 C.7.6.3.1.5, C.11.1)."""
    if keyword.startswith("Segmented"):
        return True
    descriptor = dataset.get(keyword.removesuffix("Data") + "Descriptor", None)
    if descriptor is None or len(descriptor) != 3:
        return False
    entries = int(descriptor[0]) & 0xFFFF or 0x10000
    return size in {entries, entries + entries % 2, 2 * entries}
