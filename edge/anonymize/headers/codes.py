"""Coded entries (PS3.3 Table 8.8-1): a code stays if PS3.16 itself lists it, with the meaning listed there.

A code of any other origin may be a local one, and a local code may say anything.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from pydicom.dataset import Dataset

from edge.anonymize.headers.encoded import raw_element, text_of

_RETIRED_SNOMED = frozenset({"SRT", "SNM3", "99SDM"})
"""Designators of SNOMED RT style codes, which PS3.16 Annex O maps to SNOMED CT."""
_MORE_UNITS = frozenset(
    {
        *("1", "%", "{ratio}", "{counts}", "deg", "dB", "[hnsf'U]", "mm[Hg]", "{SUVbw}g/ml", "{SUVlbm}g/ml"),
        *("um", "mm", "cm", "m", "mm2", "cm2", "m2", "mm3", "cm3", "ml", "l", "mg", "kg", "g", "g/ml"),
        *("us", "ms", "s", "min", "h", "d", "wk", "mo", "a", "Hz", "kHz", "MHz", "mm/s", "cm/s", "m/s"),
        *("mGy", "mGy.cm", "Gy", "mSv", "kV", "mA", "uA.s", "mA.s", "Bq", "MBq", "Bq/ml", "kBq/ml", "dGy.m2"),
    }
)
"""Units of UCUM in common use that no context group of PS3.16 lists."""
_VALUE, _SCHEME, _SCHEME_VERSION, _MEANING = 0x00080100, 0x00080102, 0x00080103, 0x00080104
_LONG_VALUE, _URN_VALUE = 0x00080119, 0x00080120
KEYWORDS = frozenset(
    {
        *("CodeValue", "LongCodeValue", "URNCodeValue", "CodeMeaning", "CodingSchemeDesignator"),
        "CodingSchemeVersion",
    }
)
"""Attributes of a coded entry: an item that has one of them stays only as a listed code."""
_VERSION = re.compile(r"[0-9.]{1,8}")


@lru_cache(maxsize=1)
def _meanings() -> dict[str, dict[str, str]]:
    # Read when the first code is met: it takes half a second.
    from pydicom.sr import _concepts_dict  # noqa: PLC0415

    concepts: Any = _concepts_dict.concepts
    found: dict[str, dict[str, str]] = {}
    for scheme, keywords in concepts.items():
        of_scheme = found.setdefault(scheme, {})
        for listed in keywords.values():
            for code, (text, _) in listed.items():  # of several meanings the shortest
                of_scheme[code] = min(of_scheme.get(code, text), text, key=len)
    return found


@lru_cache(maxsize=1)
def _snomed_ct() -> dict[str, str]:
    from pydicom.sr._snomed_dict import mapping  # noqa: PLC0415

    return dict(mapping["SRT"])


def present(scheme: str, value: str) -> tuple[str, str]:
    """The same concept in SNOMED CT if ``scheme`` is a retired designator of SNOMED, else as given."""
    if scheme in _RETIRED_SNOMED and value in _snomed_ct():
        return "SCT", _snomed_ct()[value]
    return scheme, value


def meaning(scheme: str, value: str) -> str | None:
    """Code Meaning as PS3.16 has it; None if it does not list the code."""
    scheme, value = present(scheme, value)
    found = _meanings().get(scheme, {}).get(value)
    if found is None and scheme == "UCUM" and value in _MORE_UNITS:
        found = value
    return None if found is None else found.encode("ascii", "ignore").decode()[:64]


def of(item: Dataset) -> tuple[str, str]:
    """Coding Scheme Designator and Code Value of an item."""
    scheme, value = (text_of(item.get_item(tag)) if tag in item else "" for tag in (_SCHEME, _VALUE))
    return scheme.strip(" \0"), value.strip(" \0")


def clean_code(item: Dataset, named: Callable[[str], bool]) -> bool:
    """Give a listed code its listed meaning; False if the code is not listed and may not stay.

    Args:
        item: changed in place.
        named: whether a text holds a word that names somebody.
    """
    scheme, value = of(item)
    text = meaning(scheme, value)
    if text is None or named(value):
        return False
    for tag, vr, said in (
        (_VALUE, "SH", value), (_SCHEME, "SH", scheme), (_MEANING, "LO", value if named(text) else text)
    ):  # fmt: skip
        item[tag] = raw_element(tag, vr, said.encode())
    for tag in (_LONG_VALUE, _URN_VALUE):
        if tag in item:
            del item[tag]
    if _SCHEME_VERSION in item and not _VERSION.fullmatch(text_of(item.get_item(_SCHEME_VERSION)).strip()):
        del item[_SCHEME_VERSION]
    return True
