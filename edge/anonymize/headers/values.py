"""What a value may say by its VR (PS3.5 6.2): rules for values that no table of the profile decides.

A value stays only if it is what its VR says and can be nothing else: a code string is a Defined Term,
a number is neither an identifier nor letters in disguise, there are as many values as PS3.6 allows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from functools import lru_cache
from importlib import resources

VM = tuple[int, int | None]
"""Fewest and most values, the latter None if there is no limit."""

SIZES = {"US": 2, "SS": 2, "AT": 4, "UL": 4, "SL": 4, "FL": 4, "FD": 8, "SV": 8, "UV": 8}
"""Bytes of one value of the VRs of binary numbers."""
FORMATS = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d", "SV": "q", "UV": "Q"}

_NUMBERS = {
    "DS": re.compile(r"[+\-0-9.eE]{0,16}"),
    "IS": re.compile(r"[+\-]?[0-9]{0,12}"),
}
_IDENTIFIER = re.compile(r"[+\-]?[0-9]{7,}")
"""An integer of seven digits or more may be a date, a telephone or a record number."""
_LARGE = frozenset(
    {"RadionuclideTotalDose", "RadionuclideSpecificActivity", "CountsAccumulated", "ActualFrameDuration"}
)
"""Numbers of that size by their nature."""
_LETTERS = re.compile(rb"[A-Za-z ^'\-]{8}")
"""So many letters in a row do not stand in binary numbers by chance."""
_ORIENTATION = re.compile(r"[LRAPHF]{1,3}")
_CONTEXT = frozenset({"ContextIdentifier", "TemplateIdentifier"})
_AGE = re.compile(r"\d{3}[DWMY]")
_UID = re.compile(r"[0-9.]{1,64}")


@lru_cache(maxsize=1)
def code_strings() -> frozenset[str]:
    """Defined Terms and Enumerated Values of PS3.3, and such as vendors use: ``data/code_strings.txt``."""
    text = (resources.files("edge.anonymize") / "data" / "code_strings.txt").read_text("ascii")
    return frozenset(text.splitlines())


def fits(count: int, vm: VM) -> bool:
    """Whether an attribute of value multiplicity ``vm`` may have ``count`` values; none always."""
    return count == 0 or (vm[0] <= count and (vm[1] is None or count <= vm[1]))


def binary(raw: bytes, vr: str, vm: VM, names: Collection[bytes]) -> bool:
    """Whether binary numbers are numbers and no text.

    Args:
        raw: the encoded values.
        vr: one of `SIZES`.
        vm: of the attribute.
        names: words of four bytes and more, upper case, that name somebody.
    """
    count, rest = divmod(len(raw), SIZES[vr])
    if rest or not fits(count, vm):
        return False
    if len(raw) < 4:
        return True
    if len(raw) >= 8 and _LETTERS.search(raw):
        return False
    return not any(map(raw.upper().__contains__, names))


def code_string(text: str, keyword: str, names: Collection[str]) -> str:
    """A CS value with what is no known term left out; the positions of the others stay.

    Args:
        text: its values.
        keyword: of the attribute.
        names: words that name somebody: a term in which one stands goes.
    """
    terms = code_strings()
    kept = []
    for value in text.split("\\"):
        term = value.strip(" \0")
        known = (
            term in terms
            or _ORIENTATION.fullmatch(term)
            or (len(term) == 1 and term.isalnum())
            or (keyword in _CONTEXT and term.isdigit() and len(term) < 6)
        )
        kept.append(term if known and not any(map(term.__contains__, names)) else "")
    return "\\".join(kept) if any(kept) else ""


def number_string(text: str, vr: str, vm: VM, keyword: str, names: Collection[str]) -> str | None:
    """A DS or IS value as it is; None if one of the values is no number or may be an identifier."""
    parts = text.rstrip("\0").split("\\")
    if not fits(len(parts), vm):
        return None
    syntax = _NUMBERS[vr]
    for part in parts:
        value = part.strip()
        if not syntax.fullmatch(value):
            return None
        if _IDENTIFIER.fullmatch(value) and keyword not in _LARGE:
            return None
        if len(value) > 5 and value in names:
            return None
    return text


def age(text: str) -> str:
    """An AS value; an age of 90 years and more is told as 90."""
    value = text.strip(" \0")
    if not _AGE.fullmatch(value):
        return ""
    days = int(value[:3]) * {"D": 1, "W": 7, "M": 30, "Y": 365}[value[3]]
    return "090Y" if days >= 90 * 365 else value


def is_uid(value: str) -> bool:
    """Whether a value has the characters and length of a UID."""
    return _UID.fullmatch(value) is not None


def each(text: str, change: Callable[[str], str]) -> str:
    """Each of the values of a text with backslashes, changed."""
    return "\\".join(change(value.strip(" \0")) for value in text.split("\\"))


def dummy(vr: str) -> bytes:
    """A value that says nothing, encoded, for action D."""
    if vr in SIZES:
        return b"\0" * SIZES[vr]
    if vr in {"OB", "OW", "UN", "OD", "OF", "OL", "OV"}:
        return b"\0" * 8
    text = {
        "DA": "19000101",
        "DT": "19000101",
        "TM": "000000",
        "AS": "000Y",
        "DS": "0",
        "IS": "0",
        "UI": "2.25.0",
        "UR": "removed:",
    }
    return text.get(vr, "REMOVED").encode()
