"""Units of privacy: which records are protected together, and how their contributions are added up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainer.privacy import noise


@dataclass(frozen=True)
class Units:
    """``of_record[i]`` in 0..count-1 is the unit of record i; every unit has at least one record."""

    of_record: NDArray[np.intp]
    """(N,)."""
    count: int
    """Number of units, treated as public."""
    name: str = "image"

    @classmethod
    def images(cls, records: int) -> Units:
        """Each record on its own."""
        return cls(np.arange(records), records)

    @property
    def single(self) -> bool:
        """Whether each unit is one record."""
        return self.count == len(self.of_record)

    def sample(self, rate: float) -> NDArray[np.intp]:
        """Positions of all records of a Poisson sample of the units, unit by unit.

        Each unit is in it with probability ``rate`` on its own; a unit comes with all its records.
        """
        drawn = np.zeros(self.count, bool)
        drawn[noise.poisson_sample(self.count, rate)] = True
        rows = np.flatnonzero(drawn[self.of_record])
        return rows[np.argsort(self.of_record[rows], kind="stable")]


def sum_by_unit(values: Tensor, unit_positions: NDArray[np.intp]) -> Tensor:
    """Add up rows that belong to one unit.

    Args:
        values: per-record values or gradients, (B, ...).
        unit_positions: unit of each row, (B,), any integers.

    Returns:
        (U, ...), one row for each distinct unit in ascending order; same type and device.
    """
    known, place = np.unique(unit_positions, return_inverse=True)
    total = values.new_zeros((len(known), *values.shape[1:]))
    return total.index_add_(0, torch.from_numpy(place.reshape(-1)).to(values.device), values)
