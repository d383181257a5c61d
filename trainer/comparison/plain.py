"""Training without privacy: no clipping, no noise, shuffled batches. Baselines drop all of it, not a part.

What keeps it stable is the slow rise of the learning rate; a training that diverges all the same is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trainer.comparison.answers import Answers
from trainer.comparison.material import Material
from trainer.comparison.recipes import ComparisonError
from trainer.network.augment import augment
from trainer.network.standardise import standardise
from trainer.progress import progress
from trainer.training.plain_head import plain_head
from trainer.training.task import Task

CHUNK = 64


class DivergedError(ComparisonError):
    """The training ran away; its network is worth nothing."""


def nine_classes(task: Task) -> Task:
    """The task with every class against every other, as one trains who does not know the modality."""
    made = replace(task)
    object.__setattr__(made, "mask", torch.zeros_like(task.mask))
    return made


def standard_input(gray: Tensor) -> Tensor:
    """Display values (B, 1, 224, 224) as gray of mean 0 and spread 1, same shape."""
    return standardise(gray)


def three_channels(gray: Tensor) -> Tensor:
    """Display values (B, 1, 224, 224) as the input of the network that ships, (B, 3, 224, 224)."""
    return standardise(gray).expand(-1, 3, -1, -1)


def gray(images: NDArray[np.uint8], where: torch.device) -> Tensor:
    """(B, 224, 224) uint8 as display values (B, 1, 224, 224)."""
    return torch.from_numpy(images[:, None]).to(where).float()


def train(
    model: nn.Module,
    task: Task,
    prepare: Callable[[Tensor], Tensor],
    where: torch.device,
    *,
    epochs: int,
    batch: int,
    rate: float,
    decay: float,
    title: str,
) -> None:
    """AdamW with one cycle of the rate on augmented images, in bfloat16; ``model`` is trained in place.

    Args:
        model: its parameters with ``requires_grad``.
        task: images, classes, loss.
        prepare: display values (B, 1, 224, 224) to the model's input.
        where: the model and each batch go there.
        epochs: passes over the images.
        batch: images a step.
        rate: largest learning rate.
        decay: weight decay.
        title: for the progress.

    Raises:
        DivergedError: the loss or a weight is no longer finite.
    """
    # Channels last in memory and half precision halve the time and more, on both kinds of device.
    model.to(where, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=rate, weight_decay=decay)
    count = len(task.records)
    per_epoch = max(1, count // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=epochs * per_epoch)
    with progress(title, epochs * per_epoch) as advance:
        for _ in range(epochs):
            order = torch.randperm(count).numpy().astype(np.intp)
            for rows in np.array_split(order, per_epoch):
                with torch.autocast(where.type, torch.bfloat16):
                    logits = model(prepare(augment(gray(task.images[rows], where))))
                loss = task.loss(logits.float().cpu(), rows).mean()
                if not torch.isfinite(loss):
                    raise _diverged(rate)
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                schedule.step()
                advance("")
    if not all(bool(torch.isfinite(each).all()) for each in parameters):  # the last step may have done it
        raise _diverged(rate)
    model.eval()


def _diverged(rate: float) -> DivergedError:
    return DivergedError(
        f"the training without privacy diverged at a learning rate of {rate:g}: its loss is not finite; "
        "lower the rate of this row"
    )


@torch.no_grad()
def batches(
    function: Callable[[Tensor], Tensor],
    images: NDArray[np.uint8],
    prepare: Callable[[Tensor], Tensor],
    where: torch.device,
    title: str,
) -> Tensor:
    """``function(prepare(images))`` of many images, back on the CPU; shows progress."""
    found = []
    starts = range(0, len(images), CHUNK)
    with progress(title, len(starts)) as advance:
        for start in starts:
            found.append(function(prepare(gray(images[start : start + CHUNK], where))).float().cpu())
            advance("")
    return torch.cat(found)


def answering(
    model: nn.Module, prepare: Callable[[Tensor], Tensor], where: torch.device
) -> Callable[[Material], Answers]:
    """A trained model as something that answers."""

    def answer(material: Material) -> Answers:
        model.to(where).eval()
        logits = batches(model, material.judged.images, prepare, where, "judged images")
        return Answers(np.asarray(logits.numpy(), np.float32))

    return answer


def convex_head(features: Tensor, task: Task, ridge: float, iterations: int = 80) -> tuple[Tensor, Tensor]:
    """`plain_head` of a task: weight (classes, D), bias (classes,), of features (N, V, D)."""
    names = [use.group for use in task.intended_use]
    of_class = torch.tensor([names.index(each.group) for each in task.classes])
    return plain_head(features, torch.from_numpy(task.labels), of_class, ridge, iterations)
