"""Words that name a person or place in an object: found before cleaning, searched for afterwards."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag

from edge.anonymize.headers.descriptors import vocabulary
from edge.anonymize.headers.encoded import text_of, vr_of
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
_PATIENT_NAME, _PATIENT_ID, _ISSUER, _BIRTH_DATE = 0x00100010, 0x00100020, 0x00100021, 0x00100030
_STUDY = 0x0020000D
_PARTS = re.compile(r"[\^=\s,;:/\\._()-]+")
_DATE = re.compile(r"(\d{4})(\d{2})(\d{2})")
_DIGITS = re.compile(r"\d{6,}")
_TITLES = frozenset({"DR", "MD", "MR"})
"""They stand in names and name nobody; MR is a modality too."""
_SHORTEST = 4
"""Letters of a Latin word that tells something wherever it stands; of other scripts two are enough."""
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
    for tag, texts in _naming(dataset, places):
        found = sites if tag in places else people
        for text in texts:
            found |= _words(text)
            if tag == _BIRTH_DATE:
                found |= _spelt(text)
    # A place may be called after what is done there: a chest clinic does not make CHEST a name.
    return frozenset(people | (sites - vocabulary()))


def _spelt(birth: str) -> set[str]:
    """Other ways to write a date in digits."""
    match = _DATE.fullmatch(birth.strip())
    if match is None:
        return set()
    year, month, day = match.groups()
    return {
        *(year[2:] + month + day, day + month + year, month + day + year),
        *(day + month + year[2:], month + day + year[2:]),
    }


def _words(text: str) -> set[str]:
    parts = {text, *_PARTS.split(text), *_DIGITS.findall(text)}
    stripped = {part.strip() for part in parts}
    # Other scripts also as they were written: a capital may have more letters, and what was read with
    # the wrong character set must be found in its own bytes.
    folded = {part.upper() for part in stripped} | {part for part in stripped if not part.isascii()}
    return {part for part in folded if len(part) >= (_SHORTEST if part.isdigit() else 2)} - _TITLES


def _naming(dataset: Dataset, places: frozenset[int]) -> Iterator[tuple[int, list[str]]]:
    for key, item in list(dataset.items()):
        tag = int(key)
        vr = item.VR or vr_of(tag)
        try:
            if vr == "SQ":
                for inner in dataset[key].value or []:
                    yield from _naming(inner, places)
            elif vr == "PN" or tag in _PERSON or tag in places:
                yield tag, _decoded(dataset, key, item)
        except Exception:  # noqa: BLE001, S112  # unreadable: cleaning removes it
            continue


def _decoded(dataset: Dataset, tag: BaseTag, item: DataElement | RawDataElement) -> list[str]:
    if isinstance(item, RawDataElement):
        raw = item.value or b""
        if raw.isascii() and b"\x1b" not in raw:  # else a character set has its say
            return text_of(item).rstrip("\0").split("\\")
    return [str(value) for value in values_of(dataset[tag].value)]


def values_of(value: Any) -> list[Any]:
    """The values of an element, none if it is empty."""
    if isinstance(value, (MultiValue, list, tuple)):
        return list(value)
    return [] if value is None or value == "" else [value]


def patient_of(dataset: Dataset) -> str:
    """What names the patient within the clinic, for `Remap`; the study if nobody is named."""
    issuer, number = (_said(dataset, tag) for tag in (_ISSUER, _PATIENT_ID))
    if number:
        return f"id\0{issuer}\0{number}"
    name, birth = (_said(dataset, tag) for tag in (_PATIENT_NAME, _BIRTH_DATE))
    name = name.rstrip("=^ ")  # components that some readers leave out
    if name:
        return f"name\0{name}\0{birth}"
    return f"study\0{_said(dataset, _STUDY)}"


def _said(dataset: Dataset, tag: int) -> str:
    if tag not in dataset:
        return ""
    key = BaseTag(tag)
    return "\\".join(_decoded(dataset, key, dataset.get_item(key))).strip(" \0")


def words_left(data: bytes, words: Iterable[str]) -> int:
    """How many of ``words`` (upper case) still stand in raw bytes, in any encoding of PS3.3 or UTF-16."""
    folded = data.upper()
    short = {word for word in words if word.isdigit() and len(word) < _SHORTEST_NUMBER}
    telling = filter(tells, set(words) - short)
    return sum(any(map(folded.__contains__, encoded_forms(word))) for word in telling)


def tells(word: str) -> bool:
    """Whether a word says something within a longer one too, and not only by itself."""
    return len(word) >= _SHORTEST or not word.isascii()


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
