"""Training data: a CSV index, or a folder with one sub-folder per class.

The index needs the columns ``file`` (relative to the index), ``task_label`` or ``label``, and
``modality``; ``split``, ``group_id`` and ``source`` are used where they are. Images are gray or
colour PNG or JPEG files without any name in them.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.imaging import preprocess

SUFFIXES = {".png", ".jpg", ".jpeg"}


class DataError(Exception):
    """The data cannot be used; the message says what was expected."""


@dataclass(frozen=True)
class Record:
    """One image: the unit of privacy."""

    file: Path
    label: str
    modality: str
    split: str
    group: str
    """Images that belong together (one patient); intervals resample these."""
    source: str
    folder: str
    """First part of the file's path: the set it belongs to."""


def read(path: Path, only: Sequence[str] = (), modality: str = "") -> list[Record]:
    """Read an index, or a folder per class.

    Args:
        path: a CSV file or a folder.
        only: names of sets or sources to take; empty takes all.
        modality: for a folder, what all of its images are.

    Raises:
        DataError: columns are missing, or nothing is left.
    """
    records = _read_folder(path, modality) if path.is_dir() else _read_index(path)
    known = {record.folder for record in records} | {record.source for record in records}
    unknown = sorted(set(only) - known)
    if unknown:
        raise DataError(f"--only names {', '.join(unknown)}; the data has {', '.join(sorted(known))}")
    kept = [record for record in records if not only or record.folder in only or record.source in only]
    if not kept:
        raise DataError(f"{path} names no image")
    return kept


def _read_index(path: Path) -> list[Record]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as a CSV index: {error}") from None
    if not rows:
        raise DataError(f"{path} has no rows")
    columns = set(rows[0])
    label = "task_label" if "task_label" in columns else "label"
    missing = {"file", label, "modality"} - columns
    if missing:
        raise DataError(f"{path} lacks the columns {', '.join(sorted(missing))}")
    return [
        Record(
            file=path.parent / row["file"],
            label=row[label],
            modality=row["modality"],
            split=row.get("split") or "train",
            group=row.get("group_id") or row["file"],
            source=row.get("source") or "",
            folder=Path(row["file"]).parts[0] if len(Path(row["file"]).parts) > 1 else "",
        )
        for row in rows
    ]


def _read_folder(path: Path, modality: str) -> list[Record]:
    if not modality:
        raise DataError("a folder per class needs --modality, for example MRI")
    return [
        Record(file, folder.name, modality, "train", str(file.relative_to(path)), "", folder.name)
        for folder in sorted(path.iterdir())
        if folder.is_dir()
        for file in sorted(folder.iterdir())
        if file.suffix.lower() in SUFFIXES
    ]


def load_gray(file: Path) -> NDArray[np.uint8] | None:
    """One image as (224, 224) uint8 gray by the box's own preprocessing; None if it cannot be read."""
    pixels = cv2.imread(str(file), cv2.IMREAD_COLOR)
    if pixels is None:
        return None
    return preprocess.to_gray(np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), np.uint8))


def load_all(records: Sequence[Record]) -> NDArray[np.uint8]:
    """All images, (N, 224, 224) uint8.

    Raises:
        DataError: some cannot be read. They are listed; leaving them out silently would change n.
    """
    images = [load_gray(record.file) for record in records]
    bad = [str(record.file) for record, image in zip(records, images, strict=True) if image is None]
    if bad:
        shown = "\n  ".join(bad[:20])
        raise DataError(f"{len(bad)} images cannot be read; remove them from the index:\n  {shown}")
    return np.stack([image for image in images if image is not None])
