"""One image of a data set, as the index names it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


class DataError(ValueError):
    """The data cannot be used; the message says what was expected."""


@dataclass(frozen=True)
class Record:
    """One image: the unit of privacy, unless a run takes the patient for it."""

    file: Path
    label: str
    modality: str
    split: str
    group: str
    """Images that belong together (one patient); intervals resample these."""
    source: str
    folder: str
    """First part of the file's path: the set it belongs to, or a patient; nothing that leaves names it."""
    patient: str = ""
    """Name of the patient in the index, a pseudonym; empty if there is none."""
    patient_known: bool = False
    """Whether ``patient`` comes from the source of the images (``patient_id_kind`` is ``source``), and is no
    surrogate that somebody made up afterwards, such as a cluster of similar images."""
    age: float | None = None
    """Years; None if not known."""
    sex: str = ""
    """F, M or O as in DICOM's Patient's Sex (0010,0040); empty if not known."""
    frame: int = 0
    """Which frame of a DICOM multi-frame object, from 1; 0: the file is one image, which 1 says as well."""
    sha256: str = ""
    """What the index says of the file's content; empty if it says nothing."""
