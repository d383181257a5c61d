"""How much of what a pretraining run does."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Plan:
    """Numbers of a pretraining run."""

    images: int = 48_000
    """Phantoms to draw of each style."""
    epochs: int = 8
    """Over the detailed ones; a quarter of it over the schematic ones, which are learnt sooner: seen for
    longer, they teach what no other image has."""
    seed: int = 2024
    whitening: int = 3_000
    """Further phantoms, half of them of each style, for the whitening."""

    def share(self, style: str) -> tuple[int, int]:
        """Images and epochs of one of `procedural.STYLES`."""
        return self.images, self.epochs if style == "detailed" else max(1, self.epochs // 4)
