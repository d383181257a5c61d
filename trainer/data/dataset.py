"""Training data: a CSV index, or a folder with one sub-folder per class.

An index is described in `trainer.data.index`. In a folder per class every file that is not hidden counts as
an image, so that none is left out unsaid; a folder inside of a class's folder is one patient. Images are
PNG, JPEG or DICOM files without any name in them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from trainer.data.content import digest, digests
from trainer.data.images import UnusableError, load_all, load_each
from trainer.data.index import read_index
from trainer.data.record import DataError, Record

__all__ = [
    "DataError", "Record", "UnusableError", "digest", "digests", "load_all", "load_each", "of_split",
    "read", "read_folder",
]  # fmt: skip

_SPLITS = {"train", "training", "val", "valid", "validation", "test", "testing"}


def read(path: Path, only: Sequence[str] = (), modality: str = "") -> list[Record]:
    """Read an index, or a folder per class. No image is opened.

    Args:
        path: a CSV file or a folder.
        only: names of sets or sources to take; empty takes all.
        modality: for a folder, what all of its images are.

    Raises:
        DataError: the index cannot be used, or nothing is left.
    """
    records = read_folder(path, modality) if path.is_dir() else read_index(path)
    known = {record.folder for record in records} | {record.source for record in records}
    unknown = sorted(set(only) - known)
    if unknown:
        raise DataError(f"--only names {', '.join(unknown)}; the data has {', '.join(sorted(known))}")
    kept = [record for record in records if not only or record.folder in only or record.source in only]
    if not kept:
        raise DataError(f"{path} names no image")
    return kept


def of_split(records: Sequence[Record], split: str) -> list[Record]:
    """The records of one split.

    Raises:
        DataError: there are none; which splits there are, and how to make others.
    """
    found = [record for record in records if record.split == split]
    if not found:
        known = ", ".join(sorted({record.split for record in records}))
        raise DataError(
            f"no image is in split {split!r}; the data has {known}. Name one of these, or make train, val "
            "and test with trainer split INDEX --out INDEX2.csv, before anything is trained on the images"
        )
    return found


def read_folder(path: Path, modality: str) -> list[Record]:
    """The records of a folder per class, sorted by path.

    A file in a folder inside of a class's folder belongs to the group and the patient of that folder's name,
    which are the same under every class; any other file is a group of its own.

    Raises:
        DataError: no modality is given, or the folders are named like splits rather than classes.
    """
    if not modality:
        raise DataError("a folder per class needs --modality, for example MRI")
    folders = sorted(each for each in path.iterdir() if each.is_dir() and not each.name.startswith("."))
    if folders and {each.name.lower() for each in folders} <= _SPLITS:
        raise DataError(
            f"the folders of {path} are named like splits; expected one folder per class, or a CSV index "
            "with the columns file, label, modality, split"
        )
    records = []
    for folder in folders:
        for file in sorted(folder.rglob("*")):
            inner = file.relative_to(folder).parts
            if not file.is_file() or any(part.startswith(".") for part in inner):
                continue
            patient = inner[0] if len(inner) > 1 else ""
            group = patient or str(file.relative_to(path))
            records.append(
                Record(file, folder.name, modality, "train", group, "", folder.name, patient=patient)
            )
    return records
