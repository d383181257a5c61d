"""The detectors' network: maps at a quarter of the input's size.

Lin et al., "Feature Pyramid Networks", 2017. Plain residual blocks: on a CPU they run as fast as
depthwise ones of half the work, and train thrice as fast.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

STRIDE = 4
MULTIPLE = 64
"""Sides of an input are multiples of it."""
_CHANNELS = (16, 24, 32, 48, 64, 96)
_BLOCKS = (1, 2, 2, 2, 1)
_NECK = 48
_DARK = 8.0
"""Gray levels up to which the input curve is about linear: what is dim gets most of its range."""


def _conv(before: int, after: int, kernel: int = 3, stride: int = 1, groups: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(before, after, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(after))


class _Block(nn.Module):
    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.first, self.second = _conv(before, after, 3, stride), _conv(after, after)
        self.short = nn.Identity() if stride == 1 and before == after else _conv(before, after, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.short(x) + self.second(torch.relu(self.first(x))))


def _smooth(channels: int) -> nn.Sequential:
    return nn.Sequential(
        _conv(channels, channels, 3, groups=channels), nn.ReLU(), _conv(channels, channels, 1), nn.ReLU()
    )


class MapNet(nn.Module):
    """Pixels (n, rows, columns, 3), uint8 RGB, to maps (n, channels, rows / 4, columns / 4).

    The first map is a logit.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(_conv(3, _CHANNELS[0], 3, 2), nn.ReLU())
        stages, before = [], _CHANNELS[0]
        for after, count in zip(_CHANNELS[1:], _BLOCKS, strict=True):
            blocks = [_Block(before, after, 2)] + [_Block(after, after, 1) for _ in range(count - 1)]
            stages.append(nn.Sequential(*blocks))
            before = after
        self.stages = nn.ModuleList(stages)
        self.side = nn.ModuleList([nn.Conv2d(channels, _NECK, 1) for channels in _CHANNELS[1:]])
        self.smooth = nn.ModuleList([_smooth(_NECK) for _ in _CHANNELS[1:]])
        self.head = _smooth(_NECK)
        self.out = nn.Conv2d(_NECK, channels, 1)
        # What is looked for is rare; the second map, where there is one, is the log of a radius in cells.
        self.out.bias = nn.Parameter(torch.tensor([-4.6, 1.5, *[0.0] * channels])[:channels])

    def forward(self, pixels: Tensor) -> Tensor:
        """The maps of ``pixels``; see the class."""
        x = torch.log1p(pixels.permute(0, 3, 1, 2).float() / _DARK) / 3.5 - 0.5
        x = self.stem(x)
        seen = []
        for stage in self.stages:
            x = stage(x)
            seen.append(x)
        y: Tensor | None = None
        for features, side, smooth in reversed(list(zip(seen, self.side, self.smooth, strict=True))):
            here = side(features)
            y = smooth(here if y is None else here + functional.interpolate(y, scale_factor=2.0))
        return cast(Tensor, self.out(self.head(y)))
