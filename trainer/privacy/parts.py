"""Physical batches: a sample cut into parts that fit in memory, and never through a unit of privacy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Rows = NDArray[np.intp]


@dataclass(frozen=True)
class Part:
    """Some whole units of a sample."""

    rows: Rows
    """Positions of the records, unit by unit."""
    unit: Rows | None
    """Place of each row's unit within this part, (len(rows),); None where each row is a unit."""
    count: int
    """Number of units."""

    def views(self, samples: int, views: int) -> int:
        """How many of a layer's ``samples`` rows belong to one record: 1 or ``views``.

        Raises:
            ValueError: neither; the layer does not treat records apart.
        """
        for each in (1, views):
            if samples == each * len(self.rows):
                return each
        wanted = f"{len(self.rows)}" + (f" or {len(self.rows) * views}" if views > 1 else "")
        raise ValueError(
            f"a layer saw {samples} rows where {wanted} were expected: one for each record and view"
        )

    def per_record(self, samples: Tensor, views: int) -> Tensor:
        """Sum over a record's views, which stand together: (records * views, ...) -> (records, ...)."""
        if self.views(len(samples), views) == 1:
            return samples
        return samples.view(len(self.rows), views, *samples.shape[1:]).sum(1)

    def per_unit(self, samples: Tensor) -> Tensor:
        """Sum over a unit's records: (records, ...) -> (units, ...)."""
        if self.unit is None:
            return samples
        total = samples.new_zeros((self.count, *samples.shape[1:]))
        return total.index_add_(0, torch.from_numpy(self.unit).to(samples.device), samples)


class Cutter:
    """Turns drawn units into parts of at most ``physical`` records; a larger unit is a part by itself.

    Args:
        records: how many there are.
        units: unit of each record, any integers, (records,); None if each record is one.
        physical: records in a part.
    """

    def __init__(self, records: int, units: NDArray[np.integer] | None, physical: int) -> None:
        self._physical = physical
        self._order: Rows | None = None
        self._starts: Rows = np.arange(records + 1)
        if units is not None:
            if units.shape != (records,):
                raise ValueError(f"expected the unit of each of {records} records, got {units.shape}")
            _, place, sizes = np.unique(units, return_inverse=True, return_counts=True)
            self._starts = np.concatenate([[0], np.cumsum(sizes)])
            if len(sizes) < records:
                self._order = np.argsort(place.reshape(-1), kind="stable")

    @property
    def units(self) -> int:
        """Number of units."""
        return len(self._starts) - 1

    def parts(self, drawn: Rows) -> Iterator[Part]:
        """Parts of the ``drawn`` units, given by their rank among the distinct values of ``units``."""
        if self._order is None:
            for start in range(0, len(drawn), self._physical):
                rows = drawn[start : start + self._physical]
                yield Part(rows, None, len(rows))
            return
        sizes = self._starts[drawn + 1] - self._starts[drawn]
        start = 0
        while start < len(drawn):
            fitting = int(np.searchsorted(np.cumsum(sizes[start:]), self._physical, side="right"))
            stop = start + max(1, fitting)
            taken = drawn[start:stop]
            rows = np.concatenate([self._order[self._starts[u] : self._starts[u + 1]] for u in taken])
            yield Part(rows, np.repeat(np.arange(len(taken)), sizes[start:stop]), len(taken))
            start = stop
