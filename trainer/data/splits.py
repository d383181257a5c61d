"""Splits that keep together what belongs together: groups, copies and patients never stand on both sides.

Whole clusters are divided stratum by stratum, the rarest first; a stratum is a modality, a class and a
source. Its clusters stand in a line, in the order of a hash of their names, and the line is cut in
proportion. So data that grow keep most of their splits: a cluster moves only if a cut passes over it, and
between train and test lies val. (Where clusters are dealt out in turn, as iterative stratification does, one
patient more changes the split of everybody after.)
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256

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
        seed: of the order in which the clusters stand in line.

    Raises:
        SplitError: there are fewer clusters than splits, so that one would stay empty.
    """
    names = list(fractions)
    share = np.array([fractions[name] for name in names], float)
    share /= share.sum()
    strata = sorted({_stratum(record) for record in records})
    counts = _counts(records, clusters, strata, _stratum)
    if len(counts) < len(names):
        raise SplitError(
            f"{len(counts)} groups cannot be divided into {len(names)} splits; name fewer splits"
        )
    order = _line(records, clusters, seed)
    wanted = np.outer(share, counts.sum(0))
    split_of = np.full(len(counts), -1)
    # A cluster may hold several strata: the rare ones first, and the others make up for what these took.
    for stratum in np.lexsort((np.arange(len(strata)), counts.sum(0))):
        line = order[(counts[order, stratum] > 0) & (split_of[order] < 0)]
        lacking = np.maximum(wanted[:, stratum], 0)
        if not len(line):
            continue
        lacking = lacking if lacking.any() else share
        # So few stand on one side of every cut, for all that their number says: it is left to chance.
        start = 0.5 if len(line) >= len(names) else _lot(f"{seed}/{strata[stratum]}")
        split_of[line] = _cut(counts[line, stratum], lacking, start)
        for split in range(len(names)):
            wanted[split] -= counts[line[split_of[line] == split]].sum(0)
    of_class = _counts(records, clusters, sorted({_class(record) for record in records}), _class)
    for column in of_class.T:
        _fill_class(split_of, column, order, share)
    _fill_empty(split_of, counts, len(names))
    return [names[split_of[cluster]] for cluster in clusters]


def _counts(
    records: Sequence[Record],
    clusters: NDArray[np.intp],
    kinds: Sequence[tuple[str, ...]],
    kind_of: Callable[[Record], tuple[str, ...]],
) -> NDArray[np.float64]:
    """Images of each cluster by kind, (clusters, kinds)."""
    place = {kind: column for column, kind in enumerate(kinds)}
    out = np.zeros((int(clusters.max()) + 1, len(kinds)))
    for record, cluster in zip(records, clusters, strict=True):
        out[cluster, place[kind_of(record)]] += 1
    return out


def _line(records: Sequence[Record], clusters: NDArray[np.intp], seed: int) -> NDArray[np.intp]:
    """The clusters in the order of a hash of their first group's name: of no other cluster and no image."""
    first: dict[int, str] = {}
    for record, cluster in zip(records, clusters.tolist(), strict=True):
        first[cluster] = min(first.get(cluster, record.group), record.group)
    return np.array(sorted(first, key=lambda cluster: (_lot(f"{seed}/{first[cluster]}"), first[cluster])))


def _lot(name: object) -> float:
    """From 0 to 1, by a public hash: the seed is no secret, and the same name always draws the same."""
    return int.from_bytes(sha256(str(name).encode()).digest()[:8], "big") / 2**64


def _cut(weights: NDArray[np.float64], shares: NDArray[np.float64], start: float) -> NDArray[np.intp]:
    """Cut a line (N,) into pieces in proportion: the piece of each.

    Each stands where the part ``start`` of it does. One more in the line moves every cut by a little, so that
    all others but those at a cut stay where they are.
    """
    at = (np.cumsum(weights) - (1 - start) * weights) / weights.sum()
    cuts = np.cumsum(shares[:-1]) / shares.sum()
    return np.asarray(np.searchsorted(cuts, at, side="right"), np.intp)


def _fill_class(
    split_of: NDArray[np.intp],
    images: NDArray[np.float64],
    order: NDArray[np.intp],
    share: NDArray[np.float64],
) -> None:
    """Give each split that holds nothing of a class the smallest cluster of the one that holds most.

    Where there are too few for that, the largest split, to train on, and the last one, to judge by, come
    first. Changes ``split_of``.
    """
    line = order[images[order] > 0]
    needy = sorted(range(len(share)), key=lambda split: (split != int(np.argmax(share)), -split))
    if len(line) < len(needy):
        split_of[line] = needy[: len(line)]
        return
    for empty in needy:
        held = np.bincount(split_of[line], minlength=len(share))
        if not held[empty]:
            own = line[split_of[line] == int(np.argmax(held))]
            split_of[own[np.argmin(images[own])]] = empty


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


def _class(record: Record) -> tuple[str, ...]:
    return record.modality, record.label


def _stratum(record: Record) -> tuple[str, ...]:
    return record.modality, record.label, record.source
