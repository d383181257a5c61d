"""What a DICOM header says about the image, and whom it names (PS3.3)."""

from __future__ import annotations

import re
from typing import Any

from pydicom.datadict import dictionary_VR
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from edge.imaging.dicom_texts import scripts_of
from edge.imaging.frames import Acquisition, Identity, Region

# Secondary Capture family, PS3.6 Annex A: single frame and the four multi-frame classes.
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"

# Image Type values 3 and up by which makers mark what was drawn rather than acquired.
_DRAWN = ("SCREEN", "REPORT", "CAPTURE", "RESULT", "GRAPH")

# Anatomic Region Sequence (PS3.16 CID 4031; SNOMED CT, and the retired SRT codes) to defined terms
# of Body Part Examined (PS3.16 Annex L).
REGION_CODES = {
    "69536005": "HEAD", "T-D1100": "HEAD",
    "12738006": "BRAIN", "T-A0100": "BRAIN",
    "89546000": "SKULL", "T-11100": "SKULL",
    "45048000": "NECK", "T-D1600": "NECK",
    "774007": "HEADNECK", "T-D1000": "HEADNECK",
    "816094009": "CHEST", "51185008": "CHEST", "T-D3000": "CHEST",
    "39607008": "LUNG", "T-28000": "LUNG",
    "80891009": "HEART", "T-32000": "HEART",
    "76752008": "BREAST", "T-04000": "BREAST",
    "818981001": "ABDOMEN", "113345001": "ABDOMEN", "T-D4000": "ABDOMEN",
    "816092008": "PELVIS", "12921003": "PELVIS", "T-D6000": "PELVIS",
    "122494005": "CSPINE", "T-11501": "CSPINE",
    "122495006": "TSPINE", "T-11502": "TSPINE",
    "122496007": "LSPINE", "T-11503": "LSPINE",
    "29836001": "HIP", "T-15710": "HIP",
    "72696002": "KNEE", "T-D9200": "KNEE",
    "56459004": "FOOT", "T-D9700": "FOOT",
    "85562004": "HAND", "T-D8700": "HAND",
    "16982005": "SHOULDER", "T-D2220": "SHOULDER",
}  # fmt: skip

# View Code Sequence (PS3.16 CID 4010) to defined terms of View Position.
_VIEW_CODES = {
    "399348003": "AP", "R-10206": "AP",
    "272479007": "PA", "R-10214": "PA",
    "399173006": "LL", "R-10236": "LL",
    "399198007": "RL", "R-10232": "RL",
}  # fmt: skip

_CODE_STRING = re.compile(r"[A-Z0-9_ ]{1,16}")
_LO, _SH, _UI = 64, 16, 64  # most characters of a value (PS3.5 6.2)
_ULTRASOUND = frozenset({"US", "IVUS"})
"""Modalities whose header declares regions: others have no US Region Calibration (PS3.3 A.6.4, A.7.4)."""
_MAX_REGIONS = 16
_MAX_TYPES = 16
_MAX_WORDS = 64
_MAX_WORD = 64

# Attributes beside person names whose values name the patient when they stand in the pixels.
_NAMING = (
    "PatientID", "OtherPatientIDs", "IssuerOfPatientID", "AccessionNumber", "StudyID",
    "PatientBirthDate", "PatientAddress", "PatientTelephoneNumbers", "MedicalRecordLocator",
    "AdmissionID", "PatientInsurancePlanCodeSequence", "MilitaryRank", "CountryOfResidence",
)  # fmt: skip


def text(header: Dataset, keyword: str) -> str:
    """First value of an attribute as stripped text; empty if absent or not readable."""
    values = _many(_value(header, keyword))
    return str(values[0]).strip(" \0\t\r\n") if values else ""


def acquisition(header: Dataset, rows: int, columns: int) -> Acquisition:
    """The part of the header that says nothing about a person.

    Code strings are kept only if they look like one (PS3.5 6.2, VR CS), so that free text cannot
    travel on as a body part.
    """
    scripts = scripts_of(header)  # before an element is converted: its bytes tell more than its text
    modality = _code_string(text(header, "Modality"))
    return Acquisition(
        modality=modality,
        body_part=_code_string(text(header, "BodyPartExamined"))
        or _coded(header, "AnatomicRegionSequence", REGION_CODES),
        view=_code_string(text(header, "ViewPosition")) or _coded(header, "ViewCodeSequence", _VIEW_CODES),
        manufacturer=text(header, "Manufacturer")[:_MAX_WORD],
        model_name=text(header, "ManufacturerModelName")[:_MAX_WORD],
        software=text(header, "SoftwareVersions")[:_MAX_WORD],
        image_type="\\".join(_code_string(value) for value in _image_type(header)[:_MAX_TYPES]),
        regions=_ultrasound_regions(header, rows, columns) if modality in _ULTRASOUND else (),
        secondary=_is_secondary(header),
        scripts=scripts,
    )


def identity(header: Dataset) -> Identity:
    """Whom the object names and where it belongs; empty strings where it does not say.

    A value longer than its VR allows (PS3.5 6.2) counts as absent. Cut to size, it could be the
    identifier of another patient or study.
    """
    return Identity(
        patient_id=_bounded(header, "PatientID", _LO),
        issuer=_bounded(header, "IssuerOfPatientID", _LO),
        accession_number=_bounded(header, "AccessionNumber", _SH),
        study_uid=_bounded(header, "StudyInstanceUID", _UI),
        series_uid=_bounded(header, "SeriesInstanceUID", _UI),
        sop_uid=_bounded(header, "SOPInstanceUID", _UI),
        names=_naming_words(header),
    )


def _bounded(header: Dataset, keyword: str, most: int) -> str:
    value = text(header, keyword)
    return value if len(value) <= most else ""


def _many(value: Any) -> list[Any]:
    """The values of an element as a list; none if it is absent or empty."""
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple, MultiValue)) else [value]


def _value(header: Dataset, keyword: str) -> Any:
    try:
        return header.get(keyword)
    except Exception:  # noqa: BLE001  any parser error in one element must not hide the others
        return None


def _items(header: Dataset, keyword: str) -> list[Dataset]:
    value = _value(header, keyword)
    try:
        return [item for item in value if isinstance(item, Dataset)] if value else []
    except Exception:  # noqa: BLE001  a sequence that cannot be read counts as absent
        return []


def _code_string(value: str) -> str:
    value = value.upper()
    return value if _CODE_STRING.fullmatch(value) else ""


def _coded(header: Dataset, sequence: str, table: dict[str, str]) -> str:
    for item in _items(header, sequence):
        found = table.get(text(item, "CodeValue"))
        if found:
            return found
    return ""


def _is_secondary(header: Dataset) -> bool:
    r"""Secondary capture, screen save or drawn report (PS3.3 C.8.6.1, C.7.6.1.1.2).

    DERIVED\SECONDARY alone is no sign: reformatted MR and CT series carry it.
    """
    sop_class = text(header, "SOPClassUID")
    if sop_class == _SECONDARY_CAPTURE or sop_class.startswith(_SECONDARY_CAPTURE + "."):
        return True
    if text(header, "ConversionType"):
        return True
    return any(mark in value for value in _image_type(header)[2:] for mark in _DRAWN)


def _image_type(header: Dataset) -> list[str]:
    return [str(value).upper() for value in _many(_value(header, "ImageType"))]


def _ultrasound_regions(header: Dataset, rows: int, columns: int) -> tuple[Region, ...]:
    """SequenceOfUltrasoundRegions (PS3.3 C.8.5.5) clipped to the image; its bounds are inclusive."""
    regions = []
    for item in _items(header, "SequenceOfUltrasoundRegions")[:_MAX_REGIONS]:
        try:
            left, top = int(item.RegionLocationMinX0), int(item.RegionLocationMinY0)
            right, bottom = int(item.RegionLocationMaxX1) + 1, int(item.RegionLocationMaxY1) + 1
        except Exception:  # noqa: BLE001, S112  a region without its four corners is none
            continue
        right, bottom = min(right, columns), min(bottom, rows)
        if 0 <= left < right and 0 <= top < bottom:
            regions.append(Region(left, top, right, bottom))
    return tuple(regions)


def _naming_words(header: Dataset) -> tuple[str, ...]:
    """Words of all person names, and identifying values as they are likely to be written."""
    words: dict[str, None] = {}

    def add(value: str) -> None:
        value = value.strip()[:_MAX_WORD]
        if len(value) >= 2 and len(words) < _MAX_WORDS:
            words[value] = None

    for values in _person_names(header):
        for word in re.split(r"[\^=\s,\\]+", values):
            add(word)
    for holder in [header, *_items(header, "OtherPatientIDsSequence")]:
        for keyword in _NAMING:
            value = text(holder, keyword)
            add(value)
            if keyword == "PatientBirthDate" and re.fullmatch(r"\d{8}", value):
                year, month, day = value[:4], value[4:6], value[6:]
                for shape in (f"{year}-{month}-{day}", f"{day}.{month}.{year}", f"{day}/{month}/{year}",
                              f"{month}/{day}/{year}", f"{day}-{month}-{year}"):  # fmt: skip
                    add(shape)
    return tuple(words)


def _person_names(header: Dataset) -> list[str]:
    """Values of every top-level attribute of VR PN; the patient's first."""
    found = [text(header, "PatientName")]
    for tag in list(header.keys()):
        try:
            if not tag.is_private and dictionary_VR(tag) == "PN":
                found.extend(map(str, _many(header[tag].value)))
        except Exception:  # noqa: BLE001, S112  retired or broken elements name nobody
            continue
    return found
