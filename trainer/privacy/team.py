"""Several processes that take one private step together, as seen by the step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


class Team(Protocol):
    """Rank 0 draws samples and noise; nobody else does, so both exist once."""

    rank: int
    size: int

    def from_first(self, positions: NDArray[np.intp]) -> NDArray[np.intp]:
        """Rank 0's positions, on all ranks; what the others pass is ignored."""
        ...

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its sum over the ranks."""
        ...

    def copy_first(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by rank 0's."""
        ...


class Alone:
    """A team of one."""

    rank, size = 0, 1

    def from_first(self, positions: NDArray[np.intp]) -> NDArray[np.intp]:
        """See `Team`."""
        return positions

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        """See `Team`."""

    def copy_first(self, tensors: Sequence[Tensor]) -> None:
        """See `Team`."""
