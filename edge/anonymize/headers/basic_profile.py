"""The table of PS3.15 Annex E, edition 2026c: Table E.1-1, column Basic Profile, as data.

``data/basic_profile.csv`` holds tag (``x`` stands for any digit), keyword and action code. Codes
(PS3.15 E.1.1): D dummy, Z zero length or dummy, X remove, K keep, C clean, U new UID; a combination
such as X/Z/D depends on the attribute's type in the object's IOD. Of a combination the last code is
applied: an empty or dummy value is legal for every type and says as little as none.
"""

from __future__ import annotations

import csv
from functools import lru_cache
from importlib import resources

EDITION = "PS3.15 2026c"


@lru_cache(maxsize=1)
def _table() -> tuple[dict[int, str], tuple[tuple[int, int, str], ...]]:
    exact: dict[int, str] = {}
    patterns: list[tuple[int, int, str]] = []
    text = (resources.files("edge.anonymize") / "data" / "basic_profile.csv").read_text(encoding="ascii")
    for row in csv.DictReader(text.splitlines()):
        tag, code = row["tag"], row["basic"]
        if "x" in tag:
            mask = int("".join("0" if digit == "x" else "f" for digit in tag), 16)
            patterns.append((mask, int(tag.replace("x", "0"), 16), code))
        else:
            exact[int(tag, 16)] = code
    return exact, tuple(patterns)


def code(tag: int) -> str | None:
    """Action code of an attribute, such as ``X/Z``; None if the table does not list it.

    Args:
        tag: group and element as one number, such as 0x00100010.
    """
    exact, patterns = _table()
    found = exact.get(tag)
    if found is not None:
        return found
    return next((code for mask, value, code in patterns if tag & mask == value), None)


def action(tag: int) -> str | None:
    """The one action to apply: ``D``, ``Z``, ``X`` or ``U``; None if the table does not list ``tag``."""
    found = code(tag)
    return None if found is None else found.split("/")[-1].rstrip("*")


def size() -> int:
    """How many attributes the table lists."""
    exact, patterns = _table()
    return len(exact) + len(patterns)
