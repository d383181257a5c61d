"""The loop of private steps that the engines share: optimizer, schedule, moving average, progress."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import nullcontext
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trainer.privacy.private_step import Method, PrivateStepper
from trainer.privacy.spend import Release
from trainer.privacy.team import Team
from trainer.progress import progress
from trainer.training.average import Average

Schedule = Literal["constant", "cosine"]


def rate_factor(schedule: Schedule, step: int, steps: int, warmup: int = 0) -> float:
    """What the learning rate of a step is multiplied by: known before training, whatever the data are.

    Args:
        schedule: ``constant``, or ``cosine`` from 1 to 0 after the warm-up.
        step: 0 to steps - 1.
        steps: all of them.
        warmup: steps of linear rise.
    """
    if step < warmup:
        return (step + 1) / warmup
    if schedule == "constant":
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def run_steps(
    model: nn.Module,
    loss: Callable[[nn.Module, NDArray[np.intp]], Tensor],
    records: int,
    release: Release,
    *,
    rate: float,
    clip: float,
    averaging: float,
    momentum: float = 0.0,
    physical: int = 32,
    schedule: Schedule = "constant",
    warmup: int = 0,
    units: NDArray[np.intp] | None = None,
    views: int = 1,
    method: Method = "ghost",
    team: Team | None = None,
) -> None:
    """Take the steps of ``release`` on ``model`` and leave the moving average of its weights in it.

    Args:
        model: its parameters with ``requires_grad`` are trained.
        loss: model and positions of records -> one loss for each.
        records: how many there are.
        release: noise, sampling rate and number of the steps.
        rate: learning rate on the mean gradient.
        clip: L2 bound of one unit's gradient.
        averaging: decay of the moving average.
        momentum: of the (noisy) gradients.
        physical: records in memory at once.
        schedule: see `rate_factor`.
        warmup: see `rate_factor`.
        units: unit of privacy of each record; None if each record is one.
        views: see `PrivateStepper`.
        method: see `PrivateStepper`.
        team: the processes that step together.
    """
    average = Average(model, averaging)
    optimizer = torch.optim.SGD(
        [p for p in model.parameters() if p.requires_grad], lr=rate, momentum=momentum
    )
    stepper = PrivateStepper(
        model,
        optimizer,
        loss,
        noise_multiplier=release.noise,
        clip=clip,
        records=records,
        rate=release.sampling_rate,
        physical=physical,
        units=units,
        views=views,
        method=method,
        team=team,
    )
    alone = team is None or team.rank == 0
    with progress(release.what, release.steps) if alone else nullcontext(_silent) as advance:
        for step in range(release.steps):
            for group in optimizer.param_groups:
                group["lr"] = rate * rate_factor(schedule, step, release.steps, warmup)
            stepper.step()
            average.update()
            # No loss and no accuracy is shown: each would be one more look at private data.
            advance("")
    average.install()
    stepper.close()


def _silent(text: str) -> None:
    del text
