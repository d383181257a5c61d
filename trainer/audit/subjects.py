"""What the attacks are run against: procedures that train on some of the records and score all of them.

Each is a callable from a mask of members (N,) to scores (N,), higher where the model knows the record
better: the logarithm of p / (1 - p) of its true class among its group's (Carlini et al. 2022, section V).
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as fn

from edge.imaging.bundle import ClassInfo, IntendedUse
from trainer.data.record import Record
from trainer.network.edge_net import EdgeNet
from trainer.privacy.spend import Spend
from trainer.privacy.units import Units
from trainer.training.fixed_features import FixedFeatures
from trainer.training.plain_head import plain_head
from trainer.training.task import Task

RIDGE = 1e-5
"""Weight decay of the head without privacy: near none, as one would train it."""


@dataclass(frozen=True)
class Cached:
    """Records whose features were computed once."""

    features: Tensor
    """(N, 1, D), of the images themselves."""
    labels: Tensor
    """(N,) positions of classes."""
    group_of_class: Tensor
    """(classes,) positions of groups."""
    units: NDArray[np.intp]
    """(N,) unit of privacy of each record, from 0."""

    @property
    def count(self) -> int:
        """Units, if none is missing."""
        return int(self.units.max(initial=-1)) + 1

    def per_unit(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Mean over each unit's records, (units,), of values (N,)."""
        return np.asarray(np.bincount(self.units, values, self.count) / np.bincount(self.units))

    @property
    def groups(self) -> Tensor:
        """(N,)."""
        return self.group_of_class[self.labels]

    @property
    def mask(self) -> Tensor:
        """(N, classes): 0 for the classes of the record's own group, -inf for the others."""
        return torch.where(self.groups[:, None] == self.group_of_class, 0.0, -torch.inf)

    def take(self, rows: NDArray[np.intp]) -> Cached:
        """Some of the records."""
        picked = torch.from_numpy(rows)
        return Cached(self.features[picked], self.labels[picked], self.group_of_class, self.units[rows])

    def join(self, other: Cached) -> Cached:
        """These records and then others of the same shape."""
        return Cached(
            torch.cat([self.features, other.features]),
            torch.cat([self.labels, other.labels]),
            self.group_of_class,
            np.concatenate([self.units, other.units + self.count]),
        )


def confidence(logits: Tensor, mask: Tensor, labels: Tensor) -> NDArray[np.float64]:
    """Logarithm of p / (1 - p) of the true class, (N,), from logits (N, classes); stable for p near one."""
    allowed = logits.double() + mask
    own = allowed.gather(1, labels[:, None])[:, 0]
    rest = allowed.scatter(1, labels[:, None], -torch.inf).logsumexp(1)
    return np.asarray((own - rest).numpy(), np.float64)


@dataclass(frozen=True)
class Head:
    """A trained linear head: weight (classes, D), bias (classes,)."""

    weight: Tensor
    bias: Tensor

    def score(self, records: Cached) -> NDArray[np.float64]:
        """Confidence in each record."""
        return confidence(records.features[:, 0] @ self.weight.T + self.bias, records.mask, records.labels)


HeadTrainer = Callable[[Cached], Head]


def scorer(train: HeadTrainer, records: Cached) -> Callable[[NDArray[np.bool_]], NDArray[np.float64]]:
    """A head's training as a procedure to attack: from a mask of units to a score for each."""
    return lambda members: records.per_unit(
        train(records.take(np.flatnonzero(members[records.units]))).score(records)
    )


class _Remembered(nn.Module):
    """In the place of the network: gives features that were computed before, in the order of the records."""

    likeness: Tensor

    def __init__(self, records: Cached) -> None:
        super().__init__()
        self._left = records.features[:, 0]
        classes, width = len(records.group_of_class), self._left.shape[1]
        self.head = nn.Linear(width, classes)
        self.register_buffer("likeness", torch.zeros(classes, width))

    def features(self, x: Tensor) -> Tensor:
        """The next ``len(x)`` records' features."""
        given, self._left = self._left[: len(x)], self._left[len(x) :]
        return given


def task_of(records: Cached) -> Task:
    """The records as the engine wants them, with images of four pixels that nobody looks at."""
    groups = [str(group) for group in range(int(records.group_of_class.max()) + 1)]
    classes = [
        ClassInfo(name=str(place), group=groups[group])
        for place, group in enumerate(records.group_of_class.tolist())
    ]
    one = [Record(Path(), each.name, "", "train", "", "", "") for each in classes]
    known, place = np.unique(records.units, return_inverse=True)
    return Task(
        records=[one[label] for label in records.labels.tolist()],
        images=np.zeros((len(records.labels), 2, 2), np.uint8),
        classes=tuple(classes),
        intended_use=tuple(IntendedUse(group=each, modalities=(), body_parts=()) for each in groups),
        units=Units(place.reshape(-1).astype(np.intp), len(known)),
    )


@dataclass(frozen=True)
class PrivateHead:
    """The run's own engine, on cached features of the images themselves: its code, settings and noise.

    ``noise_factor`` and ``unclipped`` break it on purpose, for controls: an audit that does not notice is
    worth nothing.
    """

    engine: FixedFeatures
    spend: Spend
    noise_factor: float = 1.0
    unclipped: float = 1.0
    """Factor on the clip of the steps at the same absolute noise."""

    def __call__(self, records: Cached) -> Head:
        """Train once, with noise from the operating system."""
        engine = replace(self.engine, views=1, clip=self.engine.clip * self.unclipped)
        spend = tuple(
            replace(
                each,
                noise=each.noise * self.noise_factor / (self.unclipped if each.steps > 1 else 1.0),
            )
            for each in self.spend
        )
        net = _Remembered(records)
        with quiet():
            engine.train(cast("EdgeNet", net), task_of(records), spend)
        return Head(net.head.weight.detach().clone(), net.head.bias.detach().clone())


@dataclass(frozen=True)
class PlainHead:
    """The same head without privacy: exact means, no clip, no noise, trained until it stands still."""

    iterations: int = 60
    ridge: float = RIDGE

    def __call__(self, records: Cached) -> Head:
        """Train by L-BFGS."""
        of_class = records.group_of_class
        return Head(*plain_head(records.features, records.labels, of_class, self.ridge, self.iterations))


class SmallNet(nn.Sequential):
    """A small CNN for gray images (B, 1, side, side), side a multiple of 8; trained from scratch."""

    def __init__(self, classes: int) -> None:
        super().__init__(
            nn.Conv2d(1, 16, 3, 2, 1),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, 2, 1),
            nn.ReLU(),
            nn.Conv2d(32, 64, 3, 2, 1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(256, classes),
        )


@dataclass(frozen=True)
class SmallNetTrainer:
    """A network without privacy on few images, trained until it knows them by heart: the contrast."""

    images: Tensor
    """(N, 1, side, side), standardised."""
    labels: Tensor
    group_of_class: Tensor
    steps: int = 80

    def __call__(self, members: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Train on the members by full-batch Adam and score all."""
        nobody = np.zeros(0, np.intp)
        records = Cached(self.images.flatten(1)[:, None], self.labels, self.group_of_class, nobody)
        rows = torch.from_numpy(np.flatnonzero(members))
        net = SmallNet(len(self.group_of_class))
        optimizer = torch.optim.Adam(net.parameters(), lr=4e-3)
        mask = records.mask
        for _ in range(self.steps):
            optimizer.zero_grad()
            loss = fn.cross_entropy(net(self.images[rows]) + mask[rows], self.labels[rows])
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        with torch.no_grad():
            return confidence(net(self.images), mask, self.labels)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hold back the progress lines of an inner piece of work that an outer bar already counts."""
    with contextlib.redirect_stderr(io.StringIO()):
        yield
