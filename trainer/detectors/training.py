"""Train a detector on pictures that are drawn as it goes.

One process draws, one learns, a core each. Same seed and same material: the same weights, on one machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from trainer.detectors.network import MapNet
from trainer.detectors.picture import Maps, Picture, Rng
from trainer.progress import progress

Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Plan:
    """How long and how: pictures of ``size`` pixels, ``batch`` a step."""

    steps: int = 10000
    batch: int = 32
    size: int = 256
    rate: float = 2e-3
    seed: int = 1
    keep: float = 0.998
    """Of the running mean of the weights, a step."""


class Material(Protocol):
    """What training pictures are drawn from."""

    def draw(self, rng: Rng) -> Iterator[tuple[Picture, Maps]]:
        """One or several pictures (size, size, 3), each with what the network should say of it."""
        ...


class _Pictures(IterableDataset[tuple[Tensor, Tensor]]):
    """Endless pictures; the n-th draw depends on the seed, on n and on the draws before."""

    def __init__(self, material: Material, seed: int, first: int) -> None:
        self._material, self._seed, self._first = material, seed, first

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        index = self._first
        while True:
            for pixels, maps in self._material.draw(np.random.default_rng((self._seed, index))):
                yield torch.from_numpy(pixels), torch.from_numpy(maps)
            index += 1


def train(material: Material, loss: Loss, channels: int, checkpoint: Path, plan: Plan) -> MapNet:
    """Train, or go on with a training that was broken off.

    Args:
        material: draws the pictures.
        loss: of what the network says (n, channels, h, w) and what it should.
        channels: of the maps.
        checkpoint: where the state is kept every 100 steps.
        plan: how long and how.
    """
    cv2.setNumThreads(1)  # a process that was forked off beside OpenCV's threads waits for them for ever
    torch.set_num_threads(1)  # the other core draws; two threads would wait for each other beside it
    torch.manual_seed(plan.seed)
    network, mean = MapNet(channels), MapNet(channels)
    mean.load_state_dict(network.state_dict())
    optimizer = torch.optim.AdamW(network.parameters(), lr=plan.rate, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, plan.rate, plan.steps, pct_start=0.08)
    done = 0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        network.load_state_dict(state["network"])
        mean.load_state_dict(state["mean"])
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        done = int(state["done"])
    pictures = _Pictures(material, plan.seed, done * plan.batch)
    batches = iter(DataLoader(pictures, plan.batch, num_workers=1, prefetch_factor=4))
    network.train()
    with progress("training the detector", plan.steps - done) as advance:
        for step in range(done, plan.steps):
            pixels, wanted = next(batches)
            optimizer.zero_grad()
            with torch.autocast("cpu", dtype=torch.bfloat16):
                said = network(pixels)
            error = loss(said.float(), wanted)
            error.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimizer.step()
            schedule.step()
            _follow(mean, network, min(plan.keep, step / (step + 10)))
            advance(f"loss {float(error.detach()):.3f}")
            if (step + 1) % 100 == 0:
                _save(checkpoint, network, mean, optimizer, schedule, step + 1)
    return mean.eval()


def _follow(mean: MapNet, network: MapNet, keep: float) -> None:
    with torch.no_grad():
        own = mean.state_dict()
        for name, value in network.state_dict().items():
            if value.dtype.is_floating_point:
                own[name].mul_(keep).add_(value, alpha=1 - keep)
            else:
                own[name].copy_(value)


def _save(path: Path, network: MapNet, mean: MapNet, optimizer: torch.optim.Optimizer,
          schedule: torch.optim.lr_scheduler.LRScheduler, done: int) -> None:  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    parts: dict[str, Any] = {"network": network, "mean": mean, "optimizer": optimizer, "schedule": schedule}
    torch.save({"done": done, **{name: each.state_dict() for name, each in parts.items()}}, part)
    part.replace(path)
