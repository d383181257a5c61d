"""No layer may let one image of a batch change what the network makes of another."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


class BatchDependenceError(ValueError):
    """The network cannot be trained privately; the message names the layer."""


def refuse_batch_norm(net: nn.Module) -> None:
    """Refuse layers that are known to mix the images of a batch.

    Raises:
        BatchDependenceError: there is one.
    """
    for name, layer in net.named_modules():
        if isinstance(layer, _BatchNorm) or getattr(layer, "track_running_stats", False):
            raise BatchDependenceError(
                f"layer {name or 'net'} ({type(layer).__name__}) mixes the images of a batch, which voids a "
                "guarantee for each; take GroupNorm"
            )


def refuse_batch_dependence(net: nn.Module, example: Tensor) -> None:
    """Refuse BatchNorm and the like by name, and anything else by what it does.

    Args:
        net: the network as it will be trained.
        example: a batch of at least two inputs, made of nothing private.

    Raises:
        BatchDependenceError: an image's output depends on the others in its batch, so that clipping its own
            gradient bounds nothing.
    """
    refuse_batch_norm(net)
    was_training = net.training
    net.train()
    for layer in net.modules():
        if isinstance(layer, nn.modules.dropout._DropoutNd):  # noqa: SLF001  # the common base of all of them
            layer.eval()
    with torch.no_grad():
        together, alone = net(example)[:1], net(example[:1])
    net.train(was_training)
    if not torch.allclose(together, alone, rtol=1e-3, atol=1e-4):
        raise BatchDependenceError(
            "what the network says of an image depends on the other images of its batch, which voids a "
            "guarantee for each; find the layer that mixes them"
        )
