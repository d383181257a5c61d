"""Fixed scattering features: what the comparison's rows without a learnt network see of an image."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as fn

from trainer.comparison.networks import resized


@torch.no_grad()
def gabor(orientations: int) -> Tensor:
    """Gabor filters of wavelength 4 px as real kernels, cosines first: (2 * orientations, 1, 7, 7)."""
    axis = torch.arange(-3.0, 4.0)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    angle = torch.pi * torch.arange(orientations).view(-1, 1, 1) / orientations
    phase = (x * angle.cos() + y * angle.sin()) * torch.pi / 2
    window = torch.exp(-(x**2 + y**2) / 5.0)
    waves = window * torch.cat([phase.cos(), phase.sin()])
    waves = waves - window * (waves.sum((1, 2), keepdim=True) / window.sum())
    return (waves / waves.flatten(1).norm(dim=1).view(-1, 1, 1)).unsqueeze(1)  # type: ignore[no-any-return]


class Scattering(nn.Module):
    """Fixed scattering of orders 0 to 2 on a pyramid: (B, 1, 128, 128) -> (B, channels * grid^2).

    After Bruna and Mallat 2013 (arXiv 1203.1513); coarser scales by halving the image. Logarithms of moduli.
    """

    first: Tensor
    second: Tensor
    SIDE = 128

    def __init__(self, grid: int = 2, scales: int = 4, orientations: int = 8) -> None:
        super().__init__()
        self.grid, self.scales, self.orientations = grid, scales, orientations
        self.register_buffer("first", gabor(orientations))
        self.register_buffer("second", gabor(orientations // 2).repeat(orientations, 1, 1, 1))
        self.channels = 1 + scales * orientations + (scales - 1) * orientations * (orientations // 2)

    def forward(self, x: Tensor) -> Tensor:
        """Pooled values, all of a channel together."""
        x = resized(x.mean(1, keepdim=True), self.SIDE)
        found, many = [fn.adaptive_avg_pool2d(x, self.grid)], self.orientations
        for scale in range(self.scales):
            both = fn.conv2d(x, self.first, padding=3)
            modulus = (both[:, :many] ** 2 + both[:, many:] ** 2 + 1e-4).sqrt()
            found.append(self._log(modulus))
            x = fn.avg_pool2d(x, 2)
            if scale + 1 < self.scales:
                deep = fn.conv2d(fn.avg_pool2d(modulus, 2), self.second, padding=3, groups=many)
                parts = deep.view(len(x), many, 2, many // 2, *deep.shape[-2:])
                found.append(self._log((parts.square().sum(2) + 1e-4).sqrt().flatten(1, 2)))
        return torch.cat(found, 1).flatten(1)

    def _log(self, modulus: Tensor) -> Tensor:
        return fn.adaptive_avg_pool2d(torch.log1p(8 * modulus), self.grid)
