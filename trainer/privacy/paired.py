"""Gradients of single records that are never formed: lengths from pairs of positions, the sum at once."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as fn

from trainer.privacy.instantiated import Instantiated, conv_weight, without_zeros


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
        g = _positions(outputs.flatten(2).mT if isinstance(layer, nn.Conv2d) else outputs, records)
        self.squares = torch.zeros(records, dtype=torch.float64, device=g.device)
        if layer.weight.requires_grad:
            a, b = _input_products(layer, inputs, outputs, records), torch.bmm(g, g.mT)
            # Positive and negative products may cancel. What rounding of dot products as long as p may have
            # hidden is added, so that no length is underestimated and nobody gets more than the clip.
            size = (a.diagonal(dim1=1, dim2=2) * b.diagonal(dim1=1, dim2=2)).clamp(min=0).sqrt().sum(1)
            allowance = 2 * torch.finfo(a.dtype).eps * max(layer.weight[0].numel(), g.shape[2]) ** 0.5
            exact = (a * b).sum((1, 2), dtype=torch.float64).clamp(min=0)
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
        inputs, outputs = without_zeros(self._inputs, each), without_zeros(self._outputs, each)
        outputs = outputs * each.view(-1, *[1] * (outputs.dim() - 1))
        if isinstance(layer, nn.Linear):
            yield layer.weight, outputs.flatten(0, -2).mT @ inputs.flatten(0, -2)
        else:
            yield layer.weight, conv_weight(layer, inputs, outputs, apart=False)


def pairing_is_cheaper(layer: nn.Module, inputs: Tensor, outputs: Tensor, views: int) -> bool:
    """Compare products: those of the pairs with what T p D costs more record by record than at once."""
    if isinstance(layer, nn.Conv2d):
        if layer.groups != 1 or isinstance(layer.padding, str) or layer.padding_mode != "zeros":
            return False
        positions = views * outputs.shape[2:].numel()
        deep, wide = len(layer.weight), layer.weight[0].numel()
        pairs = min(_pair_costs(layer, inputs, outputs, views)) + positions**2 * deep
        return 2 * pairs <= positions * wide * deep
    assert isinstance(layer, nn.Linear)
    positions = views * outputs.shape[1:-1].numel()
    return positions * (layer.in_features + layer.out_features) <= layer.in_features * layer.out_features


def _pair_costs(layer: nn.Conv2d, inputs: Tensor, outputs: Tensor, views: int) -> tuple[int, int]:
    """Products for all pairs of inputs: by pixels, by taps."""
    assert not isinstance(layer.padding, str)
    high, wide = (n + 2 * p for n, p in zip(inputs.shape[2:], layer.padding, strict=True))
    positions, patch = views * outputs.shape[2:].numel(), layer.weight[0].numel()
    taps = layer.kernel_size[0] * layer.kernel_size[1]
    pixels = (views * high * wide) ** 2 * layer.in_channels + 8 * taps * positions**2
    return pixels, positions**2 * patch + 4 * positions * patch


def _input_products(layer: nn.Conv2d | nn.Linear, inputs: Tensor, outputs: Tensor, records: int) -> Tensor:
    """Products of what each two positions of a record see, (records, T, T), T counting all views.

    Two patches' product is the sum over a kernel's taps of two pixels' products. It is taken tap by tap, or,
    where maps are small and strides are one, from the products of all pixels; patches are never laid out.
    """
    if isinstance(layer, nn.Linear):
        a = _positions(inputs, records)
        return torch.bmm(a, a.mT)
    assert not isinstance(layer.padding, str)
    views = len(inputs) // records
    (up, left), high, wide = layer.padding, outputs.shape[2], outputs.shape[3]
    # Channels last: a tap's pixels are then copied in whole rows.
    padded = fn.pad(inputs.permute(0, 2, 3, 1), (0, 0, left, left, up, up))
    windows: list[tuple[slice, slice]] = []
    for tap_y in range(layer.kernel_size[0]):
        for tap_x in range(layer.kernel_size[1]):
            y, x = tap_y * layer.dilation[0], tap_x * layer.dilation[1]
            rows = slice(y, y + layer.stride[0] * (high - 1) + 1, layer.stride[0])
            windows.append((rows, slice(x, x + layer.stride[1] * (wide - 1) + 1, layer.stride[1])))
    positions = views * high * wide
    total = inputs.new_zeros(records, positions, positions)
    by_pixels, by_taps = _pair_costs(layer, inputs, outputs, views)
    if by_taps <= by_pixels:
        for rows, columns in windows:
            a = _positions(padded[:, rows, columns], records)
            total.baddbmm_(a, a.mT)
        return total
    a = _positions(padded, records)
    grid = (views, *padded.shape[1:3])
    of_pixels = torch.bmm(a, a.mT).view(records, *grid, *grid)
    split = total.view(records, views, high, wide, views, high, wide)
    for rows, columns in windows:
        split += of_pixels[:, :, rows, columns, :, rows, columns]
    return total


def _positions(values: Tensor, records: int) -> Tensor:
    """All positions of all views of a record in one row: (..., channels) -> (records, T, channels)."""
    return values.reshape(records, -1, values.shape[-1])
