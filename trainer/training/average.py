"""Moving average of the weights: what a run keeps, chosen by nothing but the number of steps."""

from __future__ import annotations

import torch
from torch import nn


class Average:
    """Moving average of the trained parameters, corrected for its start."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self._parameters = [p for p in model.parameters() if p.requires_grad]
        self._sums = [torch.zeros_like(p) for p in self._parameters]
        self._decay, self._weight = decay, 0.0

    def update(self) -> None:
        """Take in the weights as they are now."""
        self._weight = self._decay * self._weight + 1 - self._decay
        for total, parameter in zip(self._sums, self._parameters, strict=True):
            total.mul_(self._decay).add_(parameter.detach(), alpha=1 - self._decay)

    def install(self) -> None:
        """Replace the weights by their average."""
        with torch.no_grad():
            for total, parameter in zip(self._sums, self._parameters, strict=True):
                parameter.copy_(total / self._weight)
