"""The engine of DP-SGD: the head, the last stage with it, or every layer.

With a fixed set of views, what the frozen layers say of each view is computed once and kept.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trainer.network.augment import multiply, network_input
from trainer.network.edge_net import EdgeNet
from trainer.privacy import accounting
from trainer.privacy.private_step import Method
from trainer.privacy.spend import Release, Spend
from trainer.training import checks, distributed
from trainer.training.depth import Depth, Split, split
from trainer.training.steps import Schedule, run_steps
from trainer.training.task import Task

__all__ = ["DpSgd", "run_steps"]


@dataclass(frozen=True)
class DpSgd:
    """The network as it comes is trained further. The defaults were fixed without private data."""

    name: ClassVar[str] = "dp-sgd"
    chosen: ClassVar[str] = "settings of DP-SGD from general knowledge, fixed without private data"
    beside: ClassVar[frozenset[str]] = frozenset({"physical", "method", "device", "precision", "cache_mib"})

    depth: Depth = "all"
    sampling_rate: float = 0.1
    steps: int = 300
    clip: float = 1.0
    rate: float = 0.5
    """Learning rate on the mean gradient."""
    momentum: float = 0.9
    averaging: float = 0.98
    schedule: Schedule = "constant"
    warmup: int = 0
    views: int = 1
    """Augmented views of each drawn record, whose gradients are averaged before clipping."""
    fixed_views: int = 0
    """Views that each record has for the whole run, the image itself first, of which ``views`` are drawn each
    time; 0 makes new ones each time. Must be 0 at full depth, where there is nothing to keep."""
    cache_mib: int = 2048
    """Memory for what frozen layers say of the fixed views."""
    physical: int = 32
    method: Method = "ghost"
    device: str = ""
    """``cpu``, ``cuda`` or ``cuda:1``; empty takes a GPU where there is one."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Of the passes forward and backward; gradients are clipped and added up in float32."""

    @property
    def needs_prior(self) -> bool:
        """Frozen layers must have learnt something."""
        return self.depth != "all"

    def spend(self, target: float, delta: float) -> Spend:
        """The steps, with the least noise that meets the target."""
        return accounting.calibrate(
            lambda noise: (Release("DP-SGD steps", noise, self.sampling_rate, self.steps),), target, delta
        )

    def settled(self, spend: Spend, units: int) -> DpSgd:
        """As it is: nothing is left open."""
        del spend, units
        return self

    def check(self, net: EdgeNet, task: Task) -> None:
        """See `Engine`. One step on drawn noise, with the largest physical batch that can come.

        Raises:
            ValueError: settings do not go together, or this machine lacks the device or the memory.
        """
        checks.steps(
            sampling_rate=self.sampling_rate, steps=self.steps, clip=self.clip, rate=self.rate,
            momentum=self.momentum, averaging=self.averaging,
        )  # fmt: skip
        checks.at_least_one(views=self.views, physical=self.physical, cache_mib=self.cache_mib)
        for name, value in {"fixed_views": self.fixed_views, "warmup": self.warmup}.items():
            checks.require(value >= 0, name, "at least 0", value)
        where = checks.device(self.device)
        with checks.on_this_machine(where, "lower --physical or --views, or take another --device"):
            parts = split(copy.deepcopy(net).to(where), self.depth)
            if self.fixed_views:
                mib = _needed(parts, len(task.records), self._checked_views(), where)
                _refuse_beyond(mib, self.cache_mib, len(task.records), self.fixed_views)
                if where.type == "cpu":
                    checks.memory(mib, "the fixed views")
            count = checks.largest_batch(task, self.physical)
            checks.trial_step(
                parts.upper,
                self._loss(parts, checks.stand_in(task, count), where),
                count,
                rate=self.rate,
                physical=count,
                views=self.views,
                method=self.method,
            )
        # All or none: a process that fails here ends before the first one puts the run on record.
        distributed.join(where).add_up([torch.zeros(1, device=where)])

    def train(self, net: EdgeNet, task: Task, spend: Spend) -> None:
        """Take the steps of the one release of ``spend``; under ``torchrun``, together with the other ranks.

        Raises:
            ValueError: settings do not go together, or the fixed views need more memory than allowed.
        """
        (steps,) = spend
        where = distributed.device(self.device)
        team = distributed.join(where)
        parts = split(net.to(where), self.depth)
        try:
            run_steps(
                parts.upper,
                self._loss(parts, task, where),
                len(task.records),
                steps,
                rate=self.rate,
                momentum=self.momentum,
                clip=self.clip,
                averaging=self.averaging,
                schedule=self.schedule,
                warmup=self.warmup,
                physical=self.physical,
                units=None if task.units.single else task.units.of_record,
                views=self.views,
                method=self.method,
                team=team,
            )
        finally:
            net.to("cpu").requires_grad_(True)

    def _loss(
        self, parts: Split, task: Task, where: torch.device
    ) -> Callable[[nn.Module, NDArray[np.intp]], Tensor]:
        def gray(rows: NDArray[np.intp]) -> Tensor:
            return torch.from_numpy(task.images[rows][:, None]).to(where).float()

        if self.fixed_views:
            kept = Kept(parts, gray, len(task.records), self._checked_views(), self.cache_mib)

            def inputs(rows: NDArray[np.intp]) -> Tensor:
                return kept.some(rows, self.views)

        else:

            def inputs(rows: NDArray[np.intp]) -> Tensor:
                with torch.no_grad():
                    return parts.lower(network_input(multiply(gray(rows), self.views)))

        def loss(model: nn.Module, rows: NDArray[np.intp]) -> Tensor:
            x = inputs(rows)
            with torch.autocast(where.type, torch.bfloat16, enabled=self.precision == "bfloat16"):
                logits = model(x)
            return task.loss(logits.float().cpu().view(len(rows), self.views, -1), rows)

        return loss

    def _checked_views(self) -> int:
        if self.depth == "all":
            raise ValueError("fixed views save nothing at full depth; leave them out, or train less deep")
        if self.views > self.fixed_views:
            raise ValueError(f"{self.views} views of {self.fixed_views} fixed ones cannot be drawn")
        return self.fixed_views


class Kept:
    """What the frozen layers say of a fixed set of views of each record; computed when first needed.

    Args:
        parts: the network, cut.
        gray: positions of records -> display values (B, 1, 224, 224).
        records: how many there are.
        views: of each record; the first is the image itself.
        mib: memory that may be used.

    Raises:
        ValueError: it is not enough.
    """

    def __init__(
        self, parts: Split, gray: Callable[[NDArray[np.intp]], Tensor], records: int, views: int, mib: int
    ) -> None:
        self._parts, self._gray, self._views = parts, gray, views
        with torch.no_grad():
            # Of nobody: under torchrun the others come here before the run is on record.
            one = parts.lower(torch.zeros(1, 1, 224, 224, device=next(parts.upper.parameters()).device))
        _refuse_beyond(_mib(one, parts, records, views), mib, records, views)
        self._values = torch.empty(records, views, *one.shape[1:], dtype=parts.kind, device=one.device)
        self._known = np.zeros(records, bool)

    def some(self, rows: NDArray[np.intp], views: int) -> Tensor:
        """``views`` different ones of each record's views, a record's together: (B * views, ...)."""
        missing = rows[~self._known[rows]]
        if len(missing):
            self._add(missing)
        drawn = torch.rand(len(rows), self._views).argsort(1)[:, :views]
        place = torch.from_numpy(rows)[:, None]
        return self._values[place, drawn].flatten(0, 1).float()

    @torch.no_grad()
    def _add(self, rows: NDArray[np.intp]) -> None:
        for start in range(0, len(rows), 16):
            chunk = rows[start : start + 16]
            gray = self._gray(chunk)
            # Within the range of half precision, come what may.
            found = self._parts.lower(network_input(multiply(gray, self._views, plain=True)))
            limit = torch.finfo(self._parts.kind).max
            values = found.clamp(-limit, limit).to(self._parts.kind)
            self._values[torch.from_numpy(chunk)] = values.view(len(chunk), self._views, *found.shape[1:])
        self._known[rows] = True


def _mib(one: Tensor, parts: Split, records: int, views: int) -> float:
    return records * views * one[0].numel() * parts.kind.itemsize / 2**20


@torch.no_grad()
def _needed(parts: Split, records: int, views: int, where: torch.device) -> float:
    """Memory in MiB for what the frozen layers say of all fixed views; no image is looked at."""
    return _mib(parts.lower(torch.zeros(1, 1, 224, 224, device=where)), parts, records, views)


def _refuse_beyond(needed: float, mib: int, records: int, views: int) -> None:
    if needed > mib:
        raise ValueError(
            f"{views} fixed views of {records} images need {needed:.0f} MiB, {mib} are allowed: "
            "take fewer views, allow more with --cache-mib, or leave --fixed-views out"
        )
