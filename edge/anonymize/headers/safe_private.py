"""Private attributes that are known to be safe (PS3.15 Table E.3.10-1), keyed by private creator.

Bulk bytes (OB, OW, UN) are not kept although the table lists some: nobody can look into them here.
"""

from __future__ import annotations

import csv
from functools import lru_cache
from importlib import resources

_BULK = frozenset({"", "OB", "OW", "OW/OB", "UN"})


@lru_cache(maxsize=1)
def _table() -> dict[tuple[str, int, int], str]:
    text = (resources.files("edge.anonymize") / "data" / "safe_private.csv").read_text("ascii")
    return {
        (row["creator"], int(row["group"], 16), int(row["element"], 16)): row["vr"]
        for row in csv.DictReader(text.splitlines())
    }


def safe_vr(creator: str, tag: int) -> str | None:
    """VR of a private attribute that the table lists; None if it is not listed or holds bulk bytes.

    Args:
        creator: Private Creator of its block.
        tag: group and element as one number; the block number in the element does not matter.
    """
    vr = _table().get((creator, tag >> 16, tag & 0xFF), "")
    return None if vr in _BULK else vr
