"""Gradients of single records at one layer: their lengths, and their sum with a factor each.

Two ways, chosen layer by layer by their cost (mixed ghost clipping: Bu, Mao and Xu 2022, arXiv
2205.10683). *Instantiated*: every record's gradient is computed and kept. *Paired*: a convolution or
linear layer sees T positions with inputs a (T x p) and output gradients g (T x D); the record's gradient
is g'a, whose squared length is the sum of (aa') * (gg'), so it is never formed; the clipped sum is one
ordinary weight gradient with scaled g (book-keeping: Bu et al. 2023, arXiv 2210.00038).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any, Protocol

import torch
from opacus.grad_sample import GradSampleModule
from opacus.grad_sample.functorch import ft_compute_per_sample_gradient
from torch import Tensor, nn
from torch.nn import functional as fn

from trainer.privacy.parts import Part

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
            kept = _without(each, factors)
            yield parameter, torch.tensordot(factors.to(kept.dtype), kept, dims=1)


class Paired:
    """Gradients of one weight that are never formed, and of the bias, which are.

    Args:
        layer: a `Conv2d` without groups or a `Linear`.
        inputs: its input, (records * views, ...).
        outputs: gradient of its output, (records * views, ...).
        records: how many there are; each is a unit.
    """

    def __init__(self, layer: nn.Conv2d | nn.Linear, inputs: Tensor, outputs: Tensor, records: int) -> None:
        self._layer, self._inputs, self._outputs, self._records = layer, inputs, outputs, records
        self._bias: Instantiated | None = None
        a, g = _sequences(layer, inputs, outputs, records)
        self.squares = torch.zeros(records, dtype=torch.float64, device=g.device)
        if layer.weight.requires_grad:
            products = torch.bmm(a, a.mT) * torch.bmm(g, g.mT)
            # Positive and negative products may cancel. What rounding of dot products as long as p may have
            # hidden is added, so that no length is underestimated and nobody gets more than the clip.
            size = (torch.linalg.vector_norm(a, dim=2) * torch.linalg.vector_norm(g, dim=2)).sum(1)
            allowance = 2 * torch.finfo(a.dtype).eps * max(a.shape[2], g.shape[2]) ** 0.5
            exact = products.sum((1, 2), dtype=torch.float64).clamp(min=0)
            self.squares = exact + allowance * size.double().square()
        if layer.bias is not None and layer.bias.requires_grad:
            self._bias = Instantiated({layer.bias: g.sum(1)})
            self.squares = self.squares + self._bias.squares

    def weighted(self, factors: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """See `LayerGradient`."""
        layer = self._layer
        if self._bias is not None:
            yield from self._bias.weighted(factors)
        if not layer.weight.requires_grad:
            return
        each = factors.repeat_interleave(len(self._outputs) // self._records).to(self._outputs.dtype)
        inputs, outputs = _without(self._inputs, each), _without(self._outputs, each)
        outputs = outputs * each.view(-1, *[1] * (outputs.dim() - 1))
        if isinstance(layer, nn.Linear):
            yield layer.weight, outputs.flatten(0, -2).mT @ inputs.flatten(0, -2)
        else:
            yield layer.weight, _conv_weight(layer, inputs, outputs, apart=False)


def layer_gradient(
    layer: nn.Module, inputs: Tensor, outputs: Tensor, part: Part, views: int
) -> LayerGradient:
    """The gradients of a part's units at one layer, in the cheaper of the two ways.

    Args:
        layer: any layer that Opacus has a sampler for, or whose gradient `torch.func` can take.
        inputs: the layer's input, (records * views or records, ...); a record's views stand together.
        outputs: gradient of the sum of all losses by the layer's output.
        part: which records, which units.
        views: augmented views of each record; their gradients are added up before any length is taken.

    Raises:
        ValueError: the layer's rows are not the part's records.
    """
    views, records = part.views(len(outputs), views), len(part.rows)
    kind = next(p.dtype for p in layer.parameters(recurse=False))
    inputs, outputs = inputs.to(kind), outputs.to(kind)
    if (
        part.unit is None
        and type(layer) in (nn.Conv2d, nn.Linear)
        and _pairing_is_cheaper(layer, outputs, views)
    ):
        return Paired(layer, inputs, outputs, records)  # type: ignore[arg-type]
    samples: dict[Tensor, Tensor] = {}
    for view in range(views):
        # One view after the other, so that a record's gradient is held once and not once a view.
        x, g = (each.view(records, views, *each.shape[1:])[:, view] for each in (inputs, outputs))
        for parameter, each in _samples(layer, x, g).items():
            # Not in place: a sampler may hand out a part of the gradient that still goes backward.
            samples[parameter] = samples[parameter] + each if view else each
    return Instantiated({parameter: part.per_unit(each) for parameter, each in samples.items()})


def _without(values: Tensor, factors: Tensor) -> Tensor:
    """``values`` with rows of factor 0 set to 0: zero times infinity is not zero."""
    if bool(factors.all()):
        return values
    return torch.where((factors != 0).view(-1, *[1] * (values.dim() - 1)), values, values.new_zeros(()))


def _pairing_is_cheaper(layer: nn.Module, outputs: Tensor, views: int) -> bool:
    """Compare products: T^2 (p + D) for the pairs, T p D for the gradient itself."""
    if isinstance(layer, nn.Conv2d):
        if layer.groups != 1 or isinstance(layer.padding, str) or layer.padding_mode != "zeros":
            return False
        positions, wide = outputs.shape[2:].numel(), layer.weight[0].numel()
    else:
        assert isinstance(layer, nn.Linear)
        positions, wide = outputs.shape[1:-1].numel(), layer.in_features
    deep = len(layer.weight)
    return views * positions * (wide + deep) <= wide * deep


def _sequences(
    layer: nn.Conv2d | nn.Linear, inputs: Tensor, outputs: Tensor, records: int
) -> tuple[Tensor, Tensor]:
    """Inputs (records, T, p) and output gradients (records, T, D) at all positions of all views."""
    if isinstance(layer, nn.Conv2d):
        assert not isinstance(layer.padding, str)
        inputs = fn.unfold(inputs, layer.kernel_size, layer.dilation, layer.padding, layer.stride).mT
        outputs = outputs.flatten(2).mT
    return inputs.reshape(records, -1, inputs.shape[-1]), outputs.reshape(records, -1, outputs.shape[-1])


def _grouped(layer: nn.Module, device: torch.device) -> bool:
    """Whether `_conv_weight` takes this layer's gradients; on a GPU, Opacus' unfolding does."""
    plain = type(layer) is nn.Conv2d and layer.padding_mode == "zeros" and not isinstance(layer.padding, str)
    return plain and device.type == "cpu"


def sampler_of(layer: nn.Module) -> Sampler:
    """What computes the gradient of each row: Opacus' sampler for the layer's type, else `torch.func`."""
    if isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Conv3d) and layer.padding_mode != "zeros":
        return ft_compute_per_sample_gradient  # type: ignore[no-any-return]  # Opacus' sampler pads with zeros
    return GradSampleModule.GRAD_SAMPLERS.get(type(layer), ft_compute_per_sample_gradient)  # type: ignore[no-any-return]


def _samples(layer: nn.Module, inputs: Tensor, outputs: Tensor) -> dict[Tensor, Tensor]:
    """Gradient of each row: {parameter: (rows, *shape)}."""
    if _grouped(layer, outputs.device):
        assert isinstance(layer, nn.Conv2d)
        found: dict[Tensor, Tensor] = {}
        if layer.weight.requires_grad:
            found[layer.weight] = _conv_weight(layer, inputs, outputs, apart=True)
        if layer.bias is not None and layer.bias.requires_grad:
            found[layer.bias] = outputs.sum((2, 3))
        return found
    made = sampler_of(layer)(layer, [inputs], outputs)
    return {parameter: each for parameter, each in made.items() if parameter.requires_grad}


def _conv_weight(layer: nn.Conv2d, inputs: Tensor, outputs: Tensor, *, apart: bool) -> Tensor:
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
