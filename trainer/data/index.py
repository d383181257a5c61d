"""The CSV index: columns, their meaning, and what is refused.

========== ==========================================================================================
column     meaning
========== ==========================================================================================
file       path relative to the index; it must not lead out of the index's folder
task_label class; ``label`` where there is no such column
modality   key of the intended uses, for example MRI
split      name of the split; without the column everything is ``train``
group_id   images that belong together; else patient_id, else each image on its own
source     where the image comes from
patient_id, patient_id_kind   pseudonym; ``source`` says that it is real, anything else a surrogate
age, sex   years (or a DICOM age string such as 045Y); F, M or O
frame      which frame of a DICOM multi-frame object, from 1; of any other file nothing or 1
sha256     of the file; `trainer data` says which files are no longer what the index was made of
========== ==========================================================================================
"""

from __future__ import annotations

import csv
import math
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path, PurePosixPath, PureWindowsPath

from trainer.data.record import DataError, Record

Row = dict[str, str]
NEEDED = ("file", "modality")
MISSING = {"", "na", "n/a", "nan", "none", "null", "unknown", "?"}
_SEX = {"f": "F", "female": "F", "w": "F", "m": "M", "male": "M", "o": "O", "other": "O"}
_DICOM_AGE = re.compile(r"(\d{3})([DWMY])")
"""Value representation AS, PS3.5 section 6.2."""
_PER_YEAR = {"D": 365.25, "W": 52.18, "M": 12.0, "Y": 1.0}
_SHOWN = 10


def read_rows(path: Path) -> list[Row]:
    """The rows of a CSV file, every value stripped.

    Raises:
        DataError: it is no CSV file, has no rows, lacks a column, or a row has too few or too many fields.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            header = [name.strip() for name in next(reader, [])]
            lines = [(reader.line_num, fields) for fields in reader if any(fields)]
    except FileNotFoundError:
        raise DataError(
            f"{path} does not exist; give a CSV index, or a folder with one folder per class"
        ) from None
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise DataError(f"{path} cannot be read ({reason}); give a file that you may read") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as a CSV index: {error}") from None
    columns = set(header)
    missing = sorted(set(NEEDED) - columns) + ([] if columns & {"task_label", "label"} else ["label"])
    if missing:
        raise DataError(
            f"{path} lacks the columns {', '.join(missing)}; it has {', '.join(header) or 'none'} "
            "(comma-separated, UTF-8, the names in the first line)"
        )
    if len(columns) != len(header):
        raise DataError(f"{path} names a column twice: {', '.join(header)}")
    if not lines:
        raise DataError(f"{path} has no rows")
    ragged = [
        f"line {number}: {len(fields)} fields" for number, fields in lines if len(fields) != len(header)
    ]
    _refuse(path, ragged, f"rows do not have the {len(header)} fields of the header")
    return [dict(zip(header, (field.strip() for field in fields), strict=True)) for _, fields in lines]


def read_index(path: Path) -> list[Record]:
    """The records of an index, in its order. No image is opened.

    Raises:
        DataError: see `read_rows`; or a value cannot be used, or one image is named twice: it would be
            trained on twice, and the guarantee speaks of one.
    """
    rows = read_rows(path)
    label = "task_label" if "task_label" in rows[0] else "label"
    demands: tuple[tuple[str, Callable[[Row], bool]], ...] = (
        (
            "files lie outside the index's folder or are named absolutely; move them under it",
            lambda row: _inside(row["file"]),
        ),
        (
            "rows name their file with a backslash; write folders with /, as in set/a.png",
            lambda row: "\\" not in row["file"],
        ),
        (f"rows have no {label}", lambda row: bool(row[label])),
        ("rows have no modality", lambda row: bool(row["modality"])),
        (
            "rows have an empty split; fill the column, or make it with trainer split",
            lambda row: row.get("split") != "",
        ),
        ("rows have a frame that is no number from 1", lambda row: _frame(row) is not None),
        (
            "rows have an age that is neither years (0 to 130) nor a DICOM age such as 045Y",
            lambda row: _age(row.get("age", "")) is not _BAD,
        ),
        ("rows have a sex other than F, M, O", lambda row: _sex(row.get("sex", "")) is not None),
    )
    for what, holds in demands:
        _refuse(path, [row["file"] or "(no file)" for row in rows if not holds(row)], what)
    records = [_record(path.parent, row, label) for row in rows]
    # No frame and frame 1 are one image, see `trainer.data.content`.
    often = Counter((record.file, max(record.frame, 1)) for record in records)
    _refuse(path, [str(file) for (file, _), count in often.items() if count > 1], "images are named twice")
    return records


def _refuse(path: Path, bad: list[str], what: str) -> None:
    if bad:
        more = f"\n  and {len(bad) - _SHOWN} more" if len(bad) > _SHOWN else ""
        raise DataError(f"{path}: {len(bad)} {what}:\n  " + "\n  ".join(bad[:_SHOWN]) + more)


def _inside(name: str) -> bool:
    """Whether a path stays where it starts; by its text alone: links on the disk are their owner's."""
    windows = PureWindowsPath(name)
    return (
        bool(name)
        and "\0" not in name
        and not windows.drive
        and not windows.root
        and ".." not in windows.parts
        and windows.parts != ()
    )


_BAD = math.inf


def _age(text: str) -> float | None:
    """Years, None if not known, `_BAD` if it is no age."""
    if text.lower() in MISSING:
        return None
    if dicom := _DICOM_AGE.fullmatch(text):
        return int(dicom[1]) / _PER_YEAR[dicom[2]]
    try:
        years = float(text)
    except ValueError:
        return _BAD
    return years if 0 <= years <= 130 else _BAD


def _sex(text: str) -> str | None:
    return "" if text.lower() in MISSING else _SEX.get(text.lower())


def _frame(row: Row) -> int | None:
    text = row.get("frame", "")
    if not text:
        return 0
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 7 and int(text) > 0 else None


def _record(folder: Path, row: Row, label: str) -> Record:
    parts = PurePosixPath(row["file"]).parts
    return Record(
        file=folder / row["file"],
        label=row[label],
        modality=row["modality"],
        split=row.get("split", "train"),
        group=row.get("group_id") or row.get("patient_id") or row["file"],
        source=row.get("source", ""),
        folder=parts[0] if len(parts) > 1 else "",
        patient=row.get("patient_id", ""),
        patient_known=bool(row.get("patient_id")) and row.get("patient_id_kind") == "source",
        age=_age(row.get("age", "")),
        sex=_sex(row.get("sex", "")) or "",
        frame=_frame(row) or 0,
        sha256=row.get("sha256", "").lower(),
    )
