"""The large networks of the comparison, from scratch: no weights come from anywhere.

Gray images (B, channels, H, W) of any size go in and are brought to the network's own side. Both hold
BatchNorm, which mixes the images of a batch: they are for training without privacy alone.

Sources: He et al. 2015, table 1 (the stride of a stage lies on its 3x3 convolution); Simonyan and Zisserman
2014, table 1, column D, with batch norm after each convolution; initialisation by He et al. 2015
(arXiv 1502.01852).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as fn

STAGES = ((64, 3), (128, 4), (256, 6), (512, 3))
"""ResNet-50: width and number of the bottlenecks of each stage."""
EXPANSION = 4
VGG_D = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
"""VGG-16: width and number of the convolutions before each pooling."""
VGG_LINEAR = 4096


def resized(x: Tensor, side: int) -> Tensor:
    """(B, C, H, W) -> (B, C, side, side), without aliasing."""
    if x.shape[-2:] == (side, side):
        return x
    return fn.interpolate(x, (side, side), mode="bilinear", antialias=True, align_corners=False)


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 with a way past them."""

    def __init__(self, inside: int, width: int, stride: int) -> None:
        super().__init__()
        outside = EXPANSION * width
        self.body = nn.Sequential(
            nn.Conv2d(inside, width, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, stride, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, outside, 1, bias=False),
            nn.BatchNorm2d(outside),
        )
        self.short: nn.Module = nn.Identity()
        if stride != 1 or inside != outside:
            self.short = nn.Sequential(
                nn.Conv2d(inside, outside, 1, stride, bias=False), nn.BatchNorm2d(outside)
            )

    def forward(self, x: Tensor) -> Tensor:
        """(B, inside, H, W) -> (B, 4 width, H / stride, W / stride)."""
        return fn.relu(self.body(x) + self.short(x))


class ResNet50(nn.Module):
    """Images (B, channels, H, W) -> logits (B, classes)."""

    def __init__(self, classes: int, side: int = 224, channels: int = 1) -> None:
        super().__init__()
        self.side = side
        layers: list[nn.Module] = [
            nn.Conv2d(channels, 64, 7, 2, 3, bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2, 1),
        ]
        inside = 64
        for number, (width, blocks) in enumerate(STAGES):
            for block in range(blocks):
                layers.append(Bottleneck(inside, width, 2 if number and not block else 1))
                inside = EXPANSION * width
        self.trunk = nn.Sequential(*layers)
        self.head = nn.Linear(inside, classes)
        start(self)

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        return self.head(self.trunk(resized(x, self.side)).mean((2, 3)))  # type: ignore[no-any-return]


class Vgg16(nn.Module):
    """Images (B, channels, H, W) -> logits (B, classes); the side must be a multiple of 32."""

    def __init__(self, classes: int, side: int = 224, channels: int = 1, *, batch_norm: bool = True) -> None:
        super().__init__()
        if side % 32:
            raise ValueError(f"VGG halves an image five times: expected a side that 32 divides, got {side}")
        self.side = side
        layers: list[nn.Module] = []
        inside = channels
        for width, count in VGG_D:
            for _ in range(count):
                layers.append(nn.Conv2d(inside, width, 3, 1, 1))
                layers += [nn.BatchNorm2d(width)] if batch_norm else []
                layers.append(nn.ReLU(inplace=True))
                inside = width
            layers.append(nn.MaxPool2d(2))
        self.trunk = nn.Sequential(*layers)
        self.head = nn.Sequential(
            nn.Linear(inside * (side // 32) ** 2, VGG_LINEAR),
            nn.ReLU(inplace=True),
            nn.Dropout(),
            nn.Linear(VGG_LINEAR, VGG_LINEAR),
            nn.ReLU(inplace=True),
            nn.Dropout(),
            nn.Linear(VGG_LINEAR, classes),
        )
        start(self)

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        return self.head(self.trunk(resized(x, self.side)).flatten(1))  # type: ignore[no-any-return]


@torch.no_grad()
def start(net: nn.Module) -> None:
    """Initialise convolutions and linear layers for rectifiers; draws from torch's generator."""
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=0.01)
        else:
            continue
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
