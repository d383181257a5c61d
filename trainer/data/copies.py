"""What belongs together in a data set: groups, known patients, files, and copies of one picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainer.data import duplicates, splits
from trainer.data.content import digests
from trainer.data.images import load_each
from trainer.data.record import Record


@dataclass(frozen=True, eq=False)
class Together:
    """Which records must never stand on two sides."""

    clusters: NDArray[np.intp]
    """(N,) from `splits.join`."""
    identical: int
    """Images that share their file's content with another one."""
    near: int
    """Pairs of near copies."""
    unusable: int
    """Images that cannot be used and were not compared."""


def together(records: Sequence[Record], *, near: bool = True) -> Together:
    """Join groups, known patients and files with identical files and, if asked, near copies.

    Args:
        records: all that are to be divided.
        near: whether to look for near copies, as `duplicates.near` does; reads every image.

    Raises:
        DataError: a file cannot be read.
    """
    copies = duplicates.exact(digests(records))
    linked = [(rows[0], other) for rows in copies for other in rows[1:]]
    pairs, unusable = [], 0
    if near:
        loaded = load_each(records)
        unusable = len(loaded.faults)
        row_of = {id(record): row for row, record in enumerate(records)}
        rows = [row_of[id(record)] for record in loaded.records]
        pairs = duplicates.near(loaded.images) if len(rows) > 1 else []
        linked += [(rows[pair.first], rows[pair.second]) for pair in pairs]
    return Together(splits.join(records, linked), sum(map(len, copies)), len(pairs), unusable)


def names(records: Sequence[Record], clusters: NDArray[np.intp]) -> list[str]:
    """A name for each record's cluster: the first of its groups."""
    first: dict[int, str] = {}
    for record, cluster in zip(records, clusters.tolist(), strict=True):
        first[cluster] = min(first.get(cluster, record.group), record.group)
    return [first[cluster] for cluster in clusters.tolist()]
