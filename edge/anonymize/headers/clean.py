"""DICOM headers by PS3.15 Annex E: the Basic Profile and its options, recursively.

What Table E.1-1 lists is treated as `profile` resolves it; what it does not list is judged by its VR
(`values`): numbers and code strings stay if they are what their VR says, free text keeps the words of
the vocabulary, bytes go unless they are pixels or look-up tables, private attributes go unless known
safe and asked for, UIDs are replaced, dates are shifted or removed. Every value that stays is searched
for the words that name somebody in the original.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pydicom.datadict import dictionary_has_tag, keyword_for_tag
from pydicom.dataelem import DataElement, RawDataElement, convert_raw_data_element
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag

from edge.anonymize.headers import codes, graphics, structured_content, values
from edge.anonymize.headers.characteristics import age_at_study
from edge.anonymize.headers.descriptors import clean_descriptor
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
    if years is not None:
        dataset.PatientAge = years
    dataset.PatientName = dataset.PatientID = remap.pseudonym()
    dataset.PatientIdentityRemoved = "YES"
    # What an object says of its pixels is neither believed nor passed on; what was done to them is said.
    is_image = "Rows" in dataset
    done = replace(
        options,
        clean_pixel_data=options.clean_pixel_data and is_image,
        clean_recognizable_visual_features=options.clean_recognizable_visual_features and is_image,
    )
    if done.clean_pixel_data:
        dataset.BurnedInAnnotation = "NO"
    if done.clean_recognizable_visual_features:
        dataset.RecognizableVisualFeatures = "NO"
    dataset.DeidentificationMethod = done.method()
    dataset.DeidentificationMethodCodeSequence = done.codes()
    dataset.LongitudinalTemporalInformationModified = "MODIFIED" if options.modified_dates else "REMOVED"


def foreign(dataset: Dataset) -> Dataset:
    """What `clean` left of the original: ``dataset`` without what `clean` itself wrote into it.

    Its own text may hold the same words as a name, such as Profile or Pixel.
    """
    result = Dataset()
    for tag in dataset.keys():  # noqa: SIM118  # iterating gives elements, and would parse each
        if keyword_for_tag(tag) not in _OWN:
            result[tag] = dataset.get_item(tag)
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
        self._parents: list[Dataset] = []

    def top(self, dataset: Dataset) -> None:
        """Clean the data set that holds all others."""
        for keyword in ("BurnedInAnnotation", "RecognizableVisualFeatures"):
            if keyword in dataset:
                del dataset[keyword]
        self.dataset(dataset)
        if self._other_scripts:
            dataset.SpecificCharacterSet = "ISO_IR 192"

    def dataset(self, dataset: Dataset) -> None:
        """Clean a data set in place, and all that it holds."""
        self._parents.append(dataset)
        creators: dict[tuple[int, int], str] | None = None
        kept_blocks: set[tuple[int, int]] = set()
        removed: list[BaseTag] = []
        for tag in list(dataset.keys()):
            number = int(tag)
            if number & 0x10000:
                if self._options.retain_safe_private and number & 0xFFFF > 0xFF:
                    creators = _creators(dataset) if creators is None else creators
                    block = (number >> 16, number >> 8 & 0xFF)
                    kept = self._attempt(self._private, dataset, tag, creators.get(block, ""))
                    if kept is not None:
                        kept_blocks.add(block)
                else:
                    kept = None
            else:
                kept = self._attempt(self._public, dataset, tag, "")
            if kept is None:
                removed.append(tag)
            elif kept is not dataset.get_item(tag):
                dataset[tag] = kept
        for tag in removed:
            if not (kept_blocks and (int(tag) >> 16, int(tag) & 0xFFFF) in kept_blocks):
                del dataset[tag]
        self._parents.pop()

    def _attempt(
        self, rule: Callable[[Dataset, BaseTag, str], _Item | None], dataset: Dataset, tag: BaseTag, arg: str
    ) -> _Item | None:
        try:
            return rule(dataset, tag, arg)
        except Exception:  # noqa: BLE001  # a value that no parser reads is no value to keep
            return None

    def named(self, text: str) -> bool:
        """Whether a text holds a word that names somebody."""
        folded = text.upper()
        return any(name in folded for name in self._long_names)

    def _public(self, dataset: Dataset, tag: BaseTag, _: str) -> _Item | None:
        number = int(tag)
        rule = self._rule(number)
        if rule.action == "X" or not rule.vr or number < 0x00080000 or number & 0xFFFF == 0:
            return None
        if number >> 24 in {0x50, 0x60}:  # curves and overlays: their bits may draw a name
            return None
        item = dataset.get_item(tag)
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
            return _raw(item, vr, values.each(_text(item), self._remap.equipment).encode())
        if rule.action == "K" and vr in _TEXT | {"PN", "UR"} and rule.option != "patient":
            return self._as_it_is(dataset[tag])
        return self._judged(dataset, item, vr, rule)

    def _private(self, dataset: Dataset, tag: BaseTag, creator: str) -> _Item | None:
        vr = safe_vr(creator, int(tag))
        if vr is None:
            return None
        item = dataset.get_item(tag)
        rule = Rule(JUDGE, "private", vr, "", (1, None))
        if item.VR not in {None, "UN"}:
            vr = item.VR
        elif vr != "SQ":
            item = item if not item.is_raw else item._replace(VR=vr)
        return self._sequence(dataset[tag], rule) if vr == "SQ" else self._judged(dataset, item, vr, rule)

    def _sequence(self, element: DataElement, rule: Rule) -> DataElement | None:
        number = int(element.tag)
        items = element.value if isinstance(element.value, Sequence) else Sequence()
        if rule.option == "structured":
            cleaned = structured_content.clean_content(items, self._options, self.dataset, self.named)
        elif number == _CONTENT:
            cleaned = structured_content.dummy_content()
        elif rule.action == "Z":
            cleaned = Sequence()
        elif number == _GRAPHIC_ANNOTATIONS and rule.option != "graphics":
            return None
        else:
            cleaned = Sequence([item for item in items if self._item(item)])
            if number == _GRAPHIC_ANNOTATIONS:
                cleaned = graphics.clean_annotations(cleaned)
        return DataElement(element.tag, "SQ", cleaned)

    def _item(self, item: Dataset) -> bool:
        """Clean an item of a sequence; False if it may not stay."""
        self.dataset(item)
        if _CHARACTER_SET in item:
            del item[_CHARACTER_SET]
        return not codes.is_code(item) or codes.clean_code(item, self.named)

    def _judged(self, dataset: Dataset, item: _Item, vr: str, rule: Rule) -> _Item | None:
        if vr in values.SIZES:
            raw = item.value if item.is_raw else _packed(item.value, vr)
            fits = raw is not None and values.binary(raw, vr, rule.vm, self._raw_names)
            if vr == "AT" and fits:
                fits = all(dictionary_has_tag(tag) for tag in _tags(dataset[item.tag].value))
            return item if fits else _raw(item, vr, b"")
        if vr == "CS":
            text = _text(item).rstrip(" \0")
            kept = values.code_string(text, rule.keyword, self._long_names)
            return item if kept == text else _raw(item, vr, kept.encode())
        if vr in {"DS", "IS"}:
            found = values.number_string(_text(item), vr, rule.vm, rule.keyword, self._names)
            return item if found is not None else _raw(item, vr, b"")
        if vr == "UI":
            return self._uids(item, keep=self._options.retain_uids)
        if vr in _TIMES:
            return self._moved(item, vr) if self._options.modified_dates else None
        if vr in _TEXT:
            return self._free_text(item, vr, rule)
        if vr == "AS":
            return _raw(item, vr, values.age(_text(item)).encode())
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
        text = _text(item)
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

        text = _text(item)
        kept = values.each(text, new)
        return item if kept == text else _raw(item, "UI", kept.encode())

    def _moved(self, item: _Item, vr: str) -> _Item:
        move = {"DA": self._remap.date, "DT": self._remap.datetime, "TM": time_of_day}[vr]
        return _raw(item, vr, values.each(_text(item), lambda value: move(value) or "").encode())

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
    for tag in dataset.keys():  # noqa: SIM118
        if tag.is_private_creator:
            found[int(tag) >> 16, int(tag) & 0xFF] = _text(dataset.get_item(tag)).strip()
    return found


def _text(item: _Item) -> str:
    """A value as text, its values parted by backslashes. Other scripts are not decoded: no rule keeps them."""
    value: Any = item.value
    if item.is_raw:
        return (value or b"").decode("latin-1")
    if isinstance(value, (list, tuple)) or hasattr(value, "__iter__") and not isinstance(value, (str, bytes)):
        return "\\".join(str(part) for part in value)
    return value.decode("latin-1") if isinstance(value, bytes) else str(value if value is not None else "")


def _raw(item: _Item, vr: str, value: bytes) -> RawDataElement:
    """An element with another encoded value, to be written as it is."""
    if len(value) % 2:
        value += b"\0" if vr == "UI" else b" "
    little_endian = item.is_little_endian if item.is_raw else True
    return RawDataElement(BaseTag(item.tag), vr, len(value), value, 0, False, little_endian)


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
