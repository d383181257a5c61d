"""How deep private training reaches into the network: what is frozen, what is trained.

Frozen layers are the same for every step, so what they say of an image can be kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as fn

from trainer.network.edge_net import MAP_SIDE, EdgeNet

Depth = Literal["head", "last", "all"]
"""The linear head; the last stage and the head; every layer."""


@dataclass(frozen=True)
class Split:
    """A network in two parts; ``upper(lower(x))`` is the network."""

    lower: Callable[[Tensor], Tensor]
    """Frozen: input (B, 1, 224, 224) -> (B, ...)."""
    upper: nn.Module
    """Trained, but for its buffers: (B, ...) -> logits (B, classes)."""
    kind: torch.dtype
    """What the lower part's outputs are kept in; maps are rounded to half precision."""


class LastStage(nn.Module):
    """Stage 4 and head on what `frozen_maps` gives."""

    def __init__(self, net: EdgeNet) -> None:
        super().__init__()
        self.stage, self.head = net.trunk.stage4, net.head
        self._net = (net,)  # In a tuple, so that frozen layers are no part of this module.

    def forward(self, frozen: Tensor) -> Tensor:
        """Frozen values (B, L) -> logits."""
        (net,) = self._net
        side = 2 * MAP_SIDE
        third = net.trunk.stage3.conv2.out_channels * side * side
        maps, pooled = frozen.tensor_split((third,), dim=1)
        fourth = net.pooled(self.stage(maps.view(len(maps), -1, side, side)))
        return self.head(net.whitened(torch.cat([pooled, fourth], dim=1))[0])  # type: ignore[no-any-return]


def frozen_maps(net: EdgeNet, x: Tensor) -> Tensor:
    """What last stage and head need of an input (B, 1, 224, 224): maps of stage 3, then pooled values."""
    trunk = net.trunk
    second = trunk.stage2(trunk.stage1(fn.relu(trunk.stem(x))))
    third = trunk.stage3(second)
    beside = torch.cat([fn.avg_pool2d(second, 4), fn.avg_pool2d(third, 2)], dim=1)
    return torch.cat([third.flatten(1), net.pooled(beside)], dim=1)


def split(net: EdgeNet, depth: Depth) -> Split:
    """Freeze ``net`` below ``depth`` and cut it there."""
    net.requires_grad_(depth == "all")
    if depth == "all":
        return Split(lambda x: x, net, torch.float32)
    net.head.requires_grad_(True)
    if depth == "head":
        return Split(net.features, net.head, torch.float32)
    net.trunk.stage4.requires_grad_(True)
    return Split(lambda x: frozen_maps(net, x), LastStage(net), torch.float16)
