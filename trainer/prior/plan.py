"""How much of what a pretraining run does."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Plan:
    """Numbers of a pretraining run."""

    images: int = 48_000
    """Detailed phantoms to draw; half as many schematic ones."""
    epochs: int = 8
    """Over the detailed ones; half as many over the schematic ones, which are learnt sooner: seen for longer,
    they teach what no other image has."""
    seed: int = 2024
    whitening: int = 3_000
    """Further phantoms, half of them of each style, for the whitening."""

    def share(self, style: str) -> tuple[int, int]:
        """Images and epochs of one of `procedural.STYLES`."""
        part = 1 if style == "detailed" else 2
        return max(1, self.images // part), max(1, self.epochs // part)
