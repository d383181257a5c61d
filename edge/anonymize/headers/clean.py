"""DICOM headers by PS3.15 Annex E: the Basic Profile and its options, recursively.

What Table E.1-1 lists is treated as `profile` resolves it; what it does not list is judged by its VR
(`values`): numbers and code strings stay if they are what their VR says, free text keeps the words of
the vocabulary, bytes go unless they are pixels or look-up tables, private attributes go unless known
safe and asked for, UIDs are replaced, dates are shifted or removed. Every value that stays is searched
for the words that name somebody in the original.
"""

from __future__ import annotations

import operator
import re
import struct
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from io import BytesIO
from typing import Any

from pydicom import dcmread
from pydicom.datadict import dictionary_has_tag, keyword_for_tag
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag

from edge.anonymize.headers import codes, graphics, structured_content, values
from edge.anonymize.headers.characteristics import age_at_study
from edge.anonymize.headers.descriptors import clean_descriptor
from edge.anonymize.headers.encoded import encode, raw_element, text_of
from edge.anonymize.headers.identity import naming_words, patient_of, words_left
from edge.anonymize.headers.options import Options
from edge.anonymize.headers.profile import JUDGE, Rule, profile
from edge.anonymize.headers.remap import Remap, time_of_day
from edge.anonymize.headers.safe_private import safe_vr

__all__ = ["METHOD", "Options", "clean", "foreign", "naming_words", "patient_of", "words_left"]

METHOD = Options().method()[0]

_TEXT = frozenset({"LO", "LT", "SH", "ST", "UC", "UT"})
_TIMES = frozenset({"DA", "DT", "TM"})
_BYTES_KEPT = re.compile(
    r"PixelData|(?:Segmented)?(?:Red|Green|Blue|Alpha)PaletteColorLookupTableData|LUTData"
)
_CODED = frozenset({"CodeValue", "CodingSchemeDesignator", "CodingSchemeVersion", "CodeMeaning"})
"""Text that `codes.clean_code` judges."""
_CODE = frozenset({"CodeValue", "LongCodeValue", "URNCodeValue", "CodeMeaning"})
"""What makes an item a coded entry (PS3.3 8.8)."""
_CHARACTER_SET = 0x00080005
_GRAPHIC_ANNOTATIONS = 0x00700001
_CONTENT = 0x0040A730
_OWN = (
    "PatientName", "PatientID", "PatientIdentityRemoved", "DeidentificationMethod",
    "DeidentificationMethodCodeSequence", "LongitudinalTemporalInformationModified", "BurnedInAnnotation",
    "RecognizableVisualFeatures",
)  # fmt: skip

_Item = DataElement | RawDataElement


def clean(dataset: Dataset, remap: Remap, options: Options) -> None:
    """De-identify ``dataset`` in place, recursively. Pixel Data is not looked at.

    Args:
        dataset: without file meta information.
        remap: replacements for this patient.
        options: those of the profile that are in force. Those about pixels are recorded, not done.
    """
    years = age_at_study(dataset) if options.retain_patient_characteristics else None
    cleaner = _Cleaner(remap, options, naming_words(dataset, options))
    cleaner.top(dataset)
    # What an object says of its pixels is neither believed nor passed on; what was done to them is said.
    is_image = "Rows" in dataset
    done = replace(
        options,
        clean_pixel_data=options.clean_pixel_data and is_image,
        clean_recognizable_visual_features=options.clean_recognizable_visual_features and is_image,
    )
    pseudonym = remap.pseudonym().encode()
    own = {0x00100010: ("PN", pseudonym), 0x00100020: ("LO", pseudonym), **_statements(done)}
    if years is not None:
        own[0x00101010] = ("AS", years.encode())
    for tag, (vr, value) in own.items():
        dataset[tag] = raw_element(tag, vr, value)
    if dataset.original_encoding[0] is True:  # pydicom would copy the explicit VRs of the items as they are
        dataset.DeidentificationMethodCodeSequence = done.codes()


@lru_cache(maxsize=32)
def _statements(options: Options) -> dict[int, tuple[str, bytes]]:
    """What a cleaned object says of its cleaning (PS3.15 E.1.1 item 6, E.3.1, E.3.2, E.3.6), encoded."""
    said = Dataset()
    said.PatientIdentityRemoved = "YES"
    said.DeidentificationMethod = options.method()
    said.DeidentificationMethodCodeSequence = options.codes()
    said.LongitudinalTemporalInformationModified = "MODIFIED" if options.modified_dates else "REMOVED"
    if options.clean_pixel_data:
        said.BurnedInAnnotation = "NO"
    if options.clean_recognizable_visual_features:
        said.RecognizableVisualFeatures = "NO"
    encoded = dcmread(BytesIO(encode(said)), force=True)
    return {int(item.tag): (str(item.VR), bytes(item.value)) for item in encoded.elements()}


def foreign(dataset: Dataset) -> Dataset:
    """What `clean` left of the original: ``dataset`` without what `clean` itself wrote into it.

    Its own text may hold the same words as a name, such as Profile or Pixel.
    """
    result = Dataset()
    for tag, item in dataset.items():
        if keyword_for_tag(tag) not in _OWN:
            result[tag] = item
    return result


class _Cleaner:
    """The rules for one object: its patient's replacements and the words that must not stay."""

    def __init__(self, remap: Remap, options: Options, names: frozenset[str]) -> None:
        self._remap = remap
        self._options = options
        self._rule = profile(options).rule
        self._names = names
        self._long_names = tuple(name for name in names if len(name) > 3 or not name.isascii())
        self._raw_names = tuple(name.encode() for name in names if name.isascii() and len(name) > 3)
        self._other_scripts = False

    def top(self, dataset: Dataset) -> None:
        """Clean the data set that holds all others."""
        for keyword in ("BurnedInAnnotation", "RecognizableVisualFeatures"):
            if keyword in dataset:
                del dataset[keyword]
        self.dataset(dataset)
        if self._other_scripts:
            dataset.SpecificCharacterSet = "ISO_IR 192"

    def dataset(self, dataset: Dataset) -> bool:
        """Clean a data set in place, and all that it holds; whether it has attributes of a coded entry."""
        creators: dict[tuple[int, int], str] | None = None
        kept_blocks: set[tuple[int, int]] = set()
        removed: list[int] = []
        coded = False
        for key, item in list(dataset.items()):
            tag = int(key)
            kept: _Item | None = None
            try:
                if not tag & 0x10000:
                    rule = self._rule(tag)
                    coded |= rule.keyword in _CODE
                    kept = self._public(dataset, tag, item, rule)
                elif self._options.retain_safe_private and tag & 0xFFFF > 0xFF:
                    creators = _creators(dataset) if creators is None else creators
                    block = (tag >> 16, tag >> 8 & 0xFF)
                    kept = self._private(dataset, tag, item, creators.get(block, ""))
                    if kept is not None:
                        kept_blocks.add(block)
            except Exception:  # noqa: BLE001  # a value that no parser reads is no value to keep
                kept = None
            if kept is None:
                removed.append(tag)
            elif kept is not item:
                dataset[tag] = kept
        for tag in removed:
            if (tag >> 16, tag & 0xFFFF) not in kept_blocks:
                del dataset[tag]
        return coded

    def named(self, text: str) -> bool:
        """Whether a text holds a word that names somebody."""
        folded = text.upper()
        return any(name in folded for name in self._long_names)

    def _public(self, dataset: Dataset, tag: int, item: _Item, rule: Rule) -> _Item | None:
        if rule.action == "X" or not rule.vr or tag < 0x00080000 or tag & 0xFFFF == 0:
            return None
        if tag >> 24 in {0x50, 0x60}:  # curves and overlays: their bits may draw a name
            return None
        vr = item.VR or rule.vr
        if vr == "SQ":
            return self._sequence(dataset[tag], rule)
        if rule.action == JUDGE:
            return self._judged(dataset, item, vr, rule)
        if vr in _TIMES and rule.action == "C":
            return self._moved(item, vr)
        if rule.action == "U" or (rule.action == "K" and vr == "UI"):
            return self._uids(item, keep=rule.action == "K")
        if rule.action in {"Z", "D"}:
            return _raw(item, vr, values.dummy(vr) if rule.action == "D" else b"")
        if rule.option == "device" and rule.action == "C":
            return _raw(item, vr, values.each(text_of(item), self._remap.equipment).encode())
        if rule.action == "K" and vr in _TEXT | {"PN", "UR"} and rule.option != "patient":
            return self._as_it_is(dataset[tag])
        return self._judged(dataset, item, vr, rule)

    def _private(self, dataset: Dataset, tag: int, item: _Item, creator: str) -> _Item | None:
        vr = safe_vr(creator, tag)
        if vr is None:
            return None
        rule = Rule(JUDGE, "private", vr, "", (1, None))
        if item.VR not in {None, "UN"}:
            vr = item.VR
        elif vr != "SQ":
            item = item if not item.is_raw else item._replace(VR=vr)
        return self._sequence(dataset[tag], rule) if vr == "SQ" else self._judged(dataset, item, vr, rule)

    def _sequence(self, element: DataElement, rule: Rule) -> DataElement | None:
        number = element.tag
        items = list(element.value or [])
        if rule.option == "structured":
            cleaned = structured_content.clean_content(items, self._options, self._item, self.named)
        elif number == _CONTENT:
            cleaned = structured_content.dummy_content()
        elif rule.action == "Z":
            cleaned = []
        elif number == _GRAPHIC_ANNOTATIONS and rule.option != "graphics":
            return None
        else:
            cleaned = [item for item in items if self._item(item)]
            if number == _GRAPHIC_ANNOTATIONS:
                cleaned = graphics.clean_annotations(cleaned)
        if len(cleaned) == len(items) and all(map(operator.is_, cleaned, items)):
            return element
        return DataElement(element.tag, "SQ", Sequence(cleaned))

    def _item(self, item: Dataset) -> bool:
        """Clean an item of a sequence; False if it may not stay."""
        coded = self.dataset(item)
        if _CHARACTER_SET in item:
            del item[_CHARACTER_SET]
        return not coded or codes.clean_code(item, self.named)

    def _judged(self, dataset: Dataset, item: _Item, vr: str, rule: Rule) -> _Item | None:
        if vr in values.SIZES:
            raw = item.value if item.is_raw else _packed(item.value, vr)
            fits = raw is not None and values.binary(raw, vr, rule.vm, self._raw_names)
            if vr == "AT" and fits:
                fits = all(dictionary_has_tag(tag) for tag in _tags(dataset[item.tag].value))
            return item if fits else _raw(item, vr, b"")
        if vr == "CS":
            text = text_of(item).rstrip(" \0")
            kept = values.code_string(text, rule.keyword, self._long_names)
            return item if kept == text else _raw(item, vr, kept.encode())
        if vr in {"DS", "IS"}:
            found = values.number_string(text_of(item), vr, rule.vm, rule.keyword, self._names)
            return item if found is not None else _raw(item, vr, b"")
        if vr == "UI":
            return self._uids(item, keep=self._options.retain_uids)
        if vr in _TIMES:
            return self._moved(item, vr) if self._options.modified_dates else None
        if vr in _TEXT:
            return self._free_text(item, vr, rule)
        if vr == "AS":
            return _raw(item, vr, values.age(text_of(item)).encode())
        if vr == "SQ":
            return self._sequence(dataset[item.tag], rule)
        if vr in {"PN", "AE", "UR"}:
            return _raw(item, vr, b"")
        return self._bytes(dataset, item, vr, rule)

    def _free_text(self, item: _Item, vr: str, rule: Rule) -> _Item:
        if rule.keyword in _CODED:
            return item
        if not self._options.clean_descriptors and rule.action == JUDGE:
            return _raw(item, vr, b"")
        text = text_of(item)
        if not text or text.isspace():
            return item
        parts = text.split("\\") if vr in {"LO", "SH", "UC"} else [text]
        kept = [clean_descriptor(part, self._names) for part in parts]
        return _raw(item, vr, "\\".join(part for part in kept if part).encode())

    def _as_it_is(self, element: DataElement) -> DataElement | None:
        text = str(element.value or "") if not isinstance(element.value, list) else "\\".join(element.value)
        if self.named(text):
            return DataElement(element.tag, element.VR, "")
        self._other_scripts |= not text.isascii()
        return DataElement(element.tag, element.VR, element.value)

    def _uids(self, item: _Item, *, keep: bool) -> _Item:
        def new(value: str) -> str:
            if not value:
                return ""
            if keep and values.is_uid(value) and not self.named(value):
                return value
            return self._remap.uid(value)

        text = text_of(item)
        kept = values.each(text, new)
        return item if kept == text else _raw(item, "UI", kept.encode())

    def _moved(self, item: _Item, vr: str) -> _Item:
        move = {"DA": self._remap.date, "DT": self._remap.datetime, "TM": time_of_day}[vr]
        return _raw(item, vr, values.each(text_of(item), lambda value: move(value) or "").encode())

    def _bytes(self, dataset: Dataset, item: _Item, vr: str, rule: Rule) -> _Item | None:
        if not _BYTES_KEPT.fullmatch(rule.keyword):
            return None
        if rule.keyword == "PixelData":
            return item
        element = dataset[item.tag]
        data = element.value if isinstance(element.value, bytes) else _packed(element.value, "US")
        if data is None or self._names_in(data) or not self._fits_descriptor(dataset, rule.keyword, len(data)):
            return None
        return item

    def _names_in(self, data: bytes) -> bool:
        folded = data.upper()
        return any(name in folded for name in self._raw_names)

    def _fits_descriptor(self, dataset: Dataset, keyword: str, size: int) -> bool:
        """Whether a look-up table is as long as its descriptor says (PS3.3 C.7.6.3.1.5, C.11.1)."""
        if keyword.startswith("Segmented"):
            return True
        descriptor = dataset.get(keyword.removesuffix("Data") + "Descriptor", None)
        if descriptor is None or len(descriptor) != 3:
            return False
        entries = int(descriptor[0]) & 0xFFFF or 0x10000
        return size in {entries, entries + entries % 2, 2 * entries}


def _creators(dataset: Dataset) -> dict[tuple[int, int], str]:
    """Private Creators of a data set, by group and block number (PS3.5 7.8.1)."""
    found = {}
    for tag, item in dataset.items():
        if tag.is_private_creator:
            found[int(tag) >> 16, int(tag) & 0xFF] = text_of(item).strip()
    return found


def _raw(item: _Item, vr: str, value: bytes) -> RawDataElement:
    """An element with another encoded value, to be written as it is."""
    return raw_element(item.tag, vr, value, little_endian=not item.is_raw or item.is_little_endian)


def _packed(value: Any, vr: str) -> bytes | None:
    """Numbers as they are encoded, little endian; None if they are none."""
    if value is None or value == "":
        return b""
    numbers = list(value) if hasattr(value, "__iter__") else [value]
    if vr == "AT":
        return b"".join(struct.pack("<HH", int(tag) >> 16, int(tag) & 0xFFFF) for tag in numbers)
    return struct.pack(f"<{len(numbers)}{values.FORMATS[vr]}", *numbers)


def _tags(value: Any) -> list[int]:
    return [int(tag) for tag in (value if isinstance(value, (list, tuple)) else [value] if value else [])]
