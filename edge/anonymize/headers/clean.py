"""DICOM headers by the Basic Application Level Confidentiality Profile (PS3.15 Annex E).

What the table of the profile lists is treated as it says; what it does not list is judged by its
VR: numbers and code strings stay if they are what their VR says, free text goes, bytes go unless
they are pixels or look-up tables, private and retired elements go, UIDs are replaced, dates are
shifted or removed. At last every value is searched for the words that named a person in the original.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pydicom.datadict import dictionary_has_tag, keyword_for_tag
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence

from edge.anonymize.headers import basic_profile
from edge.anonymize.headers.codes import clean_code, method_codes
from edge.anonymize.headers.remap import Remap

METHOD = f"{basic_profile.EDITION} Basic Profile, pixels cleaned"

_TEXT = frozenset({"AE", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"})
_NUMBERS = frozenset({"AT", "FD", "FL", "SL", "SS", "SV", "UL", "US", "UV"})
_BYTES_KEPT = re.compile(
    r"PixelData|(?:Segmented)?(?:Red|Green|Blue|Alpha)PaletteColorLookupTableData|LUTData"
)
_SYNTAX = {
    "CS": re.compile(r"[A-Z0-9_ ]{0,16}"),
    "AS": re.compile(r"\d{3}[DWMY]"),
    "DS": re.compile(r"[+\- 0-9.eE]{0,16}"),
    "IS": re.compile(r"[+\- 0-9]{0,12}"),
    "TM": re.compile(r"(?:\d{2}){1,3}(?:\.\d{1,6})?"),
}
_PATIENT = ("PatientName", "PatientID")
_BIRTH = ("PatientBirthDate", "PatientBirthTime")
"""Dates that are never shifted but emptied: they are of the person, not of an event in care."""
_NAMING = (
    "PatientID", "OtherPatientIDs", "AccessionNumber", "PatientBirthDate", "PatientAddress",
    "PatientTelephoneNumbers",
    "MedicalRecordLocator", "InstitutionName", "InstitutionAddress", "PatientMotherBirthName", "StationName",
)  # fmt: skip
_CLAIMS = ("BurnedInAnnotation", "RecognizableVisualFeatures")
"""What an object says of itself is neither believed nor passed on."""
_OWN = (
    *_PATIENT, "PatientIdentityRemoved", "DeidentificationMethod", "DeidentificationMethodCodeSequence",
    "LongitudinalTemporalInformationModified",
)  # fmt: skip
_SHORTEST_WORD = 4


@dataclass(frozen=True)
class Options:
    """Options of the profile (PS3.15 E.3)."""

    modified_dates: bool = True
    """Retain Longitudinal Temporal Information with Modified Dates; else dates go as the table says."""


def naming_words(dataset: Dataset) -> frozenset[str]:
    """Words, upper case, that name a person or place in ``dataset`` at any depth."""
    words: set[str] = set()
    for element in _walk(dataset):
        if element.VR == "PN" or element.keyword in _NAMING:
            for value in _values(element.value):
                parts = [str(value), *re.split(r"[\^=\s,;/]+", str(value))]
                words |= {part.strip().upper() for part in parts if len(part.strip()) >= _SHORTEST_WORD}
    return frozenset(words)


def patient_of(dataset: Dataset) -> str:
    """What names the patient within the clinic, for `Remap`; the study if nobody is named."""
    issuer, number = (str(dataset.get(k, "") or "").strip() for k in ("IssuerOfPatientID", "PatientID"))
    if number:
        return f"id\0{issuer}\0{number}"
    name, birth = (str(dataset.get(k, "") or "").strip() for k in ("PatientName", "PatientBirthDate"))
    if name:
        return f"name\0{name}\0{birth}"
    return f"study\0{dataset.get('StudyInstanceUID', '')}"


def clean(dataset: Dataset, remap: Remap, options: Options) -> None:
    """De-identify ``dataset`` in place, recursively. Pixel Data is not looked at.

    Args:
        dataset: without file meta information.
        remap: replacements for this patient.
        options: what of the profile's options applies.
    """
    words = naming_words(dataset)
    _clean(dataset, remap, options)
    _sweep(dataset, words)
    for keyword in _CLAIMS:
        if keyword in dataset:
            del dataset[keyword]
    dataset.PatientName = dataset.PatientID = remap.pseudonym()
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = METHOD
    dataset.DeidentificationMethodCodeSequence = method_codes(modified_dates=options.modified_dates)
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


def words_left(data: bytes, words: Iterable[str]) -> int:
    """How many of ``words`` (upper case) still stand in raw bytes, in UTF-8, Latin-1 or UTF-16."""
    folded = data.upper()
    # Fewer digits than 8 stand by chance in a replaced UID.
    telling = [word for word in words if not word.isdigit() or len(word) >= 8]
    return sum(
        any(
            word.encode(how, "ignore") in folded
            for how in ("utf-8", "latin-1", "utf-16-le")
            if word.encode(how, "ignore")
        )
        for word in telling
    )


def _clean(dataset: Dataset, remap: Remap, options: Options) -> None:
    for tag in list(dataset.keys()):
        try:
            element = dataset[tag]
            kept = _treated(element, remap, options)
        except Exception:  # noqa: BLE001  # a value that no parser reads is no value to keep
            kept = None
        if kept is None:
            del dataset[tag]
        else:
            dataset[tag] = kept
    if "CodingSchemeDesignator" in dataset or "CodeMeaning" in dataset:
        clean_code(dataset)


def _treated(element: DataElement, remap: Remap, options: Options) -> DataElement | None:
    """The element as it may stay, or None."""
    tag, vr = int(element.tag), str(element.VR)
    group = tag >> 16
    action = basic_profile.action(tag)
    if element.tag.is_private or group < 8 or tag & 0xFFFF == 0 or group & 0xFF00 in {0x5000, 0x6000}:
        return None
    if action is None and not dictionary_has_tag(tag):
        return None
    keyword = keyword_for_tag(tag)
    if vr in {"DA", "DT", "TM"} and keyword not in _BIRTH and (action is None or options.modified_dates):
        if not options.modified_dates:
            return None
        return _with(element, [_moved(vr, str(v), remap) for v in _values(element.value)])
    if action == "X":
        return None
    if vr == "SQ":
        return _sequence(element, action, remap, options)
    if action == "U" or vr == "UI":
        return _with(element, [remap.uid(str(v)) for v in _values(element.value)])
    if action is not None:
        return _with(element, _dummy(vr) if action == "D" else [])
    return _by_vr(element, vr, keyword)


def _sequence(element: DataElement, action: str | None, remap: Remap, options: Options) -> DataElement:
    # Z: no items. D and U*: the items stay, cleaned by the same rules, with new UIDs.
    items = [] if action == "Z" else list(element.value or [])
    for item in items:
        _clean(item, remap, options)
    return DataElement(element.tag, "SQ", Sequence(items))


def _by_vr(element: DataElement, vr: str, keyword: str) -> DataElement | None:
    if vr in _NUMBERS:
        return element
    if vr in _SYNTAX:
        values = [str(value) for value in _values(element.value)]
        return element if all(_SYNTAX[vr].fullmatch(value) for value in values) else _with(element, [])
    if vr in _TEXT:
        return _with(element, _values(element.value) if keyword in _CODED else [])
    return element if _BYTES_KEPT.fullmatch(keyword) else None


_CODED = ("CodeValue", "CodingSchemeDesignator", "CodingSchemeVersion", "CodeMeaning")
"""Text that `codes.clean_code` judges."""


def _moved(vr: str, value: str, remap: Remap) -> str:
    if vr == "TM":
        return value if _SYNTAX["TM"].fullmatch(value.strip()) else ""
    return (remap.date(value) if vr == "DA" else remap.datetime(value)) or ""


def _dummy(vr: str) -> list[Any]:
    if vr in {"OB", "OW", "UN"}:
        return [b"\0\0"]
    dummies = {"DA": "19000101", "DT": "19000101", "TM": "000000", "CS": "REMOVED", "AS": "000Y"}
    if vr in dummies:
        return [dummies[vr]]
    if vr in {"DS", "IS"}:
        return ["0"]
    return [0] if vr in _NUMBERS else ["REMOVED"]


def _sweep(dataset: Dataset, words: frozenset[str]) -> None:
    """Empty every value in which one of ``words`` stands; UIDs and dates are replaced ones already."""
    for element in _walk(dataset):
        if element.VR in {"SQ", "UI", "DA", "DT", "TM", *_NUMBERS} or element.keyword == "PixelData":
            continue
        texts = [
            (v.decode("latin-1") if isinstance(v, bytes) else str(v)).upper() for v in _values(element.value)
        ]
        # A short number may stand in a longer one by chance: of numbers the whole value counts.
        if element.VR in {"DS", "IS"}:
            named = any(text.strip() in words for text in texts)
        else:
            named = any(word in text for word in words for text in texts)
        if named:
            element.value = b"" if isinstance(element.value, bytes) else ""


def _walk(dataset: Dataset) -> Iterator[DataElement]:
    """All elements that can be read, at any depth."""
    for tag in list(dataset.keys()):
        try:
            element = dataset[tag]
        except Exception:  # noqa: BLE001, S112  # unreadable: `_clean` removes it
            continue
        yield element
        if element.VR == "SQ":
            for item in element.value or []:
                yield from _walk(item)


def _values(value: Any) -> list[Any]:
    if value is None or value == "":
        return []
    return list(value) if isinstance(value, (MultiValue, list, tuple)) else [value]


def _with(element: DataElement, values: list[Any]) -> DataElement:
    value: Any = (
        values[0] if len(values) == 1 else (values or ("" if element.VR not in {"OB", "OW", "UN"} else b""))
    )
    return DataElement(element.tag, element.VR, value)
