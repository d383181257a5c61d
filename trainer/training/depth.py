"""How deep private training reaches into the network: what is frozen, what is trained.

Frozen layers are the same for every step, so what they say of an image can be kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, cast

import torch
from torch import Tensor, nn

from trainer.network.edge_net import EdgeNet, Trunk

Depth = Literal["head", "last", "all"]
"""The linear head; the last stages and the head; every layer."""


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
    """The last stage of each trunk, and the head, on the maps before them."""

    def __init__(self, net: EdgeNet) -> None:
        super().__init__()
        self.stages = nn.ModuleList(trunk.stage3 for trunk in _trunks(net))
        self.head = net.head
        self._net = (net,)  # In a tuple, so that frozen layers are no part of this module.

    def forward(self, frozen: Tensor) -> Tensor:
        """Maps of stage 2, (B, TRUNKS, 64, 28, 28) -> logits."""
        (net,) = self._net
        maps = [
            Trunk.on_one_grid(frozen[:, number], stage(frozen[:, number]))
            for number, stage in enumerate(self.stages)
        ]
        return self.head(net.whitened(net.pooled(torch.stack(maps, dim=1)))[0])  # type: ignore[no-any-return]


def frozen_maps(net: EdgeNet, x: Tensor) -> Tensor:
    """What last stages and head need of an input (B, 1, 224, 224)."""
    return torch.stack([trunk.second(x) for trunk in _trunks(net)], dim=1)


def split(net: EdgeNet, depth: Depth) -> Split:
    """Freeze ``net`` below ``depth`` and cut it there."""
    net.requires_grad_(depth == "all")
    if depth == "all":
        return Split(lambda x: x, net, torch.float32)
    net.head.requires_grad_(True)
    if depth == "head":
        return Split(net.features, net.head, torch.float32)
    for trunk in _trunks(net):
        trunk.stage3.requires_grad_(True)
    return Split(lambda x: frozen_maps(net, x), LastStage(net), torch.float16)


def _trunks(net: EdgeNet) -> list[Trunk]:
    return cast("list[Trunk]", list(net.trunks))
