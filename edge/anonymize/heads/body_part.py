"""What a header says of the part of the body, and how far that may be trusted. Pure.

Only a part that no image of a face goes with, such as a knee, is believed to be no head. A trunk is
not: a series of chest or abdomen may begin at the chin, and one of the whole body is often labelled so.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from functools import lru_cache
from importlib import resources
from typing import Literal

from pydicom.dataset import Dataset

from edge.imaging import dicom_header

Place = Literal["head", "elsewhere", "unknown"]

_DESCRIPTIONS = (
    *("StudyDescription", "SeriesDescription", "ProtocolName", "RequestedProcedureDescription"),
    *("PerformedProcedureStepDescription", "ImageComments"),
)
_REGIONS = ("AnatomicRegionSequence", "PrimaryAnatomicStructureSequence")
_HEAD = re.compile(
    # Beginnings of words, in the languages of the vocabulary's clinics; "facet" is a joint of the spine.
    r"(?<![^\W_])(?:HEAD|BRAIN|SKULL|FACE(?!T)|FACIAL|NECK|CRANI|CEREB|CÉRÉB|ENCEPH|ENCEF|ENZEPH|NEURO|ORBIT"
    r"|SINUS|NASAL|NOSE|MAXILL|MANDIB|DENTAL|PITUIT|HYPOPH|SELLA|MASTOID|TEMPORAL|PHARYN|LARYN|CAROTI|CERVIC"
    r"|KOPF|SCHAEDEL|SCHÄDEL|HIRN|GEHIRN|GESICHT|HALS|TETE|TÊTE|CRANE|CRÂNE|VISAGE|CABEZA|CARA(?![^\W_])"
    r"|TESTA(?![^\W_])|HOOFD|HJERNE|ГОЛОВ|МОЗГ|ЛИЦ|ΚΕΦΑΛ|ΕΓΚΕΦ|頭|头|脑|腦|顔|面部"
    r"|(?:EAR|EYE|IAC|TMJ|JAW|C[ -]?SPINE)S?(?![^\W_]))",
    re.IGNORECASE,
)


@lru_cache(maxsize=1)
def _table() -> dict[str, str]:
    text = (resources.files("edge.anonymize") / "data" / "body_parts.csv").read_text("ascii")
    return {row["term"]: row["place"] for row in csv.DictReader(text.splitlines())}


def place(header: Dataset) -> Place:
    """Where on the body an image lies, by all that its header says.

    ``head`` if anything names one. ``elsewhere`` if all that names a part (PS3.16 Annex L and CID 4031,
    at the top level or in functional groups) names one that is far from any face. Else ``unknown``.
    """
    said = list(_terms(header))
    if "head" in said or any(_HEAD.search(dicom_header.text(header, word)) for word in _DESCRIPTIONS):
        return "head"
    return "elsewhere" if said and set(said) == {"elsewhere"} else "unknown"


def _terms(header: Dataset) -> Iterator[str]:
    for holder in _holders(header):
        named = dicom_header.text(holder, "BodyPartExamined").upper()
        if named:
            yield "head" if _HEAD.search(named) else _table().get(re.sub(r"[\s_-]", "", named), "unknown")
        for keyword in _REGIONS:
            for item in holder.get(keyword) or []:
                term = dicom_header.REGION_CODES.get(dicom_header.text(item, "CodeValue"), "")
                meant = dicom_header.text(item, "CodeMeaning")
                yield "head" if _HEAD.search(meant) else _table().get(term, "unknown")


def _holders(header: Dataset) -> Iterator[Dataset]:
    """Every data set in which a part of the body may be named (PS3.3 C.7.6.16.2.8)."""
    yield header
    for keyword in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        for group in header.get(keyword) or []:
            yield from group.get("FrameAnatomySequence") or []
