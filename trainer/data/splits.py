"""Splits that keep together what belongs together: groups, copies and patients never stand on both sides.

Images are divided by iterative stratification (K. Sechidis, G. Tsoumakas, I. Vlahavas, "On the stratification
of multi-label data", ECML PKDD 2011) of whole clusters: the rarest stratum first, each cluster to the split
that lacks the largest part of its share. A stratum is a modality, a class and a source.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from trainer.data.duplicates import exact
from trainer.data.record import DataError, Record

NAMES = {2: ("train", "test"), 3: ("train", "val", "test")}


class SplitError(DataError):
    """The splits cannot be used; the message says how much stands in two of them."""


def problems(records: Sequence[Record], digests: Sequence[str] = ()) -> dict[str, list[str]]:
    """What stands in more than one split: what it is -> the groups, patients or files.

    Args:
        records: of all splits.
        digests: of each record's content, to find one file under two names; empty: not looked for.
    """
    found = {
        "groups in several splits": _spanning(records, [record.group for record in records]),
        "patients in several splits": _spanning(
            records,
            [f"{record.patient} ({record.source})" if record.patient_known else "" for record in records],
        ),
        "files with frames in several splits": _spanning(records, [str(record.file) for record in records]),
        "identical files in several splits": [
            " = ".join(str(records[row].file) for row in rows)
            for rows in exact(digests)
            if len({records[row].split for row in rows}) > 1
        ],
    }
    return {what: which for what, which in found.items() if which}


def check(records: Sequence[Record], digests: Sequence[str] = ()) -> None:
    """Refuse splits that share a group, a known patient or an identical file. Give it all splits at once.

    Raises:
        SplitError: they do. Any figure on such splits is too good, and nobody can say by how much.
    """
    found = problems(records, digests)
    if found:
        # Counts alone: names of groups and files may tell who a patient is, and errors end up in logs.
        counts = "; ".join(f"{what}: {len(which)}" for what, which in found.items())
        raise SplitError(
            f"{counts}. Nothing was trained or judged. Make new splits with trainer split INDEX --out "
            "NEW.csv; trainer data INDEX --out REPORT lists them in a report that stays on the workstation"
        )


def _spanning(records: Sequence[Record], keys: Sequence[str]) -> list[str]:
    splits: dict[str, set[str]] = defaultdict(set)
    for record, key in zip(records, keys, strict=True):
        if key:
            splits[key].add(record.split)
    return sorted(key for key, names in splits.items() if len(names) > 1)


def join(records: Sequence[Record], linked: Iterable[tuple[int, int]] = ()) -> NDArray[np.intp]:
    """Cluster of each record, (N,): one group, one known patient, one file, or joined by ``linked`` pairs."""
    edges = list(linked)
    for keys in (
        [("group", record.group) for record in records],
        [("file", str(record.file)) for record in records],
        [
            ("patient", f"{r.source}/{r.patient}" if r.patient_known else f"#{k}")
            for k, r in enumerate(records)
        ],
    ):
        first: dict[tuple[str, str], int] = {}
        edges += [(first.setdefault(key, row), row) for row, key in enumerate(keys)]
    ends = np.array(edges, np.intp).reshape(-1, 2)
    size = len(records)
    graph = coo_array((np.ones(len(ends), np.int8), (ends[:, 0], ends[:, 1])), shape=(size, size))
    return np.asarray(connected_components(graph, directed=False)[1], np.intp)


def divide(
    records: Sequence[Record], clusters: NDArray[np.intp], fractions: Mapping[str, float], seed: int
) -> list[str]:
    """The split of each record; the same for the same arguments.

    Args:
        records: what is divided.
        clusters: (N,) from `join`; a cluster is never torn apart.
        fractions: name of each split -> its share of every stratum; they are taken relative to their sum.
        seed: of the order in which the clusters are dealt out.

    Raises:
        SplitError: there are fewer clusters than splits, so that one would stay empty.
    """
    names = list(fractions)
    share = np.array([fractions[name] for name in names], float)
    strata = sorted({_stratum(record) for record in records})
    place = {stratum: column for column, stratum in enumerate(strata)}
    counts = np.zeros((int(clusters.max()) + 1, len(strata)))
    for record, cluster in zip(records, clusters, strict=True):
        counts[cluster, place[_stratum(record)]] += 1
    if len(counts) < len(names):
        raise SplitError(
            f"{len(counts)} groups cannot be divided into {len(names)} splits; name fewer splits"
        )
    target = np.outer(share / share.sum(), counts.sum(0))
    wanted = target.copy()
    # By chance, not by size: largest first would leave nothing but small groups to the smaller splits.
    order = np.random.default_rng(seed).permutation(len(counts))
    split_of = np.full(len(counts), -1)
    left = counts.copy()
    while (split_of < 0).any():
        remaining = left.sum(0)
        rarest = int(np.argmin(np.where(remaining > 0, remaining, np.inf)))
        for cluster in order[left[order, rarest] > 0]:
            best = max(
                range(len(names)),
                key=lambda s: (
                    wanted[s, rarest] / target[s, rarest],
                    wanted[s].sum() / target[s].sum(),
                    share[s],
                ),
            )
            split_of[cluster] = best
            wanted[best] -= counts[cluster]
            left[cluster] = 0
    _fill_empty(split_of, counts, len(names))
    return [names[split_of[cluster]] for cluster in clusters]


def _fill_empty(split_of: NDArray[np.intp], counts: NDArray[np.float64], splits: int) -> None:
    """Give the smallest cluster of the fullest split to each split that got none, in place."""
    sizes = counts.sum(1)
    for empty in range(splits):
        if (split_of == empty).any():
            continue
        held = np.bincount(split_of, minlength=splits)
        fullest = int(np.argmax(held))
        own = np.flatnonzero(split_of == fullest)
        split_of[own[np.argmin(sizes[own])]] = empty


def lacking(records: Sequence[Record], splits: Sequence[str]) -> list[str]:
    """Classes that a split does not hold although another does, as ``class in split``."""
    held = {(record.label, split) for record, split in zip(records, splits, strict=True)}
    labels, names = sorted({label for label, _ in held}), sorted(set(splits))
    return [f"{label} in {name}" for label in labels for name in names if (label, name) not in held]


def parse_fractions(text: str) -> dict[str, float]:
    """``70,15,15`` as shares of train, val and test; two numbers are train and test.

    Raises:
        SplitError: it is something else.
    """
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in NAMES or not all(0 < number < 1e6 for number in numbers):
        raise SplitError(f"fractions {text!r}: expected two or three positive numbers such as 70,15,15")
    return dict(zip(NAMES[len(numbers)], numbers, strict=True))


def _stratum(record: Record) -> tuple[str, str, str]:
    return record.modality, record.label, record.source
