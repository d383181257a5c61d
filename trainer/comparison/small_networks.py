"""The small networks of the comparison, without BatchNorm: each image keeps to itself.

Inputs are (B, 1 or 3, H, W) of any size; three channels are averaged, and the side is the network's own.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as fn

from trainer.comparison.networks import resized

SIDE = 64
GROUPS = 8
PRIOR_WIDTHS = (16, 32, 64, 96)


class SmallCnn(nn.Module):
    """Three convolutions, each halved by pooling, and two linear layers: what tutorials of DP-SGD train."""

    def __init__(self, classes: int, side: int = SIDE) -> None:
        super().__init__()
        self.side = side
        self.layers = nn.Sequential(
            *(
                layer
                for inside, outside in ((1, 32), (32, 64), (64, 64))
                for layer in (nn.Conv2d(inside, outside, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(2))
            ),
            nn.AdaptiveAvgPool2d(4),
            nn.Flatten(),
            nn.Linear(64 * 16, 64),
            nn.ReLU(),
            nn.Linear(64, classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        return self.layers(resized(x.mean(1, keepdim=True), self.side))  # type: ignore[no-any-return]


class StandardConv(nn.Conv2d):
    """A convolution whose filters have mean 0 and spread 1 / sqrt(fan in) (Qiao et al. 2019)."""

    def forward(self, x: Tensor) -> Tensor:
        """As `Conv2d`, with standardised weights."""
        weight = self.weight
        mean = weight.mean((1, 2, 3), keepdim=True)
        spread = (weight.var((1, 2, 3), keepdim=True, correction=0) * weight[0].numel() + 1e-4).sqrt()
        return fn.conv2d(x, (weight - mean) / spread, self.bias, self.stride, self.padding)


class Block(nn.Module):
    """Norm, rectifier, convolution, twice, with a way past them (wide residual network)."""

    def __init__(self, inside: int, outside: int, stride: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(GROUPS, inside)
        self.conv1 = StandardConv(inside, outside, 3, stride, 1)
        self.norm2 = nn.GroupNorm(GROUPS, outside)
        self.conv2 = StandardConv(outside, outside, 3, 1, 1)
        self.short: nn.Module = nn.Identity()
        self.stride = stride
        if stride != 1 or inside != outside:
            self.short = StandardConv(inside, outside, 1, 1, 0)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inside, H, W) -> (B, outside, H / stride, W / stride)."""
        y = self.conv1(fn.relu(self.norm1(x)))
        y = self.conv2(fn.relu(self.norm2(y)))
        return y + self.short(fn.avg_pool2d(x, self.stride) if self.stride > 1 else x)  # type: ignore[no-any-return]


class Residual(nn.Module):
    """Residual network with group norm and standardised weights.

    Args:
        classes: number of logits.
        widths: of the stem, whose stride is 2, and of the stages, of which all but the first halve the map.
        blocks: of each stage.
        side: of the image as it is looked at; None takes it as it comes.
    """

    def __init__(self, classes: int, widths: Sequence[int], blocks: int = 1, side: int | None = SIDE) -> None:
        super().__init__()
        self.side = side
        layers: list[nn.Module] = [StandardConv(1, widths[0], 3, 2, 1)]
        inside = widths[0]
        for stage, width in enumerate(widths[1:]):
            for block in range(blocks):
                layers.append(Block(inside, width, 2 if stage and not block else 1))
                inside = width
        self.trunk = nn.Sequential(*layers, nn.GroupNorm(GROUPS, inside), nn.ReLU())
        self.head = nn.Linear(inside, classes)
        nn.init.zeros_(self.head.bias)

    def maps(self, x: Tensor) -> Tensor:
        """The last maps."""
        x = x.mean(1, keepdim=True)
        return self.trunk(x if self.side is None else resized(x, self.side))  # type: ignore[no-any-return]

    def pooled(self, x: Tensor) -> Tensor:
        """Means over the quarters of the last maps, (B, 4 * widths[-1])."""
        return fn.adaptive_avg_pool2d(self.maps(x), 2).flatten(1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        return self.head(self.maps(x).mean((2, 3)))  # type: ignore[no-any-return]


def wide(classes: int, factor: int) -> Residual:
    """WRN-16 with ``factor``, on 64 px; its stem halves the image to the 32 px that it was made for."""
    return Residual(classes, (16, 16 * factor, 32 * factor, 64 * factor), blocks=2)
