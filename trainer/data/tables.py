"""Counts of an examined data set as rows of text, for the page, the terminal and the JSON file."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from textwrap import fill
from typing import Any

from trainer.data.duplicates import FLIPS
from trainer.data.examine import Examined
from trainer.data.findings import PRIVATE, findings
from trainer.data.record import Record

WIDTH = 100
"""Columns of a terminal that the text is made for."""
_ORDER = ("train", "val", "test")
Row = list[str | int]
Table = tuple[list[str], list[Row]]


def split_names(records: Sequence[Record]) -> list[str]:
    """Names of the splits: train, val, test, then others by name."""
    names = {record.split for record in records}
    return [*(name for name in _ORDER if name in names), *sorted(names - set(_ORDER))]


def by_class(records: Sequence[Record]) -> Table:
    """Images of each class and source in each split, and groups in all."""
    names = split_names(records)
    images = Counter((r.modality, r.label, r.source, r.split) for r in records)
    groups: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for record in records:
        groups[record.modality, record.label, record.source].add(record.group)
    rows: list[Row] = []
    for key in sorted(groups):
        counts = [images[(*key, name)] for name in names]
        rows.append([key[0], key[1], key[2] or "-", *counts, sum(counts), len(groups[key])])
    total = [sum(int(row[3 + column]) for row in rows) for column in range(len(names) + 1)]
    rows.append(["all", "", "", *total, len({record.group for record in records})])
    return ["modality", "class", "source", *names, "images", "groups"], rows


def by_person(records: Sequence[Record]) -> Table | None:
    """Images by age and sex, where the index knows either; else None."""
    if not any(record.age is not None or record.sex for record in records):
        return None
    bands = [(0, 1), (1, 6), (6, 18), (18, 40), (40, 60), (60, 80), (80, 131)]
    counts: Counter[tuple[str, str]] = Counter()
    for record in records:
        age = next(
            (
                f"{low} to {high - 1}"
                for low, high in bands
                if record.age is not None and low <= record.age < high
            ),
            "not known",
        )
        counts[age, record.sex or "not known"] += 1
    sexes = sorted({sex for _, sex in counts})
    ages = [f"{low} to {high - 1}" for low, high in bands] + ["not known"]
    rows: list[Row] = [
        [age, *(counts[age, sex] for sex in sexes)] for age in ages if any(counts[age, sex] for sex in sexes)
    ]
    return ["age in years", *sexes], rows


def near_copies(data: Examined) -> Table:
    """Pairs of near copies by how they stand to each other and how one is flipped."""
    counts = Counter[tuple[str, str]]((data.relation(pair), pair.flip) for pair in data.pairs)
    relations = ("across splits", "across groups", "within a group")
    rows: list[Row] = [
        [each, *(counts[each, flip] for flip in FLIPS), sum(counts[each, flip] for flip in FLIPS)]
        for each in relations
    ]
    return ["pairs", *(flip or "as it is" for flip in FLIPS), "all"], rows


def pair_list(data: Examined) -> Table:
    """Every pair of near copies."""
    header = [
        "relation",
        "first",
        "second",
        "flip",
        "fine",
        "correlation",
        "hamming",
        "class",
        "class of second",
    ]
    rows: list[Row] = []
    for pair in data.pairs:
        a, b = data.usable[pair.first], data.usable[pair.second]
        likeness: Row = [f"{pair.fine:.3f}", f"{pair.correlation:.3f}", pair.hamming]
        rows.append([data.relation(pair), str(a.file), str(b.file), pair.flip, *likeness, a.label, b.label])
    return header, rows


def terminal(data: Examined) -> str:
    """A short table and the findings, for a terminal of a hundred columns."""
    header, rows = by_class(data.records)
    cells = [header, *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    lines = [
        "  ".join(
            cell.ljust(width) if column < 3 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]
    lines.append("")
    lines += [
        fill(each.text, WIDTH, initial_indent=f"{each.level:<9}", subsequent_indent=" " * 9)
        for each in findings(data)
    ]
    return "\n".join([*lines, "", fill(PRIVATE, WIDTH)])


def figures(data: Examined) -> dict[str, Any]:
    """All figures, for a program to read."""
    header, rows = by_class(data.records)
    return {
        "notice": PRIVATE,
        "index": str(data.path),
        "preprocessing": data.preprocessing,
        "counts": [dict(zip(header, row, strict=True)) for row in rows],
        "unusable": [{"file": str(f.record.file), "reason": f.reason} for f in data.faults],
        "changed": [str(record.file) for record in data.changed],
        "few_gray_levels": [str(record.file) for record in data.flat],
        "leaks": data.leaks,
        "identical": [[str(record.file) for record in copies] for copies in data.copies],
        "near_copies": dict(Counter(data.relation(pair) for pair in data.pairs)),
        "control": {kind: {"found": f, "planted": p} for kind, (f, p) in data.control.items()},
        "probes": {modality: asdict(probes) for modality, probes in data.probes.items()},
        "findings": [asdict(finding) for finding in findings(data)],
    }
