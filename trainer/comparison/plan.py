"""What a call of the comparison was asked for, and what is left of it to be made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from trainer.comparison.recipes import Effort, Recipe


@dataclass(frozen=True)
class Plan:
    """What was asked for."""

    recipes: Sequence[Recipe]
    repetitions: int
    folder: Path
    device: torch.device
    effort: Effort
    delta: float
    prior: Path
    minutes: float | None = None
    """Stop between rows after this time; None for never."""

    @property
    def shared(self) -> Path:
        """Folder of what rows share."""
        return self.folder / "shared"


@dataclass(frozen=True)
class Item:
    """One repetition of one row that is still to be made."""

    recipe: Recipe
    repetition: int
