"""The network that ships: two families of features, one linear head, class activation maps for free.

A fixed Gabor scattering branch (two orders) and a small residual CNN with GroupNorm look at the same
gray image. Their last maps (channels x 7 x 7) are pooled to 2 x 2, projected by a whitening that was
computed on procedural images, scaled to unit length, and classified by one linear layer. GroupNorm
keeps every image apart from its batch, without which a per-image guarantee would be void.

Sources: scattering, Bruna and Mallat 2013; whitened linear heads under privacy, Tramer and Boneh
2021; GroupNorm under privacy, De et al. 2022 (arXiv 2204.13650).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as fn

WIDTHS = (16, 40, 96, 160)
GROUPS = 8
GABOR_SIDE = 7
SCALES = 4
ORIENTATIONS = 8
SECOND_ORIENTATIONS = 4
FEATURES = 256
LENGTH_FLOOR = 1e-3
"""Added to the squared length of the features, whose typical value is one."""
MAP_SIDE = 7
LOG_GAIN = 8.0
"""Gain before the logarithm of a Gabor response, whose size is near one on standardised images."""


def gabor_filters(orientations: int) -> Tensor:
    """Complex Gabor filters as real kernels: (2 * orientations, 1, side, side), cosine part first.

    Wavelength 4 px, sigma 1.6 px, zero mean, unit energy. Coarser scales come from halving the image.
    """
    half = GABOR_SIDE // 2
    grid = torch.arange(-half, half + 1, dtype=torch.float64)
    y, x = torch.meshgrid(grid, grid, indexing="ij")
    envelope = torch.exp(-(x**2 + y**2) / (2 * 1.6**2))
    kernels: dict[str, list[Tensor]] = {"cos": [], "sin": []}
    for index in range(orientations):
        angle = math.pi * index / orientations
        phase = (x * math.cos(angle) + y * math.sin(angle)) * (2 * math.pi / 4.0)
        for name, wave in (("cos", torch.cos(phase)), ("sin", torch.sin(phase))):
            kernel = envelope * wave
            kernel = kernel - envelope * (kernel.sum() / envelope.sum())
            kernels[name].append(kernel / kernel.norm())
    return torch.stack(kernels["cos"] + kernels["sin"]).unsqueeze(1).float()


class Scattering(nn.Module):
    """Fixed Gabor scattering of orders 0 to 2. (B, 1, 112, 112) -> (B, CHANNELS, 7, 7)."""

    CHANNELS = 1 + SCALES * ORIENTATIONS + (SCALES - 1) * ORIENTATIONS * SECOND_ORIENTATIONS
    first: Tensor
    second: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("first", gabor_filters(ORIENTATIONS))
        self.register_buffer("second", gabor_filters(SECOND_ORIENTATIONS).repeat(ORIENTATIONS, 1, 1, 1))

    @staticmethod
    def _pool(x: Tensor) -> Tensor:
        side = x.shape[-1] // MAP_SIDE
        return fn.avg_pool2d(x, side) if side > 1 else x

    def forward(self, x: Tensor) -> Tensor:
        """Log moduli on the map's grid: the gray level, then order 1, then order 2 by scale."""
        maps = [self._pool(x)]
        half = GABOR_SIDE // 2
        for scale in range(SCALES):
            both = fn.conv2d(x, self.first, padding=half)
            modulus = torch.sqrt(both[:, :ORIENTATIONS] ** 2 + both[:, ORIENTATIONS:] ** 2 + 1e-4)
            maps.append(self._pool(torch.log(1 + LOG_GAIN * modulus)))
            x = fn.avg_pool2d(x, 2)
            if scale + 1 < SCALES:
                coarse = fn.avg_pool2d(modulus, 2)
                both = fn.conv2d(coarse, self.second, padding=half, groups=ORIENTATIONS)
                # Each group of 8 outputs holds 4 cosine parts, then 4 sine parts, of one first-order map.
                split = both.view(both.shape[0], ORIENTATIONS, 2, SECOND_ORIENTATIONS, *both.shape[-2:])
                order2 = torch.sqrt(split[:, :, 0] ** 2 + split[:, :, 1] ** 2 + 1e-4).flatten(1, 2)
                maps.append(self._pool(torch.log(1 + LOG_GAIN * order2)))
        return torch.cat(maps, dim=1)


class Block(nn.Module):
    """Residual block: two 3x3 convolutions with GroupNorm, the first with the stride."""

    def __init__(self, inside: int, outside: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inside, outside, 3, stride, 1, bias=False)
        self.norm1 = nn.GroupNorm(GROUPS, outside)
        self.conv2 = nn.Conv2d(outside, outside, 3, 1, 1, bias=False)
        self.norm2 = nn.GroupNorm(GROUPS, outside)
        self.short = nn.Conv2d(inside, outside, 1, 1, 0, bias=False)
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """Add the block's correction to its (pooled, projected) input."""
        y = fn.relu(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        return fn.relu(y + self.short(fn.avg_pool2d(x, self.stride)))


class Trunk(nn.Module):
    """The CNN. (B, 1, 112, 112) -> maps of its last two stages on one grid, (B, CHANNELS, 7, 7)."""

    CHANNELS = WIDTHS[2] + WIDTHS[3]

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, WIDTHS[0], 5, 2, 2, bias=False)
        self.norm = nn.GroupNorm(GROUPS, WIDTHS[0])
        self.stage2 = Block(WIDTHS[0], WIDTHS[1], 2)
        self.stage3 = Block(WIDTHS[1], WIDTHS[2], 2)
        self.stage4 = Block(WIDTHS[2], WIDTHS[3], 2)

    def forward(self, x: Tensor) -> Tensor:
        """Maps of stage 3 (pooled) and stage 4."""
        x = fn.relu(self.norm(self.stem(x)))
        third = self.stage3(self.stage2(x))
        return torch.cat([fn.avg_pool2d(third, 2), self.stage4(third)], dim=1)


class EdgeNet(nn.Module):
    """Input (B, 3, 224, 224), standardised gray in each channel -> logits (B, classes).

    ``centre`` (4 CHANNELS) and ``project`` (FEATURES x 4 CHANNELS) hold the public whitening; before
    `set_whitening` they average the CNN's maps, which is what training from scratch uses.
    """

    CHANNELS = Scattering.CHANNELS + Trunk.CHANNELS
    project: Tensor
    centre: Tensor

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.scattering = Scattering()
        self.trunk = Trunk()
        start = torch.zeros(FEATURES, self.CHANNELS, 2, 2)
        for row in range(min(FEATURES, Trunk.CHANNELS)):
            start[row, Scattering.CHANNELS + row] = 0.25
        self.register_buffer("project", start.flatten(1))
        self.register_buffer("centre", torch.zeros(4 * self.CHANNELS))
        self.head = nn.Linear(FEATURES, classes)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def set_whitening(self, project: Tensor, centre: Tensor) -> None:
        """Install a whitening: features = project @ (pooled - centre)."""
        self.project.copy_(project)
        self.centre.copy_(centre)

    def maps(self, x: Tensor) -> Tensor:
        """Last maps, (B, CHANNELS, 7, 7), of input (B, 3, 224, 224) or gray (B, 1, 112, 112)."""
        if x.shape[-1] == 224:
            x = fn.avg_pool2d(x.mean(dim=1, keepdim=True), 2)
        return torch.cat([self.scattering(x), self.trunk(x)], dim=1)

    @staticmethod
    def pooled(maps: Tensor) -> Tensor:
        """Means over four overlapping quarters of the map: (B, 4 CHANNELS)."""
        return fn.avg_pool2d(maps, 4, 3).flatten(1)

    def _whitened(self, maps: Tensor) -> Tensor:
        # Centred first: in half precision the difference of two large numbers would be lost afterwards.
        return fn.linear(self.pooled(maps) - self.centre, self.project)

    def features(self, x: Tensor) -> Tensor:
        """Whitened features of unit length, (B, FEATURES)."""
        raw = self._whitened(self.maps(x))
        return raw / torch.sqrt((raw**2).sum(dim=1, keepdim=True) + LENGTH_FLOOR)

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        return self.head(self.features(x))  # type: ignore[no-any-return]

    def cam_weights(self) -> Tensor:
        """Weight of each map value in each logit before the length is divided out.

        (classes, CHANNELS, 7, 7): the head times the projection, spread over the pooling windows.
        """
        weights = (self.head.weight @ self.project).view(-1, self.CHANNELS, 2, 2)
        return fn.conv_transpose2d(
            weights.flatten(0, 1).unsqueeze(1), torch.full((1, 1, 4, 4), 1 / 16), stride=3
        ).view(-1, self.CHANNELS, MAP_SIDE, MAP_SIDE)

    def outputs(self, x: Tensor) -> dict[str, Tensor]:
        """All three outputs of the exported file: logits, features, cam (B, classes, 7, 7)."""
        maps = self.maps(x)
        raw = self._whitened(maps)
        length = torch.sqrt((raw**2).sum(dim=1, keepdim=True) + LENGTH_FLOOR)
        features = raw / length
        cam = (maps.unsqueeze(1) * self.cam_weights()).sum(dim=2) / length[..., None, None]
        return {"logits": self.head(features), "features": features, "cam": cam}
