"""One repetition of one row: what a method is given, and what it gives back."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from trainer.comparison.answers import Answers
from trainer.comparison.material import Material
from trainer.comparison.recipes import Recipe


@dataclass(frozen=True)
class Job:
    """What a method is given."""

    recipe: Recipe
    settings: dict[str, Any]
    material: Material
    device: torch.device
    repetition: int
    delta: float
    prior: Path
    """The prior of the network that ships."""
    shared: Path
    """Folder for what rows share: priors from procedural images, which nothing private went into."""


@dataclass(frozen=True)
class Made:
    """What a method gives back: a trained recipe that has not looked at the judged images."""

    answer: Callable[[Material], Answers]
    model_sha256: str
    settings: dict[str, Any]
    """Everything that can be set, as it was."""
    device: torch.device
    privacy: dict[str, Any] | None = None
    notes: tuple[str, ...] = ()
    earlier_seconds: float = 0.0
    """Time of what an earlier repetition had already done."""
    parameters: int = 0
    """Numbers that were trained on the images."""


def digest(arrays: Iterable[NDArray[Any]]) -> str:
    """SHA-256, in hex, over arrays."""
    found = hashlib.sha256()
    for each in arrays:
        found.update(np.ascontiguousarray(each).tobytes())
    return found.hexdigest()


def network_digest(net: nn.Module) -> str:
    """SHA-256 over a network's parameters and buffers."""
    return digest(each.detach().cpu().numpy() for each in net.state_dict().values())


def trained(net: nn.Module) -> int:
    """Parameters of a network."""
    return sum(each.numel() for each in net.parameters())
