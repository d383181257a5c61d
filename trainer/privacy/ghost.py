"""Clipped sums in one pass forward and one backward: ghost clipping with book-keeping.

Opacus' own ghost clipping (`GradSampleModuleFastGradientClipping`) goes backward twice, takes every
convolution's gradients in full, and knows neither augmented views nor units. This one shares its
per-layer samplers and gives the same sums; tests hold the two, Opacus' per-record gradients and a plain
loop over records side by side.

How: while the model runs, trained parameters take no gradients, and each trained layer's output passes
a tap. Going backward, the tap hands over the output's gradient, from which, with the layer's input, the
lengths of the records' gradients follow. When all lengths are known, each layer adds up its gradients
with the records' factors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from opacus.grad_sample.functorch import ft_compute_per_sample_gradient, prepare_layer
from torch import Tensor, nn

from trainer.privacy.instantiated import LayerGradient, sampler_of
from trainer.privacy.layer_gradients import layer_gradient
from trainer.privacy.parts import Part

Loss = Callable[[nn.Module, NDArray[np.intp]], Tensor]
"""Model and positions of records -> one loss for each record, (records,)."""


class GhostError(ValueError):
    """The model cannot be trained so; the message says which layer is in the way."""


class _Tap(torch.autograd.Function):
    """Identity that shows the gradient going back through it."""

    @staticmethod
    def forward(ctx: Any, output: Tensor, anchor: Tensor, show: Callable[[Tensor], None]) -> Tensor:
        """``anchor`` takes gradients, so that there is a way back even if nothing before the layer does."""
        del anchor
        ctx.show = show
        return output.view_as(output)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        """Hand over, and pass on."""
        ctx.show(gradient.detach())
        return gradient, None, None


class GhostGradients:
    """Sums of clipped gradients of the trained layers of ``model``.

    Args:
        model: each trained layer must be called once in a forward pass, as a module, with one tensor.
        loss: see `Loss`; with views, a record's loss is the mean over its views.
        clip: largest L2 norm of one unit's gradient.
        views: augmented views of each record, which stand beside each other in the layers' inputs.

    Raises:
        GhostError: a layer's gradients cannot be taken record by record.
    """

    def __init__(self, model: nn.Module, loss: Loss, *, clip: float, views: int = 1) -> None:
        self._model, self._loss, self._clip, self._views = model, loss, clip, views
        self._names = {
            layer: name or "the model itself"
            for name, layer in model.named_modules()
            if any(p.requires_grad for p in layer.parameters(recurse=False))
        }
        self._trained = [p for p in model.parameters() if p.requires_grad]
        self._seen: dict[nn.Module, LayerGradient | None] = {}
        self._part: Part | None = None
        for layer, name in self._names.items():
            if sampler_of(layer) is ft_compute_per_sample_gradient:
                try:
                    prepare_layer(layer)
                except NotImplementedError as error:
                    raise GhostError(f"layer {name} cannot be trained privately: {error}") from None
        self._hooks = [layer.register_forward_hook(self._attach) for layer in self._names]

    def accumulate(self, part: Part) -> None:
        """Add the part's clipped gradients to ``summed_grad`` of each trained parameter."""
        self._seen, self._part = {}, part
        with self._without_gradients():
            losses = self._loss(self._model, part.rows)
        if losses.shape != (len(part.rows),):
            raise GhostError(
                f"expected one loss for each of {len(part.rows)} records, got {tuple(losses.shape)}"
            )
        if losses.requires_grad:
            losses.sum().backward()  # type: ignore[no-untyped-call]
        missing = [name for layer, name in self._names.items() if self._seen.get(layer) is None]
        if missing:
            raise GhostError(
                f"no gradient came from {', '.join(missing)}: freeze what the loss does not use, "
                "and call layers as modules"
            )
        gradients = [each for each in self._seen.values() if each is not None]
        self._seen, self._part = {}, None
        factors = self._factors(torch.stack([each.squares.cpu() for each in gradients]).sum(0))
        for gradient in gradients:
            for parameter, total in gradient.weighted(factors.to(gradient.squares.device)):
                known = getattr(parameter, "summed_grad", None)
                parameter.summed_grad = total if known is None else known.add_(total)  # type: ignore[attr-defined]

    def remove_hooks(self) -> None:
        """Leave the model as it was."""
        for hook in self._hooks:
            hook.remove()
        for layer in self._names:
            if hasattr(layer, "ft_compute_sample_grad"):
                del layer.ft_compute_sample_grad

    def _factors(self, squares: Tensor) -> Tensor:
        """What each unit's gradient is multiplied by: Opacus' rule; 0 where it is not finite."""
        factors = (self._clip / (squares.sqrt() + 1e-6)).clamp(max=1.0)
        return torch.where(squares.isfinite(), factors, torch.zeros_like(factors))

    @contextmanager
    def _without_gradients(self) -> Iterator[None]:
        """Inside, trained parameters take no gradients: the taps do all that is needed."""
        for parameter in self._trained:
            parameter.requires_grad_(False)
        try:
            yield
        finally:
            for parameter in self._trained:
                parameter.requires_grad_(True)

    def _attach(self, layer: nn.Module, inputs: tuple[Any, ...], output: Any) -> Tensor | None:
        if self._part is None or not torch.is_grad_enabled():
            return None  # Somebody else uses the model.
        if layer in self._seen:
            raise GhostError(f"layer {self._names[layer]} is used twice; take per-record gradients instead")
        if len(inputs) != 1 or not isinstance(output, Tensor):
            raise GhostError(f"layer {self._names[layer]} has more than one input or output")
        self._seen[layer] = None
        anchor = torch.zeros((), device=output.device, requires_grad=True)
        show = partial(self._show, layer, inputs[0].detach(), self._part)
        return _Tap.apply(output, anchor, show)  # type: ignore[no-any-return, no-untyped-call]

    def _show(self, layer: nn.Module, inputs: Tensor, part: Part, gradient: Tensor) -> None:
        self._seen[layer] = layer_gradient(layer, inputs, gradient, part, self._views)
