"""What all rows share: images to train on and to judge by, their classes, the terms of a research run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.imaging import quality
from edge.imaging.bundle import ClassInfo, IntendedUse
from edge.imaging.preprocess import Preprocessing
from edge.settings import Quality
from trainer.comparison.recipes import ComparisonError
from trainer.data import dataset, leaks, sources
from trainer.evaluation import reads
from trainer.evaluation.errors import EvaluationError
from trainer.evaluation.folds import assign
from trainer.privacy.marker import Index
from trainer.privacy.units import Units
from trainer.training.fit import MIN_PROBABILITY, Terms
from trainer.training.task import Task, prepare

INNER_FOLDS = 5
TRAIN = "train"
"""The split that every row is trained on."""


@dataclass(frozen=True)
class Rules:
    """How answers are turned into labels, the same for every row."""

    classes: tuple[ClassInfo, ...]
    temperature: dict[str, float]
    min_probability: dict[str, float]


@dataclass(frozen=True)
class Material:
    """The images of a comparison."""

    train: Task
    judged: Task
    split: str
    train_digest: str
    judged_digest: str
    left_out: int
    """Images of the split whose class no training image has."""
    terms: Terms
    """Research, with its ledger and its benchmark."""
    cache: dict[str, Any] = field(default_factory=dict)
    """Results that depend on nothing but these images, kept between the repetitions of a row."""

    @property
    def rules(self) -> Rules:
        """Temperature 1 and minimum probability 0.5 everywhere."""
        groups = [use.group for use in self.train.intended_use]
        one, half = dict.fromkeys(groups, 1.0), dict.fromkeys(groups, MIN_PROBABILITY)
        return Rules(self.train.classes, one, half)

    def groups(self, task: Task) -> list[str]:
        """Group of classes of each record."""
        of = {each.name: each.group for each in self.train.classes}
        return [of[record.label] for record in task.records]

    def preprocessed(self, how: Preprocessing) -> Material:
        """The same images after other preprocessing, on both sides, as a bundle that names it would do."""
        sides = [
            replace(task, images=dataset.load_all(task.records, how), preprocessing=how)
            for task in (self.train, self.judged)
        ]
        return replace(self, train=sides[0], judged=sides[1], cache={})

    def gated(self) -> tuple[Material, int]:
        """Without the training images that the box's quality gate would hold back, and their number.

        The gate looks at each image alone, so whether one is trained on depends on no other image. Sharpness
        is asked for, too: it is what the gate of a camera adds.
        """
        limits = Quality()
        good = [
            quality.judge(quality.measure(image), limits, camera=True) is None for image in self.train.images
        ]
        rows = np.flatnonzero(good)
        if not len(rows):
            raise ComparisonError("the quality gate holds back every training image")
        return replace(self, train=subset(self.train, rows), cache={}), len(good) - len(rows)

    def inner(self) -> Material:
        """A fifth of the training groups in the place of the judged split, to choose settings by.

        Raises:
            ComparisonError: a class has but one group.
        """
        for folds in range(INNER_FOLDS, 1, -1):
            try:
                place = assign(self.train.records, folds)
            except EvaluationError:
                continue
            kept, held = np.flatnonzero(place), np.flatnonzero(place == 0)
            return replace(
                self,
                train=subset(self.train, kept),
                judged=subset(self.train, held),
                split="train, held out",
                cache={},
            )
        raise ComparisonError("settings cannot be chosen: a class of the training split has but one group")


def subset(task: Task, rows: NDArray[np.intp]) -> Task:
    """Some records of a task, each a unit of its own."""
    records = [task.records[int(row)] for row in rows]
    return replace(task, records=records, images=task.images[rows], units=Units.images(len(rows)))


def load(
    records: Sequence[dataset.Record], split: str, terms: Terms, known: dict[str, IntendedUse]
) -> Material:
    """Read the images of both splits.

    Args:
        records: of all splits.
        split: what is judged.
        terms: research terms.
        known: intended use by modality.

    Raises:
        DataError: a split is empty or shares something with another one, or an image cannot be used.
    """
    train = [record for record in records if record.split == TRAIN]
    there = [record for record in records if record.split == split]
    if not train or not there or split == TRAIN:
        has = ", ".join(sorted({record.split for record in records}))
        raise dataset.DataError(
            f"needs images in {TRAIN!r} and in another split to judge by, {split!r}; there are {has}"
        )
    leaks.refuse(records)
    labels = {record.label for record in train}
    kept = [record for record in there if record.label in labels]
    if not kept:
        raise dataset.DataError(f"no image of split {split!r} is of a class that was trained on")
    task = prepare(train, known)
    return Material(
        train=task,
        judged=replace(task, records=kept, images=dataset.load_all(kept), units=Units.images(len(kept))),
        split=split,
        train_digest=reads.split_digest(train),
        judged_digest=reads.split_digest(there),
        left_out=len(there) - len(kept),
        terms=terms,
    )


def research(
    ledgers: Path, data: str, public: str, records: Sequence[dataset.Record], index: Index | None = None
) -> Terms:
    """The terms of every run of a comparison.

    Args:
        ledgers: directory of the ledgers.
        data: where the records were read from: for people.
        public: the benchmark that a person says they are of; empty if nobody said so.
        records: of all splits; of a benchmark if every image is on the list of public sets.
        index: where they were read from, beside which a note names the directory of the ledgers.

    Raises:
        ComparisonError: nobody says that the images are public; then a comparison would read them freely.
    """
    benchmark = sources.benchmark(records, public)
    if not benchmark:
        raise ComparisonError(
            "trainer compare makes research runs, which are for public benchmarks whose images need no "
            "protection: say which one with --public NAME"
        )
    return Terms(mode="research", ledgers=ledgers, data=data, public=benchmark, index=index)
