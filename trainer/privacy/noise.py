"""Randomness that protects patients: from the operating system's CSPRNG, and never from a seed.

Opacus' own secure mode needs a package that no longer exists. Gaussian numbers are made here from
random bytes by Box and Muller in double precision; four are added and halved, so that the holes in
the floating-point grid of one cannot be used against it (Holohan and Braghin 2021, section 5.1).
"""

from __future__ import annotations

import math
import os

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

SOURCE = "operating system CSPRNG (os.urandom), Box-Muller in float64, sum of four halved"


def uniform(count: int) -> NDArray[np.float64]:
    """Numbers in the open interval (0, 1), 52 bits each: with 53, the largest would be rounded to 1."""
    bits = np.frombuffer(os.urandom(8 * count), np.uint64) >> np.uint64(12)
    return np.asarray((bits.astype(np.float64) + 0.5) * 2.0**-52, np.float64)


def normal(count: int) -> NDArray[np.float64]:
    """Standard normal numbers."""
    half = -(-count // 2)
    total = np.zeros(2 * half)
    for _ in range(4):
        radius = np.sqrt(-2.0 * np.log(uniform(half)))
        angle = 2 * math.pi * uniform(half)
        total += np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])
    return total[:count] / 2


def gaussian(shape: torch.Size, deviation: float) -> Tensor:
    """Gaussian noise of the given standard deviation; float64, so that nothing is rounded before the sum."""
    return torch.from_numpy(normal(math.prod(shape)) * deviation).reshape(shape)


def poisson_sample(records: int, rate: float) -> NDArray[np.intp]:
    """Positions of a Poisson sample: each record is in it with probability ``rate``, on its own."""
    return np.flatnonzero(uniform(records) < rate)
