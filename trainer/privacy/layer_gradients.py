"""Gradients of single records at one layer: their lengths, and their sum with a factor each.

Two ways, chosen layer by layer by their cost (mixed ghost clipping: Bu, Mao and Xu 2022, arXiv
2205.10683). *Instantiated*: every record's gradient is computed and kept. *Paired*: a convolution or
linear layer sees T positions with inputs a (T x p) and output gradients g (T x D); the record's gradient
is g'a, whose squared length is the sum of (aa') * (gg'), so it is never formed; the clipped sum is one
ordinary weight gradient with scaled g (book-keeping: Bu et al. 2023, arXiv 2210.00038).
"""

from __future__ import annotations

from torch import Tensor, nn

from trainer.privacy.instantiated import Instantiated, LayerGradient, samples_of
from trainer.privacy.paired import Paired, pairing_is_cheaper
from trainer.privacy.parts import Part


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
        and pairing_is_cheaper(layer, inputs, outputs, views)
    ):
        return Paired(layer, inputs, outputs, records)  # type: ignore[arg-type]
    samples: dict[Tensor, Tensor] = {}
    for view in range(views):
        # One view after the other, so that a record's gradient is held once and not once a view.
        x, g = (each.view(records, views, *each.shape[1:])[:, view] for each in (inputs, outputs))
        for parameter, each in samples_of(layer, x, g).items():
            # Not in place: a sampler may hand out a part of the gradient that still goes backward.
            samples[parameter] = samples[parameter] + each if view else each
    return Instantiated({parameter: part.per_unit(each) for parameter, each in samples.items()})
