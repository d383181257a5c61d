"""DP-SGD with Opacus: per-record gradients, clipping, noise, one step.

Opacus computes and clips the gradients of single records. What is ours: noise from the operating
system, records with non-finite gradients contribute nothing, an empty sample still gets its noise,
and a sample may be processed in physical batches while noise is added once.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from opacus import GradSampleModule
from opacus.optimizers import DPOptimizer
from torch import Tensor, nn
from torch.optim import Optimizer

from trainer.privacy import noise


class PrivateOptimizer(DPOptimizer):  # type: ignore[misc]
    """Opacus' optimizer with noise from the operating system's CSPRNG."""

    def clip_and_accumulate(self) -> None:
        """Zero the gradient of any record that is not finite, then clip and add up."""
        samples = self.grad_samples
        if len(samples[0]):
            finite = torch.stack([each.flatten(1).isfinite().all(1) for each in samples]).all(0)
            for parameter, each in zip(self.params, samples, strict=True):
                if not finite.all():
                    kept = finite.view(-1, *[1] * (each.dim() - 1))
                    parameter.grad_sample = torch.where(kept, each, torch.zeros_like(each))
        super().clip_and_accumulate()

    def add_noise(self) -> None:
        """Add Gaussian noise of standard deviation noise multiplier x clipping norm to each sum."""
        deviation = self.noise_multiplier * self.max_grad_norm
        for parameter in self.params:
            total = parameter.summed_grad
            noisy = total.double() + noise.gaussian(total.shape, deviation)
            parameter.grad = noisy.to(total.dtype).view_as(parameter)


class PrivateStepper:
    """Takes steps of DP-SGD over ``records`` numbered records.

    Args:
        model: its parameters with ``requires_grad`` are trained.
        optimizer: plain torch optimizer over the same parameters.
        loss: maps positions of records to one loss per record, shape (len(positions),).
        noise_multiplier: standard deviation of the noise over ``clip``.
        clip: largest L2 norm of one record's gradient.
        records: their number, treated as public.
        rate: Poisson sampling rate.
        physical: records whose gradients are held in memory at once.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: Optimizer,
        loss: Callable[[nn.Module, NDArray[np.intp]], Tensor],
        *,
        noise_multiplier: float,
        clip: float,
        records: int,
        rate: float,
        physical: int,
    ) -> None:
        self._records, self._rate, self._physical, self._loss = records, rate, physical, loss
        self.model = GradSampleModule(model, loss_reduction="sum")
        self.optimizer = PrivateOptimizer(
            optimizer,
            noise_multiplier=noise_multiplier,
            max_grad_norm=clip,
            # A public constant: the true size of the sample would tell whether a record is in it.
            expected_batch_size=rate * records,
        )

    def step(self) -> None:
        """Draw a Poisson sample and take one step on it."""
        drawn = noise.poisson_sample(self._records, self._rate)
        parts = [drawn[i : i + self._physical] for i in range(0, len(drawn), self._physical)]
        self.optimizer.zero_grad()
        if not parts:
            for parameter in self.optimizer.params:
                parameter.grad_sample = parameter.new_zeros((0, *parameter.shape))
            self.optimizer.step()
            return
        for number, part in enumerate(parts, start=1):
            with warnings.catch_warnings():
                # Inputs need no gradients here, which torch finds remarkable once per layer.
                warnings.filterwarnings("ignore", message="Full backward hook is firing")
                self._loss(self.model, part).sum().backward()  # type: ignore[no-untyped-call]
            self.optimizer.signal_skip_step(do_skip=number < len(parts))
            self.optimizer.step()
            self.optimizer.zero_grad()
