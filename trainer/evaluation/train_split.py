"""The train split beside the judged one, for what compares the two; often it is on another machine."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.imaging.preprocess import SIDE, Preprocessing
from trainer.data.images import load_each
from trainer.data.record import Record

NAME = "train"


@dataclass(frozen=True, eq=False)
class TrainSplit:
    """Its records and images, or why there are none."""

    records: tuple[Record, ...]
    images: NDArray[np.uint8]
    """(N, 224, 224), one for each of ``records``."""
    missing: str = ""
    """Why nothing can be compared with it here; empty if it can."""


def load(records: Sequence[Record], judged: str, classes: Collection[str], how: Preprocessing) -> TrainSplit:
    """Read the train split's images of some classes. One that is not whole here is taken for missing.

    Args:
        records: of all splits.
        judged: name of the judged split.
        classes: of the judged images.
        how: preprocessing of the judged images.
    """
    if judged == NAME:
        return _none("the judged split is the train split itself")
    own = [record for record in records if record.split == NAME and record.label in classes]
    if not own:
        return _none(f"the data has no images of these classes in a split {NAME!r}")
    loaded = load_each(own, how)
    if loaded.faults:
        # Names of files may tell who a patient is, and this text ends up in reports and logs.
        return _none(
            f"{len(loaded.faults)} of {len(own)} files of the train split cannot be used here "
            f"({loaded.faults[0].reason})"
        )
    return TrainSplit(loaded.records, loaded.images)


def _none(why: str) -> TrainSplit:
    return TrainSplit((), np.empty((0, SIDE, SIDE), np.uint8), why)
