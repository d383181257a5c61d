"""The task of one run: its images, its classes, its units of privacy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as fn

from edge.imaging.bundle import ClassInfo, IntendedUse
from edge.imaging.preprocess import Preprocessing
from trainer.data import dataset, uses
from trainer.privacy.units import Units

PLAIN = Preprocessing()


@dataclass(frozen=True)
class Task:
    """The images of one run, and the classes they are told apart in."""

    records: Sequence[dataset.Record]
    images: NDArray[np.uint8]
    """(N, 224, 224)."""
    classes: tuple[ClassInfo, ...]
    intended_use: tuple[IntendedUse, ...]
    units: Units
    """Which records are protected together."""
    preprocessing: Preprocessing = PLAIN
    """What ``images`` went through; the bundle will name it, so that the box does the same."""
    labels: NDArray[np.int64] = field(init=False)
    mask: Tensor = field(init=False)
    """(N, classes): 0 for the classes of the record's own group, -inf for the others."""

    def __post_init__(self) -> None:
        position = {each.name: index for index, each in enumerate(self.classes)}
        group = {each.name: each.group for each in self.classes}
        labels = np.array([position[record.label] for record in self.records], np.int64)
        own = torch.tensor([[each.group == group[r.label] for each in self.classes] for r in self.records])
        object.__setattr__(self, "labels", labels)
        object.__setattr__(self, "mask", torch.where(own, 0.0, -torch.inf))

    def loss(self, logits: Tensor, rows: NDArray[np.intp]) -> Tensor:
        """Cross-entropy per record among its own group's classes; logits (B, classes) or (B, V, classes)."""
        mask, target = self.mask[rows], torch.from_numpy(self.labels[rows])
        if logits.dim() == 2:
            return fn.cross_entropy(logits + mask, target, reduction="none")
        views = logits.shape[1]
        every = fn.cross_entropy(
            (logits + mask[:, None]).flatten(0, 1), target.repeat_interleave(views), reduction="none"
        )
        return every.view(-1, views).mean(1)


def prepare(
    records: Sequence[dataset.Record],
    known: dict[str, IntendedUse],
    units: Units | None = None,
    preprocessing: Preprocessing = PLAIN,
) -> Task:
    """Load the images of a list of records and name their classes, group by group.

    Without ``units``, each image is one.
    """
    pairs = sorted({(uses.use_of(record.modality, known).group, record.label) for record in records})
    names = [name for _, name in pairs]
    if len(set(names)) != len(names):
        raise dataset.DataError("a class name stands in two groups; name the classes apart")
    groups = sorted({group for group, _ in pairs})
    chosen = tuple(next(use for use in known.values() if use.group == group) for group in groups)
    classes = tuple(ClassInfo(name=name, group=group) for group, name in pairs)
    units = units or Units.images(len(records))
    images = dataset.load_all(records, preprocessing)
    return Task(records, images, classes, chosen, units, preprocessing)
