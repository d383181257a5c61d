"""``trainer split``: write an index with splits that keep groups and copies together."""

from __future__ import annotations

import csv
import io
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from trainer.data import copies, splits
from trainer.data.index import Row, read_rows
from trainer.data.private_files import write_new
from trainer.data.record import DataError, Record


def resplit(
    path: Path, records: Sequence[Record], out: Path, fractions: dict[str, float], seed: int, *, near: bool
) -> str:
    """Divide an index or a folder anew and write it as an index.

    Args:
        path: the index or folder that ``records`` were read from, all of them.
        records: its records, in its order.
        out: index to write; it must not exist, and the files must lie under its folder.
        fractions: see `splits.divide`.
        seed: see `splits.divide`.
        near: whether to join the groups of near copies, too; reads every image.

    Returns:
        What was done, as a table.

    Raises:
        DataError: ``out`` cannot be written or the data cannot be divided.
    """
    names = _relative(records, out)
    if out.exists():
        raise DataError(f"{out} exists; remove it or name another file")
    found = copies.together(records, near=near)
    lines = [f"{found.identical} images share their file with another one"]
    if near:
        lines.append(f"{found.near} pairs of near copies")
    if found.unusable:
        lines.append(f"{found.unusable} images cannot be used and were not compared; see trainer data")
    chosen = splits.divide(records, found.clusters, fractions, seed)
    groups = copies.names(records, found.clusters)
    before, after = len({record.group for record in records}), len(set(groups))
    lines.append(f"{before} groups, {after} after joining those that share a patient, a file or a copy")
    given = _rows(path, records)
    write_new(out, _csv(given, names, groups, chosen))
    return "\n".join([*lines, "", *_table(records, groups, chosen), "", f"written: {out}"])


def _relative(records: Sequence[Record], out: Path) -> list[str]:
    # As named first, so that a link to the data counts as its place; then as they really lie.
    for absolute in (os.path.abspath, os.path.realpath):
        names = [os.path.relpath(absolute(record.file), absolute(out.parent)) for record in records]
        if not any(name.startswith("..") for name in names):
            return [Path(name).as_posix() for name in names]
    raise DataError(
        f"{out}: an index names its files relative to its own folder, and they do not lie under that; write "
        "it beside the data, or in a folder that holds a link to the data"
    )


def _rows(path: Path, records: Sequence[Record]) -> list[Row]:
    """The index's own rows, whatever columns they have; made up for a folder."""
    if path.is_dir():
        return [
            {"label": each.label, "modality": each.modality, "patient_id": each.patient} for each in records
        ]
    return read_rows(path)


def _csv(rows: Sequence[Row], names: Sequence[str], groups: Sequence[str], chosen: Sequence[str]) -> str:
    columns = list(dict.fromkeys(["file", *rows[0], "group_id", "split"]))
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    for row, name, group, split in zip(rows, names, groups, chosen, strict=True):
        writer.writerow({**row, "file": name, "group_id": group, "split": split})
    return out.getvalue()


def _table(records: Sequence[Record], groups: Sequence[str], chosen: Sequence[str]) -> list[str]:
    names = [name for name in splits.NAMES[3] if name in set(chosen)]
    images = Counter(zip((record.label for record in records), chosen, strict=True))
    held = {
        (record.label, split, group) for record, split, group in zip(records, chosen, groups, strict=True)
    }
    of_groups = Counter((label, split) for label, split, _ in held)
    corner = "images (groups)"
    width = max(len(corner), *(len(label) for label, _ in images))
    lines = [corner.ljust(width) + "".join(f"{name:>16}" for name in names)]
    for label in sorted({label for label, _ in images}):
        cells = [f"{images[label, name]} ({of_groups[label, name]})" for name in names]
        lines.append(label.ljust(width) + "".join(f"{cell:>16}" for cell in cells))
    missing = splits.lacking(records, chosen)
    return lines + ([f"too few groups: no image of {', '.join(missing)}"] if missing else [])
