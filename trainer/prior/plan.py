"""How much of what a pretraining run does."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Plan:
    """Numbers of a pretraining run."""

    images: int = 48_000
    """Phantoms to draw."""
    epochs: int = 8
    seed: int = 2024
    whitening: int = 3_000
    """Further phantoms, for the whitening."""
