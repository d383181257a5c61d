"""How much of what a pretraining run does."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Plan:
    """Numbers of a pretraining run."""

    images: int = 48_000
    """Phantoms to draw of each style."""
    epochs: int = 8
    """Over the images of each style."""
    seed: int = 2024
    whitening: int = 3_000
    """Further phantoms, half of them of each style, for the whitening."""
