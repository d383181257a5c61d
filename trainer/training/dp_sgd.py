"""The engine of DP-SGD through the network's layers, and the loop of steps that both engines use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trainer.network.augment import augment, network_input
from trainer.network.edge_net import EdgeNet
from trainer.privacy import accounting
from trainer.privacy.private_step import PrivateStepper
from trainer.privacy.spend import Release, Spend
from trainer.progress import progress
from trainer.training.average import Average
from trainer.training.task import Task


@dataclass(frozen=True)
class DpSgd:
    """Every layer is trained on images augmented anew. The defaults were fixed without private data."""

    name: ClassVar[str] = "dp-sgd"
    needs_prior: ClassVar[bool] = False

    sampling_rate: float = 0.1
    steps: int = 300
    clip: float = 1.0
    rate: float = 0.5
    """Learning rate on the mean gradient."""
    momentum: float = 0.9
    averaging: float = 0.98
    physical: int = 32

    def spend(self, records: int, target: float, delta: float) -> Spend:
        """The steps, with the least noise that meets the target."""
        del records  # The sampling rate is a constant, whatever their number.
        return accounting.calibrate(
            lambda noise: (Release("DP-SGD steps", noise, self.sampling_rate, self.steps),), target, delta
        )

    def train(self, net: EdgeNet, task: Task, spend: Spend) -> None:
        """Take the steps of the one release of ``spend``."""

        def loss(model: nn.Module, rows: NDArray[np.intp]) -> Tensor:
            gray = torch.from_numpy(task.images[rows][:, None]).float()
            return task.loss(model(network_input(augment(gray))), rows)

        (steps,) = spend
        run_steps(
            net,
            loss,
            len(task.records),
            steps,
            rate=self.rate,
            momentum=self.momentum,
            clip=self.clip,
            averaging=self.averaging,
            physical=self.physical,
        )


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
) -> None:
    """Take the steps of ``release`` on ``model`` and leave the moving average of its weights in it."""
    average = Average(model, averaging)
    trained = [p for p in model.parameters() if p.requires_grad]
    stepper = PrivateStepper(
        model,
        torch.optim.SGD(trained, lr=rate, momentum=momentum),
        loss,
        noise_multiplier=release.noise,
        clip=clip,
        records=records,
        rate=release.sampling_rate,
        physical=physical,
    )
    with progress("private training", release.steps) as advance:
        for _ in range(release.steps):
            stepper.step()
            average.update()
            # No loss and no accuracy is shown: each would be one more look at private data.
            advance("")
    average.install()
    stepper.close()
