"""Coded entries (PS3.3 Table 8.8-1): what of them may stay, and those that say how we cleaned."""

from __future__ import annotations

import re

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

SCHEMES = frozenset(
    {"DCM", "SCT", "SRT", "SNM3", "LN", "UCUM", "RADLEX", "FMA", "NCIt", "UMLS", "BI", "ISO3166_1", "ICD-O-3"}
)
"""Coding schemes of PS3.16 section 8 whose codes are public; a local scheme may say anything."""

_CODE = re.compile(r"(?=.*\d)[A-Za-z]{0,4}[0-9A-F.\-]{1,14}")
_UNITS = frozenset(
    {
        *("1", "%", "{ratio}", "{counts}", "deg", "dB", "[hnsf'U]", "mm[Hg]", "{SUVbw}g/ml"),
        *("um", "mm", "cm", "m", "mm2", "cm2", "m2", "mm3", "cm3", "ml", "kg", "g", "g/ml"),
        *("us", "ms", "s", "min", "h", "d", "Hz", "kHz", "MHz", "mm/s", "cm/s", "m/s"),
        *("mGy", "Gy", "mSv", "kV", "mA", "mAs", "Bq", "MBq", "Bq/ml", "kBq/ml"),
    }
)


def clean_code(item: Dataset) -> None:
    """Keep a public code, empty any other. The meaning is free text: the code takes its place."""
    scheme = str(item.get("CodingSchemeDesignator", "") or "").strip()
    value = str(item.get("CodeValue", "") or "").strip()
    known = scheme in SCHEMES and (
        value in _UNITS if scheme == "UCUM" else _CODE.fullmatch(value) is not None
    )
    if not known:
        scheme, value = "", ""
    if "CodeValue" in item:
        item.CodeValue = value
    if "CodingSchemeDesignator" in item:
        item.CodingSchemeDesignator = scheme
    if "CodingSchemeVersion" in item and not re.fullmatch(
        r"[0-9.]{1,8}", str(item.CodingSchemeVersion or "")
    ):
        del item.CodingSchemeVersion
    if "CodeMeaning" in item:
        item.CodeMeaning = value


def _code(value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", meaning
    return item


def method_codes(*, modified_dates: bool) -> Sequence:
    """De-identification Method Code Sequence (0012,0064), PS3.16 CID 7050."""
    items = [
        _code("113100", "Basic Application Confidentiality Profile"),
        _code("113101", "Clean Pixel Data Option"),
    ]
    if modified_dates:
        items.append(_code("113107", "Retain Longitudinal Temporal Information Modified Dates Option"))
    return Sequence(items)
