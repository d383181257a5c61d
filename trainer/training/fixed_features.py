"""The engine of fixed features: the network up to its head is public, the head is private.

Features are computed once for some augmented views of each image, their mean per group of classes is
released with noise, and the linear head is trained by DP-SGD on the centred features.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trainer.network.augment import augment, network_input
from trainer.network.edge_net import FEATURES, EdgeNet
from trainer.privacy import accounting, choices, noise
from trainer.privacy.spend import Release, Spend
from trainer.privacy.units import Units, sum_by_unit
from trainer.progress import progress
from trainer.training import checks, distributed
from trainer.training.dp_sgd import run_steps
from trainer.training.step_size import RATE, learning_rate
from trainer.training.task import Task

CHUNK = 16
"""Images whose views are looked at together."""
MEAN_SHARE = 0.25
"""Part of the Gaussian-DP parameter mu that the feature means get; costs 3 % of what is left."""


@dataclass(frozen=True)
class FixedFeatures:
    """Every record in every step: nothing is sampled, so all of it composes exactly as Gaussian DP.

    The numbers were chosen by cross-validation on the train and val splits of the public benchmark.
    On any other images they are fixed beforehand.
    """

    name: ClassVar[str] = "fixed-features"
    chosen: ClassVar[str] = (
        "pooling, steps, clip and averaging of the head, and the rule by which its learning rate follows "
        f"from noise and number of units: of about {choices.HEADS} settings, {choices.WHERE}; "
        f"{choices.LIKENESS}"
    )
    beside: ClassVar[frozenset[str]] = frozenset({"physical", "device"})
    needs_prior: ClassVar[bool] = True

    sampling_rate: float = 1.0
    steps: int = 40
    clip: float = 0.5
    rate: float | None = None
    """Learning rate on the mean gradient; None: by the rule of `step_size`."""
    momentum: float = 0.9
    views: int = 4
    averaging: float = 0.93
    physical: int = 4096
    device: str = ""
    """Where features are computed: ``cpu``, ``cuda`` or ``cuda:1``; empty takes a GPU where there is one. The
    head is trained on the CPU."""

    def spend(self, target: float, delta: float) -> Spend:
        """A release of the means, then the steps of the head, with the least noise that meets the target."""
        means = Release("mean features", 1 / (MEAN_SHARE * accounting.gaussian_mu(target, delta)))
        return accounting.calibrate(
            lambda noise: (
                means,
                Release("gradient steps of the head", noise, self.sampling_rate, self.steps),
            ),
            target,
            delta,
        )

    def settled(self, spend: Spend, units: int) -> FixedFeatures:
        """See `Engine`: the learning rate."""
        if self.rate is not None:
            return self
        steps = spend[-1]
        return replace(self, rate=learning_rate(steps.noise * self.clip / (steps.sampling_rate * units)))

    def check(self, net: EdgeNet, task: Task) -> None:
        """See `Engine`. Features of one chunk of drawn noise, and one step of a head.

        Raises:
            ValueError: a setting makes no sense, or this machine lacks the device or the memory.
        """
        rate = RATE if self.rate is None else self.rate
        checks.steps(
            sampling_rate=self.sampling_rate, steps=self.steps, clip=self.clip, rate=rate,
            momentum=self.momentum, averaging=self.averaging,
        )  # fmt: skip
        checks.at_least_one(views=self.views, physical=self.physical)
        where = checks.device(self.device)
        count = checks.largest_batch(task, self.physical)
        # Once as they come, once put together, once centred; then a batch with its gradients.
        numbers = 3 * len(task.records) * self.views + count * (self.views + len(task.classes))
        checks.memory(numbers * FEATURES * 4 / 2**20, "the features of all views")
        with checks.on_this_machine(where, "lower --views or --physical, or take another --device"):
            some = checks.stand_in(task, min(CHUNK, len(task.records)))
            _chunk(copy.deepcopy(net).to(where), some.images, self.views, where)
            made = torch.randn(count, self.views, FEATURES)
            checks.trial_step(
                nn.Linear(FEATURES, len(task.classes), bias=False),
                lambda model, rows: task.loss(model(made[rows]), rows),
                count,
                rate=rate,
                physical=count,
                views=1,
                method="ghost",
            )

    def train(self, net: EdgeNet, task: Task, spend: Spend) -> None:
        """Release the means, train the head on centred features, fold both into the network's head."""
        release_of_means, steps = spend
        rate = self.settled(spend, task.units.count).rate
        assert rate is not None
        names = [use.group for use in task.intended_use]
        of_class = np.array([names.index(each.group) for each in task.classes])
        groups = of_class[task.labels]
        where = distributed.device(self.device)
        features = feature_views(net, task.images, self.views, where)
        means = private_means(features, groups, len(names), release_of_means.noise, task.units)
        sizes = units_by_group(task.units, groups, len(names))
        net.likeness.copy_(likeness(means, release_of_means.noise, sizes)[torch.from_numpy(of_class)])
        centred = features - means[torch.from_numpy(groups)][:, None]
        head = nn.Linear(centred.shape[2], len(task.classes), bias=False)
        nn.init.zeros_(head.weight)
        run_steps(
            head,
            lambda model, rows: task.loss(model(centred[rows]), rows),
            len(task.records),
            steps,
            rate=rate,
            momentum=self.momentum,
            clip=self.clip,
            averaging=self.averaging,
            physical=self.physical,
            units=None if task.units.single else task.units.of_record,
        )
        with torch.no_grad():
            net.head.weight.copy_(head.weight)
            # logit = w (f - mean of the class's group) = w f + b
            net.head.bias.copy_(-(head.weight * means[torch.from_numpy(of_class)]).sum(1))


def units_by_group(units: Units, groups: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    """Number of units that have a record in each group, (count,); at least one. Treated as public."""
    pairs = np.unique(units.of_record * count + groups)
    return np.bincount(pairs % count, minlength=count).clip(min=1)


def likeness(means: Tensor, multiplier: float, sizes: NDArray[np.intp]) -> Tensor:
    """Directions (count, FEATURES) whose product with the mean feature of their group is one.

    Made of the released means alone. What their noise adds to their squared length is known and taken off.
    ``sizes`` (count,) is what the noisy sums were divided by.
    """
    added = means.shape[1] * (multiplier / torch.from_numpy(sizes)) ** 2
    squared = (means**2).sum(1)
    true = torch.maximum(squared - added, squared / 4)
    return means / true.clamp(min=1e-6)[:, None].to(means.dtype)


def feature_views(
    net: EdgeNet, images: NDArray[np.uint8], views: int, where: torch.device | None = None
) -> Tensor:
    """Features of the image itself and of ``views - 1`` augmentations of it: (N, views, FEATURES).

    They end on the CPU. With ``where`` a GPU, the network is there meanwhile.
    """
    where = where or torch.device("cpu")
    chunks: list[Tensor] = []
    if where.type != "cpu":
        net.to(where)
    try:
        with progress("features", -(-len(images) // CHUNK)) as advance:
            for start in range(0, len(images), CHUNK):
                chunks.append(_chunk(net, images[start : start + CHUNK], views, where))
                advance("")
    finally:
        if where.type != "cpu":
            net.to("cpu")
    return torch.cat(chunks)


@torch.no_grad()
def _chunk(net: EdgeNet, images: NDArray[np.uint8], views: int, where: torch.device) -> Tensor:
    gray = torch.from_numpy(images[:, None]).to(where).float()
    every = [gray, *(augment(gray) for _ in range(views - 1))]
    features = net.features(network_input(torch.cat(every)))
    return features.view(views, len(gray), -1).transpose(0, 1).cpu()


def private_means(
    features: Tensor, groups: NDArray[np.intp], count: int, multiplier: float, units: Units | None = None
) -> Tensor:
    """Mean feature of each group of classes, released once by the Gaussian mechanism.

    A unit gives each group the mean of its own records there, and all that it gives together is clipped
    to length one: the sensitivity to adding or removing a unit is one. Sums are divided by the number of
    units in each group, which is treated as public.

    Args:
        features: (N, V, FEATURES), V views of each record.
        groups: group of each record, (N,), in 0..count-1.
        count: number of groups.
        multiplier: standard deviation of the noise.
        units: which records are protected together; left out, each record is a unit.

    Returns:
        (count, FEATURES).
    """
    of_unit = np.arange(len(groups)) if units is None else units.of_record
    own = features.double().mean(1)
    own = torch.where(own.isfinite().all(1, keepdim=True), own, torch.zeros_like(own))
    own = own / own.norm(dim=1, keepdim=True).clamp(min=1.0)
    pairs, place, sizes = np.unique(of_unit * count + groups, return_inverse=True, return_counts=True)
    given = sum_by_unit(own, place.reshape(-1)) / torch.from_numpy(sizes)[:, None]
    _, unit = np.unique(pairs // count, return_inverse=True)
    squares = sum_by_unit((given**2).sum(1), unit.reshape(-1))
    given = given / squares.sqrt().clamp(min=1.0)[torch.from_numpy(unit.reshape(-1))][:, None]
    group = pairs % count
    sums = torch.zeros(count, own.shape[1], dtype=torch.float64)
    sums.index_add_(0, torch.from_numpy(group), given)
    sums += noise.gaussian(sums.shape, multiplier)
    public = torch.from_numpy(np.bincount(group, minlength=count)).double().clamp(min=1)
    return (sums / public[:, None]).float()
