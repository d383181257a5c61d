"""Gradients of single records at one layer, held in full: their lengths, and their sum with a factor each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any, Protocol

import torch
from opacus.grad_sample import GradSampleModule
from opacus.grad_sample.functorch import ft_compute_per_sample_gradient
from torch import Tensor, nn

Sampler = Callable[[Any, list[Tensor], Tensor], dict[Tensor, Tensor]]


class LayerGradient(Protocol):
    """The gradients of a part's units at one layer."""

    squares: Tensor
    """Squared length of each unit's gradient, (units,), float64; never below the true one by rounding."""

    def weighted(self, factors: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Sum of factor x gradient over units for each parameter; units of factor 0 are left out.

        ``factors``: (units,), on the layer's device.
        """
        ...


class Instantiated:
    """Gradients that are held in full: {parameter: (units, *shape)}."""

    def __init__(self, samples: dict[Tensor, Tensor]) -> None:
        self._samples = samples
        lengths = [torch.linalg.vector_norm(each.flatten(1), dim=1).double() for each in samples.values()]
        self.squares = torch.stack(lengths).square().sum(0)

    def weighted(self, factors: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """See `LayerGradient`."""
        for parameter, each in self._samples.items():
            kept = without_zeros(each, factors)
            yield parameter, torch.tensordot(factors.to(kept.dtype), kept, dims=1)


def without_zeros(values: Tensor, factors: Tensor) -> Tensor:
    """``values`` with rows of factor 0 set to 0: zero times infinity is not zero."""
    if bool(factors.all()):
        return values
    return torch.where((factors != 0).view(-1, *[1] * (values.dim() - 1)), values, values.new_zeros(()))


def _grouped(layer: nn.Module, device: torch.device) -> bool:
    """Whether `conv_weight` takes this layer's gradients; on a GPU, Opacus' unfolding does."""
    plain = type(layer) is nn.Conv2d and layer.padding_mode == "zeros" and not isinstance(layer.padding, str)
    return plain and device.type == "cpu"


def sampler_of(layer: nn.Module) -> Sampler:
    """What computes the gradient of each row: Opacus' sampler for the layer's type, else `torch.func`."""
    if isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Conv3d) and layer.padding_mode != "zeros":
        return ft_compute_per_sample_gradient  # type: ignore[no-any-return]  # Opacus' sampler pads with zeros
    return GradSampleModule.GRAD_SAMPLERS.get(type(layer), ft_compute_per_sample_gradient)  # type: ignore[no-any-return]


def samples_of(layer: nn.Module, inputs: Tensor, outputs: Tensor) -> dict[Tensor, Tensor]:
    """Gradient of each row: {parameter: (rows, *shape)}."""
    if _grouped(layer, outputs.device):
        assert isinstance(layer, nn.Conv2d)
        found: dict[Tensor, Tensor] = {}
        if layer.weight.requires_grad:
            found[layer.weight] = conv_weight(layer, inputs, outputs, apart=True)
        if layer.bias is not None and layer.bias.requires_grad:
            found[layer.bias] = outputs.sum((2, 3))
        return found
    made = sampler_of(layer)(layer, [inputs], outputs)
    return {parameter: each for parameter, each in made.items() if parameter.requires_grad}


def conv_weight(layer: nn.Conv2d, inputs: Tensor, outputs: Tensor, *, apart: bool) -> Tensor:
    """Weight gradient of a convolution: (*shape), or of each row, (rows, *shape).

    Rows apart are one convolution with a group for each row, which on a CPU costs little more than the
    ordinary weight gradient; unfolding costs two to five times as much where images are large.
    """
    rows = len(outputs) if apart else 1
    if apart:
        inputs, outputs = (each.reshape(1, -1, *each.shape[2:]) for each in (inputs, outputs))
    weight = layer.weight.detach()
    # TF32 would round a record's contribution after its length was taken.
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False) if weight.is_cuda else nullcontext():
        gradient: Tensor = torch.ops.aten.convolution_backward(
            outputs,
            inputs,
            weight.new_empty(1).expand(rows * len(weight), *weight.shape[1:]),
            None,
            layer.stride,
            layer.padding,
            layer.dilation,
            False,
            [0, 0],
            rows * layer.groups,
            [False, True, False],
        )[1]
    return gradient.view(rows, *weight.shape) if apart else gradient
