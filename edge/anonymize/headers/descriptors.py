"""Free text by an allow-list (PS3.15 E.3.5, Clean Descriptors Option).

A descriptor keeps the words that a committed vocabulary lists: anatomy, modality, view, sequence,
contrast, equipment. All else goes. Numbers stay only where they can be neither an identifier nor a
date: as a measure with its unit, or as a b-value of diffusion.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache
from importlib import resources

_UNIT = r"(?:mm|cm|kVp?|keV|mAs?|ms|sec|s|min|ml|T|Hz|deg)"
_TOKEN = re.compile(rf"[0-9]+(?:\.[0-9]+)?\s?{_UNIT}\b|[^\W_]+", re.IGNORECASE)
_MEASURE = re.compile(rf"(?:[1-9]?[0-9]{{1,2}})(?:\.[0-9]{{1,2}})?\s?{_UNIT}", re.IGNORECASE)
_B_VALUE = re.compile(r"b(?:0|[1-9][0-9]{0,2}[05]0|[1-9][05]0|50)", re.IGNORECASE)


@lru_cache(maxsize=1)
def vocabulary() -> frozenset[str]:
    """The words that may stay, upper case: ``data/descriptor_words.txt``."""
    text = (resources.files("edge.anonymize") / "data" / "descriptor_words.txt").read_text("ascii")
    return frozenset(text.split())


def clean_descriptor(text: str, names: Collection[str], long_names: Collection[str]) -> str:
    """What of a text may stay, upper case, one blank between words.

    Args:
        text: one value, in any script.
        names: words that name a person or place in this object, upper case: a listed word that is
            one of them goes.
        long_names: those of them that say something within a longer word too.
    """
    kept = []
    words = vocabulary()
    for match in _TOKEN.finditer(text):
        token = match[0].upper()
        listed = token in words
        if not listed and not _MEASURE.fullmatch(token) and not _B_VALUE.fullmatch(token):
            continue
        if token not in names and not any(map(token.__contains__, long_names)):
            kept.append(token)
    return " ".join(kept)
