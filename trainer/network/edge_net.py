"""The network that ships: a small CNN, public whitening, one linear head, class activation maps for free.

Two residual CNNs with GroupNorm, the trunks, look at the gray image; each learnt from pictures of its own.
The means of the maps of a trunk's last two stages are projected by a whitening that was computed on
procedural images, and scaled to unit length; one linear layer classifies both trunks' features. GroupNorm
keeps every image apart from its batch, without which a per-image guarantee would be void.

Sources: whitened linear heads under privacy, Tramer and Boneh 2021 (arXiv 2011.11660); GroupNorm under
privacy, De et al. 2022 (arXiv 2204.13650); priors from random processes, Tang et al. 2023
(arXiv 2306.06076).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as fn

TRUNKS = 2
WIDTHS = (16, 32, 64, 128)
"""Of a trunk's stem and its three stages."""
CHANNELS = WIDTHS[2] + WIDTHS[3]
"""Of a trunk's maps."""
FEATURES = TRUNKS * CHANNELS
GROUPS = 8
LENGTH_FLOOR = 1e-3
"""Added to the squared length of a trunk's features, whose typical value is one."""
MAP_SIDE = 7


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
    """One CNN. Standardised gray (B, 1, 224, 224) -> maps of its last two stages, (B, CHANNELS, 7, 7)."""

    def __init__(self) -> None:
        super().__init__()
        # The input is standardised: a norm here would cost a sixth of the training time for nothing.
        self.stem = nn.Conv2d(1, WIDTHS[0], 5, 2, 2)
        self.stage1 = Block(WIDTHS[0], WIDTHS[1], 2)
        self.stage2 = Block(WIDTHS[1], WIDTHS[2], 2)
        self.stage3 = Block(WIDTHS[2], WIDTHS[3], 2)

    def second(self, x: Tensor) -> Tensor:
        """Maps of stage 2, (B, 64, 28, 28)."""
        return self.stage2(self.stage1(fn.relu(self.stem(x))))  # type: ignore[no-any-return]

    def stages(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Maps of the last two stages, on 28 and 14 cells a side."""
        second = self.second(x)
        return second, self.stage3(second)

    @staticmethod
    def on_one_grid(second: Tensor, third: Tensor) -> Tensor:
        """Both on the grid of the activation map: means over what falls into a cell."""
        return torch.cat([fn.avg_pool2d(second, 4), fn.avg_pool2d(third, 2)], dim=1)

    def forward(self, x: Tensor) -> Tensor:
        """All maps on one grid."""
        return self.on_one_grid(*self.stages(x))


class EdgeNet(nn.Module):
    """Input (B, 3, 224, 224), standardised gray in each channel -> logits (B, classes).

    ``centre`` (TRUNKS, CHANNELS) and ``project`` (TRUNKS, CHANNELS, CHANNELS) hold the public whitening;
    before `set_whitening` they change nothing, which is what training from scratch uses. ``likeness``
    (classes, FEATURES) holds for each class what images of its group look like: features times it are one
    for their mean. Zeros say that nobody knows.
    """

    project: Tensor
    centre: Tensor
    likeness: Tensor

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.trunks = nn.ModuleList(Trunk() for _ in range(TRUNKS))
        self.register_buffer("project", torch.eye(CHANNELS).repeat(TRUNKS, 1, 1))
        self.register_buffer("centre", torch.zeros(TRUNKS, CHANNELS))
        self.register_buffer("likeness", torch.zeros(classes, FEATURES))
        self.head = nn.Linear(FEATURES, classes)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def set_whitening(self, project: Tensor, centre: Tensor) -> None:
        """Install a whitening: a trunk's features are project @ (pooled - centre)."""
        self.project.copy_(project)
        self.centre.copy_(centre)

    def maps(self, x: Tensor) -> Tensor:
        """Last maps, (B, TRUNKS, CHANNELS, 7, 7), of input (B, 3, 224, 224) or gray (B, 1, 224, 224)."""
        gray = x.mean(dim=1, keepdim=True) if x.shape[1] > 1 else x
        return torch.stack([trunk(gray) for trunk in self.trunks], dim=1)

    @staticmethod
    def pooled(maps: Tensor) -> Tensor:
        """Means of maps (B, TRUNKS, CHANNELS, 7, 7): (B, TRUNKS, CHANNELS)."""
        return maps.mean((3, 4))

    def whitened(self, pooled: Tensor) -> tuple[Tensor, Tensor]:
        """Features of unit length, and what each trunk's part was divided by, (B, TRUNKS, 1)."""
        # Centred first: in half precision the difference of two large numbers would be lost afterwards.
        raw = torch.einsum("btc,tkc->btk", pooled - self.centre, self.project)
        length = torch.sqrt(TRUNKS * ((raw**2).sum(dim=2, keepdim=True) + LENGTH_FLOOR))
        return (raw / length).flatten(1), length

    def features(self, x: Tensor) -> Tensor:
        """Whitened features of unit length, (B, FEATURES)."""
        return self.whitened(self.pooled(self.maps(x)))[0]

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        return self.head(self.features(x))  # type: ignore[no-any-return]

    def cam_weights(self) -> Tensor:
        """Weight of each map in each logit before the length is divided out: (TRUNKS, classes, CHANNELS)."""
        weight = self.head.weight.view(-1, TRUNKS, CHANNELS)
        return torch.einsum("ntk,tkc->tnc", weight, self.project) / MAP_SIDE**2

    def outputs(self, x: Tensor) -> dict[str, Tensor]:
        """All three outputs of the exported file: logits, features, cam (B, classes, 7, 7)."""
        maps = self.maps(x)
        features, length = self.whitened(self.pooled(maps))
        cam = torch.einsum("btcyx,tnc->bnyx", maps / length[..., None, None], self.cam_weights())
        return {"logits": self.head(features), "features": features, "cam": cam}
