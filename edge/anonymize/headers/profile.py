"""PS3.15 Table E.1-1 as data, and the one action that it gives an attribute under the options in force.

``data/confidentiality_profile.csv`` holds a row an attribute (``x`` in a tag stands for any digit)
and a column an option. Action codes (E.1.1): D dummy, Z zero length or dummy, X remove, K keep,
C clean, U new UID. A combination such as X/Z/D depends on the attribute's Type in the object's
IOD; of a combination the last code is applied, since an empty or dummy value is legal for every
Type and says as little as none.

An option overrides the Basic Profile. Where several are in force, C goes before K. A date is kept
or changed by the option for dates alone: the date of a calibration, kept as it is for the sake of
the device, would tell by how much the other dates were shifted.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Final, Literal

from pydicom.datadict import dictionary_VM, dictionary_VR, keyword_for_tag

from edge.anonymize.headers.options import Options

Action = Literal["X", "Z", "D", "U", "K", "C", "judge"]
JUDGE: Final = "judge"
"""Not in the table: the value is judged by what its VR allows."""

_COLUMNS = {
    "uids": "retain_uids",
    "device": "retain_device_identity",
    "institution": "retain_institution",
    "patient": "retain_patient_characteristics",
    "descriptors": "clean_descriptors",
    "structured": "clean_structured_content",
    "graphics": "clean_graphics",
}
"""Column of the table: field of `Options`. The columns of dates and of private attributes stand apart."""
_DATES: Final = frozenset({"DA", "DT", "TM"})


@dataclass(frozen=True)
class Rule:
    """What is done with an attribute.

    Args:
        action: one action code, or `JUDGE`.
        option: column of the option that gave it, or "".
        vr: of the data dictionary (PS3.6), or "" if it does not know the attribute.
        keyword: of the data dictionary, or "".
        vm: fewest and most values, the latter None if there is no limit.
    """

    action: Action
    option: str
    vr: str
    keyword: str
    vm: tuple[int, int | None]


@lru_cache(maxsize=1)
def table() -> dict[str, dict[str, str]]:
    """The rows of Table E.1-1 by tag as the table writes it, in lower case, or ``private``."""
    text = (resources.files("edge.anonymize") / "data" / "confidentiality_profile.csv").read_text("ascii")
    return {row["tag"]: row for row in csv.DictReader(text.splitlines())}


@lru_cache(maxsize=1)
def _patterns() -> tuple[tuple[int, int, dict[str, str]], ...]:
    rows = [(tag, row) for tag, row in table().items() if "x" in tag]
    masks = ["".join("0" if digit == "x" else "f" for digit in tag) for tag, _ in rows]
    return tuple(
        (int(mask, 16), int(tag.replace("x", "0"), 16), row)
        for mask, (tag, row) in zip(masks, rows, strict=True)
    )


def _row(tag: int) -> dict[str, str] | None:
    row = table().get(f"{tag:08x}")
    if row is None:
        row = next((row for mask, value, row in _patterns() if tag & mask == value), None)
    return row


def code(tag: int) -> str | None:
    """Action code of the Basic Profile, such as ``X/Z``; None if the table does not list ``tag``."""
    row = _row(tag)
    return None if row is None else row["basic"]


def resolve(row: dict[str, str], options: Options, *, is_date: bool) -> tuple[Action, str]:
    """The action of a row of Table E.1-1 or E.3.4-1, and the column it is from, "" for the Basic Profile."""
    last = row["basic"].split("/")[-1].rstrip("*")
    assert last in {"X", "Z", "D", "U"}
    basic: Action = last  # type: ignore[assignment]
    if row.get("modified_dates"):
        return ("C", "dates") if is_date and options.modified_dates else (basic, "")
    given = [
        (row[column], column)
        for column, field in _COLUMNS.items()
        if row.get(column) and getattr(options, field)
    ]
    for wanted in ("C", "K"):
        for found, column in given:
            if found == wanted:
                return wanted, column
    return basic, ""


class Profile:
    """Table E.1-1 under given options."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._rules: dict[int, Rule] = {}

    def rule(self, tag: int) -> Rule:
        """The rule for a public attribute, by group and element as one number."""
        found = self._rules.get(tag)
        if found is None:
            found = self._rules[tag] = self._new(tag)
        return found

    def _new(self, tag: int) -> Rule:
        try:
            vr, vm = dictionary_VR(tag), _multiplicity(dictionary_VM(tag))
        except KeyError:
            vr, vm = "", (1, None)
        row = _row(tag)
        action: Action = JUDGE
        column = ""
        if row is not None:
            action, column = resolve(row, self._options, is_date=vr in _DATES)
        return Rule(action, column, vr, keyword_for_tag(tag), vm)


@lru_cache(maxsize=8)
def profile(options: Options) -> Profile:
    """The `Profile` of ``options``; the same one for the same options."""
    return Profile(options)


def _multiplicity(vm: str) -> tuple[int, int | None]:
    """Fewest and most values of a VM such as ``1``, ``1-3``, ``3-3n`` or ``1-n or 1`` (PS3.5 6.4)."""
    low, _, high = vm.split(" ", maxsplit=1)[0].partition("-")
    if not high:
        return int(low), int(low)
    return int(low), int(high) if high.isdigit() else None
