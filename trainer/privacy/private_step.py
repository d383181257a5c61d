"""DP-SGD with Opacus: gradients of single units, clipping, noise, one step.

What is ours: noise from the operating system, units with non-finite gradients contribute nothing, an
empty sample still gets its noise, a sample may be processed in physical batches and by several processes
while noise is added once, and a unit may be a patient with many records.
"""

from __future__ import annotations

import warnings
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from opacus import GradSampleModule
from opacus.grad_sample.functorch import ft_compute_per_sample_gradient
from opacus.optimizers import DPOptimizer
from torch import nn
from torch.optim import Optimizer

from trainer.privacy import noise
from trainer.privacy.batch_check import refuse_batch_norm
from trainer.privacy.ghost import GhostError, GhostGradients, Loss
from trainer.privacy.instantiated import sampler_of
from trainer.privacy.parts import Cutter, Part
from trainer.privacy.team import Alone, Team

Method = Literal["ghost", "samples"]
"""How clipped sums are made: in one pass (`ghost`), or from Opacus' per-record gradients, held in full."""


_BESIDE = ThreadPoolExecutor(1, "noise")


class StepError(GhostError):
    """This cannot be trained privately; the message says what to change."""


class PrivateOptimizer(DPOptimizer):  # type: ignore[misc]
    """Opacus' optimizer with noise from the operating system's CSPRNG, for one process or a team."""

    team: Team = Alone()
    _drawn: Future[NDArray[np.float64]]

    @property
    def accumulated_iterations(self) -> int:
        """One: all physical batches of a sample are one batch to the average."""
        return 1

    def clip_and_accumulate(self) -> None:
        """Zero the gradient of any unit that is not finite, then clip and add up."""
        samples = self.grad_samples
        finite = torch.stack([each.flatten(1).isfinite().all(1) for each in samples]).all(0)
        if not finite.all():
            for parameter, each in zip(self.params, samples, strict=True):
                kept = finite.view(-1, *[1] * (each.dim() - 1))
                parameter.grad_sample = torch.where(kept, each, torch.zeros_like(each))
        super().clip_and_accumulate()

    def add_noise(self) -> None:
        """Add Gaussian noise of standard deviation noise multiplier x clipping norm to each sum."""
        deviation = self.noise_multiplier * self.max_grad_norm
        drawn = torch.from_numpy(self._drawn.result())
        start = 0
        for parameter in self.params:
            total = parameter.summed_grad
            own = drawn[start : start + total.numel()].view(total.shape) * deviation
            start += total.numel()
            parameter.grad = (total.double() + own.to(total.device)).to(total.dtype).view_as(parameter)
        del self._drawn

    def draw_noise(self) -> None:
        """Begin to draw standard normal numbers for the coming step, once, while gradients are computed."""
        if self.team.rank == 0:
            self._drawn = _BESIDE.submit(noise.normal, sum(each.numel() for each in self.params))

    def finish(self) -> None:
        """Turn the sums of clipped gradients into one step: add up over the team, add noise once, average."""
        for parameter in self.params:
            if parameter.summed_grad is None:
                parameter.summed_grad = torch.zeros_like(parameter)
        self.team.add_up([parameter.summed_grad for parameter in self.params])
        if self.team.rank == 0:
            self.add_noise()
        else:
            for parameter in self.params:
                parameter.grad = torch.zeros_like(parameter)
        self.team.copy_first([parameter.grad for parameter in self.params])
        self.scale_grad()
        self.original_optimizer.step()


class _Gradients(Protocol):
    def accumulate(self, part: Part) -> None: ...

    def remove_hooks(self) -> None: ...


class _SampleModule(GradSampleModule):  # type: ignore[misc]
    """Opacus' module, whose sampler for convolutions takes every padding for zeros: others go elsewhere."""

    def _get_module_type(self, module: nn.Module) -> Any:
        return None if sampler_of(module) is ft_compute_per_sample_gradient else type(module)


class _SampledGradients:
    """Clipped sums from Opacus' per-record gradients."""

    def __init__(self, model: nn.Module, loss: Loss, optimizer: PrivateOptimizer, views: int) -> None:
        self._module = _SampleModule(model, loss_reduction="sum")
        self._loss, self._optimizer, self._views = loss, optimizer, views

    def accumulate(self, part: Part) -> None:
        with warnings.catch_warnings():
            # Inputs need no gradients here, which torch finds remarkable once per layer.
            warnings.filterwarnings("ignore", message="Full backward hook is firing")
            losses = self._loss(self._module, part.rows)
            if losses.shape != (len(part.rows),):
                raise StepError(
                    f"expected one loss for each of {len(part.rows)} records, got {tuple(losses.shape)}"
                )
            losses.sum().backward()  # type: ignore[no-untyped-call]
        for parameter, each in zip(self._optimizer.params, self._optimizer.grad_samples, strict=True):
            # Views and a unit's records are added up before any length is taken.
            parameter.grad_sample = part.per_unit(part.per_record(each, self._views))
        self._optimizer.clip_and_accumulate()
        for parameter in self._optimizer.params:
            parameter.grad_sample = parameter.grad = None

    def remove_hooks(self) -> None:
        self._module.remove_hooks()


class PrivateStepper:
    """Takes steps of DP-SGD over numbered records.

    Args:
        model: its parameters with ``requires_grad`` are trained. No BatchNorm: it mixes records.
        optimizer: plain torch optimizer over the same parameters.
        loss: maps the model and positions of records to one loss per record, (len(positions),).
        noise_multiplier: standard deviation of the noise over ``clip``.
        clip: largest L2 norm of one unit's gradient, which is the sum of its records' gradients.
        records: their number, treated as public (as is that of the units).
        rate: Poisson sampling rate: each unit is in a sample with this probability, on its own.
        physical: records whose gradients are held in memory at once; whole units only.
        units: unit of privacy of each record, any integers, (records,); None if each record is one.
        views: augmented views of each record. Where a layer sees records x views rows, a record's views
            stand together; the loss is the mean over them, so that the clipped gradient is the mean of the
            views' gradients (augmentation multiplicity: De et al. 2022, arXiv 2204.13650).
        method: both give the same sums; see `Method`.
        team: the processes that step together. Each takes a part of each sample.

    Raises:
        StepError: the optimizer breaks the guarantee, or a setting makes no sense.
        BatchDependenceError: a layer mixes the records of a batch.
        GhostError: a layer's gradients cannot be taken record by record.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: Optimizer,
        loss: Loss,
        *,
        noise_multiplier: float,
        clip: float,
        records: int,
        rate: float,
        physical: int,
        units: NDArray[np.integer] | None = None,
        views: int = 1,
        method: Method = "ghost",
        team: Team | None = None,
    ) -> None:
        _check(model, optimizer, physical, views)
        self._rate, self._cutter = rate, Cutter(records, units, physical)
        self._team = team or Alone()
        self.optimizer = PrivateOptimizer(
            optimizer,
            noise_multiplier=noise_multiplier,
            max_grad_norm=clip,
            # A public constant: the true size of the sample would tell whether a record is in it.
            expected_batch_size=rate * self._cutter.units,
        )
        self.optimizer.team = self._team
        self._team.copy_first([parameter.data for parameter in model.parameters()])
        model.train()
        self._gradients: _Gradients = (
            GhostGradients(model, loss, clip=clip, views=views)
            if method == "ghost"
            else _SampledGradients(model, loss, self.optimizer, views)
        )

    def step(self) -> None:
        """Draw a Poisson sample and take one step on it."""
        drawn = self._team.from_first(noise.poisson_sample(self._cutter.units, self._rate))
        self.optimizer.zero_grad(set_to_none=True)
        self.optimizer.draw_noise()
        for part in self._cutter.parts(drawn[drawn % self._team.size == self._team.rank]):
            self._gradients.accumulate(part)
        self.optimizer.finish()

    def close(self) -> None:
        """Take everything off the model that training put on it."""
        self._gradients.remove_hooks()
        for parameter in self.optimizer.params:
            parameter.grad = parameter.summed_grad = parameter.grad_sample = None


def _check(model: nn.Module, optimizer: Optimizer, physical: int, views: int) -> None:
    refuse_batch_norm(model)
    trained = {id(p) for p in model.parameters() if p.requires_grad}
    stepped = {id(p) for group in optimizer.param_groups for p in group["params"] if p.requires_grad}
    if not trained or trained != stepped:
        raise StepError("the optimizer must hold exactly the parameters that require gradients, at least one")
    if physical < 1 or views < 1:
        raise StepError(f"physical batch {physical} and views {views} must be at least 1")
