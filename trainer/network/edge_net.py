"""The network that ships: a small CNN, public whitening, one linear head, class activation maps for free.

A residual CNN with GroupNorm looks at the gray image. The maps of its last three stages are pooled over
the upper and the lower half, projected by a whitening that was computed on procedural images, scaled to
unit length, and classified by one linear layer. GroupNorm keeps every image apart from its batch, without
which a per-image guarantee would be void.

Sources: whitened linear heads under privacy, Tramer and Boneh 2021 (arXiv 2011.11660); GroupNorm under
privacy, De et al. 2022 (arXiv 2204.13650); priors from random processes, Tang et al. 2023
(arXiv 2306.06076).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as fn

WIDTHS = (16, 32, 64, 128, 184)
GROUPS = 8
FEATURES = 448
LENGTH_FLOOR = 1e-3
"""Added to the squared length of the features, whose typical value is one."""
MAP_SIDE = 7
WINDOWS = ((0, 4), (3, 7))
"""First and last row, exclusive, of what is pooled: left and right are never told apart."""


def pooling_windows() -> Tensor:
    """Weight of each place of a map in the mean over each window: (P, 49)."""
    windows = torch.zeros(len(WINDOWS), MAP_SIDE, MAP_SIDE)
    for window, (top, bottom) in zip(windows, WINDOWS, strict=True):
        window[top:bottom] = 1 / ((bottom - top) * MAP_SIDE)
    return windows.flatten(1)


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
    """The CNN. Standardised gray (B, 1, 224, 224) -> maps of its last three stages, (B, CHANNELS, 7, 7)."""

    CHANNELS = WIDTHS[2] + WIDTHS[3] + WIDTHS[4]

    def __init__(self) -> None:
        super().__init__()
        # The input is standardised: a norm here would cost a sixth of the training time for nothing.
        self.stem = nn.Conv2d(1, WIDTHS[0], 5, 2, 2)
        self.stage1 = Block(WIDTHS[0], WIDTHS[1], 2)
        self.stage2 = Block(WIDTHS[1], WIDTHS[2], 2)
        self.stage3 = Block(WIDTHS[2], WIDTHS[3], 2)
        self.stage4 = Block(WIDTHS[3], WIDTHS[4], 2)

    def stages(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Maps of the last three stages, on 28, 14 and 7 cells a side."""
        x = fn.relu(self.stem(x))
        second = self.stage2(self.stage1(x))
        third = self.stage3(second)
        return second, third, self.stage4(third)

    @staticmethod
    def last_maps(stages: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """All three on the grid of stage 4: means over what falls into a cell."""
        second, third, fourth = stages
        return torch.cat([fn.avg_pool2d(second, 4), fn.avg_pool2d(third, 2), fourth], dim=1)

    def forward(self, x: Tensor) -> Tensor:
        """All maps on one grid."""
        return self.last_maps(self.stages(x))


class EdgeNet(nn.Module):
    """Input (B, 3, 224, 224), standardised gray in each channel -> logits (B, classes).

    ``centre`` (P CHANNELS) and ``project`` (FEATURES x P CHANNELS) hold the public whitening; before
    `set_whitening` they average the maps of the last channels, which is what training from scratch uses.
    ``likeness`` (classes, FEATURES) holds for each class what images of its group look like: features times
    it are one for their mean. Zeros say that nobody knows.
    """

    windows: Tensor
    project: Tensor
    centre: Tensor
    likeness: Tensor

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.trunk = Trunk()
        self.register_buffer("windows", pooling_windows())
        start = torch.zeros(FEATURES, Trunk.CHANNELS, len(WINDOWS))
        for row in range(min(FEATURES, Trunk.CHANNELS)):
            start[row, Trunk.CHANNELS - 1 - row] = 1 / len(WINDOWS)
        self.register_buffer("project", start.flatten(1))
        self.register_buffer("centre", torch.zeros(Trunk.CHANNELS * len(WINDOWS)))
        self.register_buffer("likeness", torch.zeros(classes, FEATURES))
        self.head = nn.Linear(FEATURES, classes)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def set_whitening(self, project: Tensor, centre: Tensor) -> None:
        """Install a whitening: features = project @ (pooled - centre)."""
        self.project.copy_(project)
        self.centre.copy_(centre)

    def maps(self, x: Tensor) -> Tensor:
        """Last maps, (B, CHANNELS, 7, 7), of input (B, 3, 224, 224) or gray (B, 1, 224, 224)."""
        return self.trunk(x.mean(dim=1, keepdim=True) if x.shape[1] > 1 else x)  # type: ignore[no-any-return]

    def pooled(self, maps: Tensor) -> Tensor:
        """Means of maps (B, C, 7, 7) over the windows: (B, C P)."""
        return (maps.flatten(2) @ self.windows.T).flatten(1)

    def whitened(self, pooled: Tensor) -> tuple[Tensor, Tensor]:
        """Features of unit length from pooled maps, and the lengths (B, 1) that they were divided by."""
        # Centred first: in half precision the difference of two large numbers would be lost afterwards.
        raw = fn.linear(pooled - self.centre, self.project)
        length = torch.sqrt((raw**2).sum(dim=1, keepdim=True) + LENGTH_FLOOR)
        return raw / length, length

    def features(self, x: Tensor) -> Tensor:
        """Whitened features of unit length, (B, FEATURES)."""
        return self.whitened(self.pooled(self.maps(x)))[0]

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        return self.head(self.features(x))  # type: ignore[no-any-return]

    def cam_weights(self) -> Tensor:
        """Weight of each pooled value in each logit before the length is divided out: (classes, P, C)."""
        weights = (self.head.weight @ self.project).view(-1, Trunk.CHANNELS, len(WINDOWS))
        return weights.transpose(1, 2)

    def outputs(self, x: Tensor) -> dict[str, Tensor]:
        """All three outputs of the exported file: logits, features, cam (B, classes, 7, 7)."""
        maps = self.maps(x)
        features, length = self.whitened(self.pooled(maps))
        # What each place adds to a logit through each window, summed over the windows.
        through = torch.einsum("bcm,kpc->bkpm", maps.flatten(2), self.cam_weights())
        cam = ((through * self.windows).sum(2) / length[..., None]).view(len(x), -1, MAP_SIDE, MAP_SIDE)
        return {"logits": self.head(features), "features": features, "cam": cam}
