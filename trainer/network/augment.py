"""Augmentation on tensors: rotation, flip, zoom, contrast. One record's views stay within the record."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as fn

from trainer.network.standardise import standardise

ROTATION = 10.0
"""Degrees, either way."""
ZOOM = 0.1
CONTRAST = 0.25
"""Range of the logarithm of the gamma exponent."""


def augment(gray: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Random views of display values (B, 1, 224, 224) in 0..255, each image on its own; same shape."""
    count = len(gray)

    def uniform(width: float) -> Tensor:
        return ((torch.rand(count, generator=generator) * 2 - 1) * width).to(gray.device)

    angle = uniform(math.radians(ROTATION))
    zoom = torch.exp(uniform(ZOOM))
    flip = torch.sign(uniform(1.0)) + 0.0
    flip = torch.where(flip == 0, torch.ones((), device=gray.device), flip)
    zero = torch.zeros(count, device=gray.device)
    matrix = torch.stack(
        [
            torch.stack([torch.cos(angle) * zoom * flip, -torch.sin(angle) * zoom, zero], 1),
            torch.stack([torch.sin(angle) * zoom * flip, torch.cos(angle) * zoom, zero], 1),
        ],
        dim=1,
    )
    grid = fn.affine_grid(matrix, list(gray.shape), align_corners=False)
    turned = fn.grid_sample(gray, grid, padding_mode="border", align_corners=False)
    gamma = torch.exp(uniform(CONTRAST)).view(-1, 1, 1, 1)
    return 255 * (turned.clamp(0, 255) / 255) ** gamma


def multiply(gray: Tensor, views: int, *, plain: bool = False) -> Tensor:
    """Several random views of each image, an image's together: (B, 1, 224, 224) -> (B * views, 1, 224, 224).

    ``plain`` makes the first view of each the image itself.
    """
    made = augment(gray.repeat_interleave(views, 0))
    if plain:
        made[::views] = gray
    return made


def network_input(gray: Tensor) -> Tensor:
    """Display values (B, 1, 224, 224) as the one standardised channel that `EdgeNet.maps` takes.

    The same as three equal channels of it, averaged by the network.
    """
    return standardise(gray)
