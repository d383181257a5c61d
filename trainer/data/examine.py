"""Everything that `trainer data` finds out about a data set, before anybody puts it into words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edge.imaging.preprocess import Preprocessing
from trainer.data import duplicates, shortcuts, splits
from trainer.data.content import digests as content_digests
from trainer.data.duplicates import Pair
from trainer.data.images import PLAIN, Fault, levels, load_each
from trainer.data.record import DataError, Record
from trainer.data.shortcuts import Figure

FEW_LEVELS = 32
"""Of 256. An image of a wider depth that was written wrongly comes out nearly black, and nobody is told."""
Relation = Literal["across splits", "across groups", "within a group"]


@dataclass(frozen=True)
class Probes:
    """What global statistics alone tell within one modality; None where there is nothing to tell apart."""

    label: Figure | None
    """The class, cross-validated on ``split``."""
    transfer: Figure | None
    """The class, learnt on ``train`` and judged on ``val``."""
    source: Figure | None
    """The source, cross-validated on ``split``."""
    split: str


@dataclass(frozen=True, eq=False)
class Examined:
    """A data set as it is. Positions in pairs are those of ``usable``."""

    path: Path
    preprocessing: str
    records: tuple[Record, ...]
    usable: tuple[Record, ...]
    images: NDArray[np.uint8]
    faults: tuple[Fault, ...]
    changed: tuple[Record, ...]
    """Records whose file is no longer what the index says."""
    copies: tuple[tuple[Record, ...], ...]
    """Sets of records with identical content."""
    pairs: tuple[Pair, ...]
    """Near copies, identical ones left out."""
    control: dict[str, tuple[int, int]]
    """Planted copies: kind -> (found, planted)."""
    leaks: dict[str, list[str]]
    """What stands in more than one split."""
    probes: dict[str, Probes]
    """By modality."""
    brightness: NDArray[np.float64]
    """Mean gray level of each of ``usable``."""
    flat: tuple[Record, ...] = ()
    """Records whose image has fewer than `FEW_LEVELS` gray levels to show anything with."""

    def relation(self, pair: Pair) -> Relation:
        """Where the two images of a pair stand to each other."""
        first, second = self.usable[pair.first], self.usable[pair.second]
        if first.split != second.split:
            return "across splits"
        return "within a group" if first.group == second.group else "across groups"

    def labels_differ(self, pair: Pair) -> bool:
        """Whether one picture has two classes."""
        return self.usable[pair.first].label != self.usable[pair.second].label

    def probed(self, modality: str) -> list[int]:
        """Positions in ``usable`` that the probes of a modality were learnt on."""
        split = self.probes[modality].split
        return [
            row
            for row, record in enumerate(self.usable)
            if record.modality == modality and (record.split == split or not split)
        ]


def examine(path: Path, records: Sequence[Record], preprocessing: Preprocessing = PLAIN) -> Examined:
    """Read and compare all images of the records; probe their training split.

    The split ``test`` is compared with the others for copies, and that is all that is done with it.

    Raises:
        DataError: no image can be used.
    """
    loaded = load_each(records, preprocessing)
    usable, images = loaded.records, loaded.images
    if not usable:
        raise DataError(f"none of {len(records)} images can be used; the first: {loaded.faults[0].reason}")
    digests = content_digests(usable)
    same = duplicates.exact(digests)
    statistics = shortcuts.global_statistics(images)
    return Examined(
        path=path,
        preprocessing=preprocessing.name,
        records=tuple(records),
        usable=usable,
        images=images,
        faults=loaded.faults,
        changed=tuple(
            record
            for record, found in zip(usable, digests, strict=True)
            if record.sha256 and record.frame < 2 and record.sha256 != found
        ),
        copies=tuple(tuple(usable[row] for row in rows) for rows in same),
        pairs=tuple(pair for pair in duplicates.near(images) if digests[pair.first] != digests[pair.second]),
        control=duplicates.control(images),
        leaks={**splits.problems(records), **splits.problems(usable, digests)},
        probes={
            modality: _probe(statistics, usable, modality)
            for modality in sorted({record.modality for record in usable})
        },
        brightness=statistics[:, 0],
        flat=tuple(
            record for record, image in zip(usable, images, strict=True) if levels(image) < FEW_LEVELS
        ),
    )


def _probe(statistics: NDArray[np.float64], records: Sequence[Record], modality: str) -> Probes:
    own = [row for row, record in enumerate(records) if record.modality == modality]
    # Without a split of that name everything is there to be trained on.
    split = "train" if any(records[row].split == "train" for row in own) else ""
    rows = [row for row in own if not split or records[row].split == split]
    groups = [records[row].group for row in rows]
    both = [row for row in own if records[row].split in ("train", "val")]
    train = np.array([records[row].split == "train" for row in both], bool)
    return Probes(
        label=shortcuts.cross_validated(statistics[rows], [records[row].label for row in rows], groups),
        transfer=shortcuts.transferred(
            statistics[both],
            [records[row].label for row in both],
            [records[row].group for row in both],
            train,
            "learnt on train, judged on val",
        )
        if train.any() and not train.all()
        else None,
        source=shortcuts.cross_validated(statistics[rows], [records[row].source for row in rows], groups),
        split=split,
    )
