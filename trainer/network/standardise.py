"""Per-image standardisation on tensors: what `edge.imaging.preprocess.standardise` does to an array."""

from __future__ import annotations

from torch import Tensor


def standardise(gray: Tensor) -> Tensor:
    """Per-image mean 0 and spread 1; a flat image becomes zeros. (B, 1, H, W)."""
    mean = gray.mean(dim=(1, 2, 3), keepdim=True)
    spread = gray.std(dim=(1, 2, 3), keepdim=True, correction=0)
    return (gray - mean) / spread.clamp(min=1.0)
