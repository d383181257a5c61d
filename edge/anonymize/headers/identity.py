"""Words that name a person or place in an object: found before cleaning, searched for afterwards."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from edge.anonymize.headers.descriptors import vocabulary
from edge.anonymize.headers.encoded import vr_of
from edge.anonymize.headers.options import Options


def _tags(*keywords: str) -> frozenset[int]:
    tags = [tag_for_keyword(keyword) for keyword in keywords]
    assert None not in tags
    return frozenset(tag for tag in tags if tag is not None)


_PERSON = _tags(
    "PatientID", "OtherPatientIDs", "AccessionNumber", "PatientBirthDate", "PatientAddress",
    "PatientTelephoneNumbers", "MedicalRecordLocator", "AdmissionID", "ServiceEpisodeID",
    "InsurancePlanIdentification", "ClinicalTrialSubjectID", "StudyID", "PersonAddress",
    "PersonTelephoneNumbers",
) | {0x00100012}  # fmt: skip  # Name to Use, which older data dictionaries lack
_INSTITUTION = _tags("InstitutionName", "InstitutionAddress", "InstitutionalDepartmentName")
_DEVICE = _tags("StationName", "DeviceSerialNumber")
_PARTS = re.compile(r"[\^=\s,;:/\\._()-]+")
_DIGITS = re.compile(r"\d{6,}")
_SHORTEST = 4
"""Letters of a Latin word that tells something; of other scripts two are enough."""
_SHORTEST_NUMBER = 8
"""Fewer digits stand by chance in a replaced UID."""
_ENCODINGS = (
    *("utf-8", "latin-1", "utf-16-le", "utf-16-be", "iso8859-2", "iso8859-5", "iso8859-6", "iso8859-7"),
    *("iso8859-8", "iso8859-9", "tis-620", "shift_jis", "iso2022_jp_2", "euc_jp", "euc_kr", "gb18030"),
)
"""Of the Defined Terms of Specific Character Set (PS3.3 C.12.1.1.2), and UTF-16."""


def naming_words(dataset: Dataset, options: Options | None = None) -> frozenset[str]:
    """Words, upper case, that name a person or place in ``dataset`` at any depth.

    Args:
        dataset: not yet cleaned.
        options: what an option retains of places is not searched for.
    """
    options = options or Options()
    places = _INSTITUTION if not options.retain_institution else frozenset[int]()
    if not options.retain_device_identity:
        places |= _DEVICE
    people: set[str] = set()
    sites: set[str] = set()
    for element in _naming(dataset, places):
        found = sites if int(element.tag) in places else people
        for value in values_of(element.value):
            found |= _words(str(value))
    # A place may be called after what is done there: a chest clinic does not make CHEST a name.
    return frozenset(people | (sites - vocabulary()))


def _words(text: str) -> set[str]:
    parts = {text, *_PARTS.split(text), *_DIGITS.findall(text)}
    stripped = {part.strip() for part in parts}
    # Other scripts also as they were written: a capital may have more letters, and what was read with
    # the wrong character set must be found in its own bytes.
    folded = {part.upper() for part in stripped} | {part for part in stripped if not part.isascii()}
    return {part for part in folded if len(part) >= (_SHORTEST if part.isascii() else 2)}


def _naming(dataset: Dataset, places: frozenset[int]) -> Iterator[DataElement]:
    for key, item in list(dataset.items()):
        tag = int(key)
        vr = item.VR or vr_of(tag)
        if vr not in {"SQ", "PN"} and tag not in _PERSON and tag not in places:
            continue
        try:
            element = dataset[tag]
            items = list(element.value or []) if element.VR == "SQ" else None
        except Exception:  # noqa: BLE001, S112  # unreadable: cleaning removes it
            continue
        if items is None:
            yield element
        else:
            for inner in items:
                yield from _naming(inner, places)


def values_of(value: Any) -> list[Any]:
    """The values of an element, none if it is empty."""
    if isinstance(value, (MultiValue, list, tuple)):
        return list(value)
    return [] if value is None or value == "" else [value]


def patient_of(dataset: Dataset) -> str:
    """What names the patient within the clinic, for `Remap`; the study if nobody is named."""
    issuer, number = (str(dataset.get(k, "") or "").strip() for k in ("IssuerOfPatientID", "PatientID"))
    if number:
        return f"id\0{issuer}\0{number}"
    name, birth = (str(dataset.get(k, "") or "").strip() for k in ("PatientName", "PatientBirthDate"))
    if name:
        return f"name\0{name}\0{birth}"
    return f"study\0{dataset.get('StudyInstanceUID', '')}"


def words_left(data: bytes, words: Iterable[str]) -> int:
    """How many of ``words`` (upper case) still stand in raw bytes, in any encoding of PS3.3 or UTF-16."""
    folded = data.upper()
    telling = [word for word in words if not word.isdigit() or len(word) >= _SHORTEST_NUMBER]
    return sum(any(form in folded for form in encoded_forms(word)) for word in telling)


@lru_cache(maxsize=4096)
def encoded_forms(word: str) -> frozenset[bytes]:
    """A word in the encodings that a header may have, ASCII letters in upper case."""
    forms = set()
    for how in _ENCODINGS[:4] if word.isascii() else _ENCODINGS:
        for spelt in {word, word.lower(), word.title()}:
            try:
                forms.add(spelt.encode(how).upper())
            except UnicodeEncodeError:
                continue
    # ISO 2022 puts escape sequences around a word, which may stand elsewhere in a longer text.
    return frozenset(form.removeprefix(b"\x1b$B").removesuffix(b"\x1b(B") for form in forms)
