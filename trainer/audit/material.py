"""What an audit works on, and how much of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edge.imaging import preprocess
from trainer.data.dataset import Record, load_all
from trainer.phantoms import procedural
from trainer.privacy.units import group
from trainer.training.run_record import RunRecord


@dataclass(frozen=True)
class Images:
    """Images of one split with their classes, positions in the run's list."""

    images: NDArray[np.uint8]
    """(N, 224, 224)."""
    labels: NDArray[np.int64]
    """(N,)."""
    units: NDArray[np.intp]
    """(N,) unit of privacy of each, from 0."""

    def take(self, rows: NDArray[np.intp]) -> Images:
        """Some of them."""
        return Images(self.images[rows], self.labels[rows], self.units[rows])


@dataclass(frozen=True)
class Effort:
    """How much is spent on inversion."""

    restarts: int = 2
    steps: int = 50
    compared: int = 120
    """Images of each class, on either side, that a reconstruction is compared with."""
    memorised: int = 32
    memorised_steps: int = 150


@dataclass(frozen=True)
class Size:
    """How much is done."""

    shadows: int = 64
    targets: int = 16
    canaries: int = 4000
    """Of means and steps."""
    head_canaries: int = 3000
    image_canaries: int = 400
    small_images: int = 160
    small_shadows: int = 32
    small_targets: int = 8
    small_steps: int = 80
    inversion: Effort = field(default_factory=Effort)


QUICK = Size(
    shadows=8,
    targets=4,
    canaries=1200,
    head_canaries=600,
    image_canaries=120,
    small_images=24,
    small_shadows=8,
    small_targets=4,
    inversion=Effort(restarts=1, steps=4, memorised=8, memorised_steps=60),
)
"""Seconds, for tests and for trying the command out; shows little."""


def load(records: Sequence[Record], run: RunRecord) -> Images:
    """The images of records whose classes the run knows all, as it saw them, in its units of privacy.

    Raises:
        DataError: some cannot be read.
        UnitError: the unit is the patient, and nobody can say whose the images are.
    """
    patient = run.privacy.unit.startswith("patient")
    cap = (run.privacy.model_extra or {}).get("records_per_unit")
    grouped = group(records, "patient", cap) if patient else group(records, "image")
    place = {each.name: index for index, each in enumerate(run.classes)}
    how = preprocess.parse(run.preprocess)
    images = load_all(grouped.records, how) if grouped.records else np.zeros((0, 224, 224), np.uint8)
    labels = np.array([place[each.label] for each in grouped.records], np.int64)
    return Images(images, labels, grouped.units.of_record)


def canary_images(count: int, classes: int, rng: np.random.Generator) -> Images:
    """Procedural images (count, 224, 224) under random labels."""
    drawn = np.stack([procedural.sample(rng, "detailed")[0] for _ in range(count)])
    return Images(drawn, rng.integers(0, classes, count), np.arange(count))
