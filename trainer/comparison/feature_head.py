"""The engine of the published recipes on fixed features: private centre, private whitening, full-batch head.

Nothing is sampled, so all of it composes exactly under Gaussian DP. The recipe stands in arXiv 2011.11660
(linear head) with a private mean and covariance before it; each release's sensitivity is one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as fn

from trainer.comparison.features import whitening
from trainer.privacy import accounting, noise
from trainer.privacy.spend import Release, Spend
from trainer.training.steps import run_steps
from trainer.training.task import Task


@dataclass(frozen=True)
class FeatureHead:
    """Settings; fixed without private data."""

    private_whiten: bool = False
    share: float = 0.2
    """Part of the squared Gaussian-DP parameter mu that the mean, or mean and covariance, get."""
    steps: int = 100
    clip: float = 1.0
    rate: float = 8.0
    averaging: float = 0.9
    momentum: float = 0.9

    @property
    def name(self) -> str:
        """For the ledger."""
        return "features and full-batch head"

    def spend(self, target: float, delta: float) -> Spend:
        """Mean, perhaps covariance, and the steps with the least noise that meets the target."""
        budget = self.share * accounting.gaussian_mu(target, delta) ** 2
        parts = ("mean of the features", "their covariance")[: 2 if self.private_whiten else 1]
        fixed = tuple(Release(what, (len(parts) / budget) ** 0.5) for what in parts)
        return accounting.calibrate(
            lambda multiplier: (*fixed, Release("full-batch steps of the head", multiplier, 1.0, self.steps)),
            target,
            delta,
        )

    def train(self, features: Tensor, task: Task, spend: Spend) -> Head:
        """Release mean and covariance, then train.

        Args:
            features: (N, D), rows of length at most one; longer ones are clipped.
            task: labels and classes; each record a unit.
            spend: what `spend` gave.
        """
        *before, steps = spend
        values = _clipped(features)
        centre = _noisy_mean(values, before[0].noise)
        values = _clipped(values - centre)
        project: Tensor | None = None
        if self.private_whiten:
            project = _private_whitening(values, before[1].noise)
            values = fn.normalize(values @ project, dim=1)
        head = nn.Linear(values.shape[1], len(task.classes))
        nn.init.zeros_(head.weight)
        nn.init.zeros_(head.bias)
        run_steps(
            head,
            lambda model, rows: task.loss(model(values[rows]), rows),
            len(task.records),
            steps,
            rate=self.rate,
            clip=self.clip,
            averaging=self.averaging,
            momentum=self.momentum,
            physical=8192,
        )
        return Head(centre, project, head.weight.detach(), head.bias.detach())


@dataclass(frozen=True)
class Head:
    """What was released."""

    centre: Tensor
    project: Tensor | None
    weight: Tensor
    bias: Tensor

    def __call__(self, features: Tensor) -> Tensor:
        """Logits (N, classes) of features (N, D)."""
        values = _clipped(_clipped(features) - self.centre)
        if self.project is not None:
            values = fn.normalize(values @ self.project, dim=1)
        return values @ self.weight.T + self.bias


def _clipped(rows: Tensor) -> Tensor:
    """Rows of length at most one; what is not finite becomes zero."""
    rows = torch.where(rows.isfinite().all(1, keepdim=True), rows, torch.zeros_like(rows))
    return rows / rows.norm(dim=1, keepdim=True).clamp(min=1.0)  # type: ignore[no-any-return]


def _noisy_mean(rows: Tensor, multiplier: float) -> Tensor:
    """Mean of rows of length at most one by the Gaussian mechanism; their number is public."""
    total = rows.double().sum(0)
    return ((total + noise.gaussian(total.shape, multiplier)) / len(rows)).float()


def _private_whitening(rows: Tensor, multiplier: float) -> Tensor:
    """Whitening by a noisy second moment (Dwork et al. 2014, "Analyze Gauss"): symmetric noise once.

    The upper triangle of x x', the diagonal included, has length at most one. Eigenvalues below what the
    noise alone would give (Wigner: 2 sigma sqrt(D)) are held at that level, so noise is not blown up.
    """
    width = rows.shape[1]
    upper = noise.gaussian(torch.Size((width, width)), multiplier).triu()
    noisy = (rows.double().T @ rows.double() + upper + upper.triu(1).T) / len(rows)
    floor = 2 * multiplier * width**0.5 / len(rows)
    values, vectors = torch.linalg.eigh(noisy)
    held = vectors * values.clamp(min=floor) @ vectors.T
    return whitening(held, 0.0).float() * float(np.sqrt(floor))
