"""Further views of procedural images, so that a second epoch is not the first again.

A view is turned, shifted, stretched, mirrored, lighter or darker. Masks of the parts go along; labels that
this makes wrong are changed or taken away.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as fn

from trainer.phantoms import procedural

ROTATION = 0.2
"""Spread, in radians."""
STRETCH = 0.12
"""Spread of the logarithm of the enlargement, each axis on its own."""
SHIFT = 0.06
"""Spread, in halves of the side."""
GAMMA = 0.3
"""Spread of the logarithm of the exponent of the gray levels."""


def another_view(
    images: Tensor, labels: Tensor, parts: Tensor, rng: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """One random view of each image of a batch.

    Args:
        images: (B, 1, 224, 224), 0 to 255.
        labels: (B, tasks), -1 for none.
        parts: (B, parts, 28, 28), 0 to 1.
        rng: where chance comes from.

    Returns:
        The same three, of the views. Only anatomy is asked about: resampling blurs, takes grain away, and
        changes angles and periods.
    """
    count = len(images)

    def normal(spread: float, *shape: int) -> Tensor:
        return torch.from_numpy(rng.normal(0, spread, (count, *shape))).float()

    turn, stretch = normal(ROTATION), torch.exp(normal(STRETCH, 2))
    mirrored = torch.from_numpy(rng.uniform(size=count) < 0.5)
    cos, sin = torch.cos(turn), torch.sin(turn)
    rows = torch.stack([torch.stack([cos, -sin], 1), torch.stack([sin, cos], 1)], 1) * stretch[:, None]
    rows[:, :, 0] *= torch.where(mirrored, -1.0, 1.0)[:, None]
    matrix = torch.cat([rows, normal(SHIFT, 2, 1)], 2)

    def warp(maps: Tensor, padding: str) -> Tensor:
        grid = fn.affine_grid(matrix, list(maps.shape), align_corners=False)
        return fn.grid_sample(maps, grid, padding_mode=padding, align_corners=False)

    levels = (warp(images, "border") / 255).clamp(0, 1) ** torch.exp(normal(GAMMA, 1, 1, 1))
    names = list(procedural.TASKS)
    labels = labels.clone()
    labels[:, [column for column, name in enumerate(names) if name not in procedural.ANATOMICAL]] = -1
    for name, other in procedural.MIRRORED.items():
        column = names.index(name)
        swapped = torch.tensor([*other, -1])[labels[:, column]]  # -1 stays: it takes the last entry
        labels[:, column] = torch.where(mirrored, swapped, labels[:, column])
    return 255 * levels, labels, warp(parts, "zeros")
