"""Several processes under ``torchrun``: each takes a part of every sample, all take the same step.

Rank 0 alone draws samples and noise, and alone writes. Clipped sums are added up over the ranks before
the noise is added, so the mechanism is the same, and costs the same, for any number of processes.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, distributed

from trainer.privacy.team import Alone, Team


def is_first() -> bool:
    """Whether this process draws, writes and speaks; true without ``torchrun``."""
    return int(os.environ.get("RANK", "0")) == 0


def size() -> int:
    """Processes that ``torchrun`` started together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def device(asked: str = "") -> torch.device:
    """Where to compute: what was asked for, else this rank's GPU where there is one, else the CPU.

    Raises:
        ValueError: a GPU was asked for and there is none.
    """
    chosen = torch.device(asked or ("cuda" if torch.cuda.is_available() else "cpu"))
    if chosen.type == "cuda":
        if not torch.cuda.is_available():
            raise ValueError("--device cuda: torch sees no GPU here; leave --device out to use the CPU")
        if ":" not in str(chosen):
            chosen = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    return chosen


def join(where: torch.device) -> Team:
    """The team of this run: all processes of ``torchrun``, or this one alone."""
    if size() == 1:
        return Alone()
    if not distributed.is_initialized():
        if where.type == "cuda":
            torch.cuda.set_device(where)
        distributed.init_process_group("nccl" if where.type == "cuda" else "gloo")
        # Else every rank would draw the same augmentations. Nothing of the guarantee rests on these.
        torch.manual_seed(int.from_bytes(os.urandom(7), "little"))
    return Processes(where)


class Processes:
    """`Team` over ``torch.distributed``: gloo between CPUs, NCCL between GPUs."""

    def __init__(self, where: torch.device) -> None:
        self.rank, self.size = distributed.get_rank(), distributed.get_world_size()
        self._device = where

    def from_first(self, positions: NDArray[np.intp]) -> NDArray[np.intp]:
        """See `Team`."""
        length = torch.tensor([len(positions)], device=self._device)
        distributed.broadcast(length, 0)
        values = torch.empty(int(length), dtype=torch.int64, device=self._device)
        if self.rank == 0:
            values.copy_(torch.from_numpy(positions))
        distributed.broadcast(values, 0)
        return values.cpu().numpy().astype(np.intp)

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        """See `Team`."""
        flat = torch.cat([each.reshape(-1) for each in tensors])
        distributed.all_reduce(flat)
        _spread(flat, tensors)

    def copy_first(self, tensors: Sequence[Tensor]) -> None:
        """See `Team`."""
        flat = torch.cat([each.reshape(-1) for each in tensors])
        distributed.broadcast(flat, 0)
        _spread(flat, tensors)


def leave() -> None:
    """Take leave of the other processes; nothing without ``torchrun``."""
    if distributed.is_available() and distributed.is_initialized():
        distributed.destroy_process_group()


@torch.no_grad()
def _spread(flat: Tensor, tensors: Sequence[Tensor]) -> None:
    start = 0
    for each in tensors:
        each.copy_(flat[start : start + each.numel()].view_as(each))
        start += each.numel()
