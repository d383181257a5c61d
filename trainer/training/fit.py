"""``trainer fit``: train the network under differential privacy, in a fixed number of steps.

Two depths. ``head``: with a prior, features are computed once for some augmented views of each image,
their mean per group of classes is released with noise, and the linear head is trained by DP-SGD on the
centred features. ``all``: every layer is trained by DP-SGD on images augmented anew. In both, what is
kept is a moving average of the weights; nothing is chosen by looking at private data.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as fn

from edge.imaging.bundle import ClassInfo, IntendedUse
from trainer.data import dataset, uses
from trainer.network.augment import augment, network_input
from trainer.network.edge_net import EdgeNet
from trainer.prior.pretrain import load_prior
from trainer.privacy import accounting, noise
from trainer.privacy.private_step import PrivateStepper
from trainer.privacy.statement import privacy_statement
from trainer.progress import progress
from trainer.training import run_record

Depth = Literal["head", "all"]
MIN_PROBABILITY = 0.5
THRESHOLD_RULE = (
    "temperature 1 and minimum probability 0.5 (more likely than all other classes of its group together), "
    "fixed before training; no image was used to choose them"
)


@dataclass(frozen=True)
class Recipe:
    """Numbers of a run. The defaults were fixed without looking at private data."""

    depth: Depth
    sampling_rate: float
    steps: int
    clip: float
    rate: float
    """Learning rate on the mean gradient."""
    momentum: float = 0.0
    views: int = 6
    averaging: float = 0.97
    physical: int = 32


RECIPES: dict[Depth, Recipe] = {
    # Clip and learning rate of the head were chosen on procedural images in the place of private ones.
    "head": Recipe("head", sampling_rate=0.25, steps=200, clip=0.5, rate=8.0, physical=4096),
    "all": Recipe("all", sampling_rate=0.1, steps=300, clip=1.0, rate=0.5, momentum=0.9, averaging=0.98),
}


@dataclass(frozen=True)
class Task:
    """The images of one run, and the classes they are told apart in."""

    records: Sequence[dataset.Record]
    images: NDArray[np.uint8]
    classes: tuple[ClassInfo, ...]
    intended_use: tuple[IntendedUse, ...]
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


def prepare(records: Sequence[dataset.Record], known: dict[str, IntendedUse]) -> Task:
    """Load the images of a list of records and name their classes, group by group."""
    pairs = sorted({(uses.use_of(record.modality, known).group, record.label) for record in records})
    names = [name for _, name in pairs]
    if len(set(names)) != len(names):
        raise dataset.DataError("a class name stands in two groups; name the classes apart")
    groups = sorted({group for group, _ in pairs})
    chosen = tuple(next(use for use in known.values() if use.group == group) for group in groups)
    classes = tuple(ClassInfo(name=name, group=group) for group, name in pairs)
    return Task(records, dataset.load_all(records), classes, chosen)


class Average:
    """Moving average of the trained parameters, corrected for its start."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self._parameters = [p for p in model.parameters() if p.requires_grad]
        self._sums = [torch.zeros_like(p) for p in self._parameters]
        self._decay, self._weight = decay, 0.0

    def update(self) -> None:
        """Take in the weights as they are now."""
        self._weight = self._decay * self._weight + 1 - self._decay
        for total, parameter in zip(self._sums, self._parameters, strict=True):
            total.mul_(self._decay).add_(parameter.detach(), alpha=1 - self._decay)

    def install(self) -> None:
        """Replace the weights by their average."""
        with torch.no_grad():
            for total, parameter in zip(self._sums, self._parameters, strict=True):
                parameter.copy_(total / self._weight)


@torch.no_grad()
def feature_views(net: EdgeNet, images: NDArray[np.uint8], views: int) -> Tensor:
    """Features of the image itself and of ``views - 1`` augmentations of it: (N, views, FEATURES)."""
    chunks: list[Tensor] = []
    size = 16
    with progress("features", -(-len(images) // size)) as advance:
        for start in range(0, len(images), size):
            gray = torch.from_numpy(images[start : start + size, None]).float()
            every = [gray, *(augment(gray) for _ in range(views - 1))]
            features = net.features(network_input(torch.cat(every)))
            chunks.append(features.view(views, len(gray), -1).transpose(0, 1))
            advance("")
    return torch.cat(chunks)


def private_means(features: Tensor, groups: NDArray[np.intp], count: int, multiplier: float) -> Tensor:
    """Mean feature of each group, (count, FEATURES), released once by the Gaussian mechanism.

    A record adds one vector of length at most one, its views' mean, to one group's sum: the sensitivity
    to adding or removing it is one. Sums are divided by the groups' sizes, which are treated as public.
    """
    own = features.double().mean(1)
    own = own / own.norm(dim=1, keepdim=True).clamp(min=1.0)
    own = torch.where(own.isfinite().all(1, keepdim=True), own, torch.zeros_like(own))
    sums = torch.zeros(count, own.shape[1], dtype=torch.float64).index_add_(0, torch.from_numpy(groups), own)
    sums += noise.gaussian(sums.shape, multiplier)
    sizes = torch.from_numpy(np.bincount(groups, minlength=count)).double().clamp(min=1)
    return (sums / sizes[:, None]).float()


def _train_head(net: EdgeNet, task: Task, recipe: Recipe, mechanism: accounting.Mechanism) -> None:
    names = [use.group for use in task.intended_use]
    of_class = np.array([names.index(each.group) for each in task.classes])
    groups = of_class[task.labels]
    features = feature_views(net, task.images, recipe.views)
    if mechanism.mean_noise is None:
        raise ValueError("the head's mechanism needs a release of means")
    means = private_means(features, groups, len(names), mechanism.mean_noise)
    centred = features - means[torch.from_numpy(groups)][:, None]
    head = nn.Linear(centred.shape[2], len(task.classes), bias=False)
    nn.init.zeros_(head.weight)
    _run(
        head,
        lambda model, rows: task.loss(model(centred[rows]), rows),
        len(task.records),
        recipe,
        mechanism,
    )
    with torch.no_grad():
        net.head.weight.copy_(head.weight)
        # logit = w (f - mean of the class's group) = w f + b
        net.head.bias.copy_(-(head.weight * means[torch.from_numpy(of_class)]).sum(1))


def _train_all(net: EdgeNet, task: Task, recipe: Recipe, mechanism: accounting.Mechanism) -> None:
    def loss(model: nn.Module, rows: NDArray[np.intp]) -> Tensor:
        gray = torch.from_numpy(task.images[rows][:, None]).float()
        return task.loss(model(network_input(augment(gray))), rows)

    _run(net, loss, len(task.records), recipe, mechanism)


def _run(model: nn.Module, loss: Any, records: int, recipe: Recipe, mechanism: accounting.Mechanism) -> None:
    average = Average(model, recipe.averaging)
    trained = [p for p in model.parameters() if p.requires_grad]
    stepper = PrivateStepper(
        model,
        torch.optim.SGD(trained, lr=recipe.rate, momentum=recipe.momentum),
        loss,
        noise_multiplier=mechanism.noise,
        clip=recipe.clip,
        records=records,
        rate=mechanism.sampling_rate,
        physical=recipe.physical,
    )
    with progress("private training", mechanism.steps) as advance:
        for _ in range(mechanism.steps):
            stepper.step()
            average.update()
            # No loss and no accuracy is shown: each would be one more look at private data.
            advance("")
    average.install()
    stepper.model.remove_hooks()


def fit(
    task: Task, recipe: Recipe, *, epsilon: float, delta: float, prior: Path | None, out: Path, data_note: Any
) -> run_record.RunRecord:
    """Train, account, and write the run directory ``out``.

    Raises:
        ValueError: delta is not below one over the number of images, or the budget cannot be met.
    """
    count = len(task.records)
    if not delta < 1 / count:
        raise ValueError(f"delta {delta} must be below 1/n = {1 / count:.2g}")
    means = recipe.depth == "head"
    mechanism = accounting.calibrate(epsilon, delta, recipe.sampling_rate, recipe.steps, means=means)
    net = EdgeNet(len(task.classes))
    if prior is not None:
        load_prior(prior, net)
    elif recipe.depth == "head":
        raise ValueError("training the head alone needs a prior; make one with trainer pretrain")
    started = time.monotonic()
    (_train_head if means else _train_all)(net, task, recipe, mechanism)
    groups = [use.group for use in task.intended_use]
    record = run_record.RunRecord(
        name="edge-net",
        made=datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        classes=task.classes,
        intended_use=task.intended_use,
        temperature=dict.fromkeys(groups, 1.0),
        min_probability=dict.fromkeys(groups, MIN_PROBABILITY),
        threshold_rule=THRESHOLD_RULE,
        privacy=privacy_statement(mechanism, recipe.clip, delta, count),
        data=data_note,
        training={
            **asdict(recipe),
            "prior": "procedural images only" if prior else "none",
            "seconds": round(time.monotonic() - started, 1),
        },
    )
    run_record.save(out, record, net)
    return record
