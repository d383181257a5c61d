"""What the network is asked about procedural images: classes of the whole, and the masks of the parts."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as fn

from trainer.network.edge_net import CHANNELS, WIDTHS, Block
from trainer.phantoms import procedural
from trainer.phantoms.drawing import PART_SIDE, PARTS

FINDINGS = (
    "mass_inside", "swelling", "mass_at_the_border", "mass_at_the_base", "dense_opacity", "hazy_opacity",
    "lines_and_dots", "effusion", "nodule",
)  # fmt: skip
"""Parts that are small, and what medicine asks about: they count three times."""
FINDING_WEIGHT = 3.0
LESION_WEIGHT = 2.0
PARTS_WEIGHT = 2.0


def quarters(stages: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """Means of the last two stages over four overlapping quarters of the image: (B, 4 C)."""
    joined = torch.cat([fn.avg_pool2d(stages[1], 2), stages[2]], dim=1)
    return fn.avg_pool2d(joined, 4, 3).flatten(1)


LAST = 184
"""Width of the last stage."""


class Tasks(nn.Module):
    """A last stage, a linear head per question on pooled maps, and a 1x1 convolution that draws the parts.

    All of it is thrown away after pretraining, the last stage, too: it learns what is particular to
    phantoms, and the stages below it need not.
    """

    weight: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.names = tuple(procedural.TASKS)
        self.last = Block(WIDTHS[3], LAST, 2)
        self.heads = nn.ModuleDict(
            {name: nn.Linear(4 * (WIDTHS[3] + LAST), classes) for name, classes in procedural.TASKS.items()}
        )
        self.parts = nn.Conv2d(CHANNELS + LAST, len(PARTS), 1)
        weight = [FINDING_WEIGHT if part in FINDINGS else 1.0 for part in PARTS]
        self.register_buffer("weight", torch.tensor(weight).view(1, -1, 1, 1))

    def loss(
        self, maps: tuple[Tensor, Tensor], labels: Tensor, parts: Tensor
    ) -> tuple[Tensor, dict[str, float]]:
        """Sum of all questions' losses, each over the images that it applies to.

        Args:
            maps: of a trunk's last two stages, on 28 and 14 cells a side.
            labels: (B, tasks), -1 where a question does not apply.
            parts: (B, parts, 28, 28) in 0 to 1.

        Returns:
            The loss, and the share of right answers to each question.
        """
        stages = (*maps, self.last(maps[1]))
        pooled = quarters(stages).float()
        total = pooled.new_zeros(())
        right: dict[str, float] = {}
        for column, name in enumerate(self.names):
            rows = labels[:, column] >= 0
            if not rows.any():
                continue
            logits, target = self.heads[name](pooled[rows]), labels[rows, column]
            weight = LESION_WEIGHT if name.endswith("lesion") else 1.0
            total = total + weight * fn.cross_entropy(logits, target) * rows.float().mean().sqrt()
            right[name] = float((logits.argmax(1) == target).float().mean())
        wrong = fn.binary_cross_entropy_with_logits(self._draw(stages), parts, reduction="none")
        return total + PARTS_WEIGHT * (wrong * self.weight).sum(1).mean(), right

    def _draw(self, stages: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """Logits of the part maps. The convolution is 1x1: enlarging after it is the same, and faster."""
        drawn = self.parts.bias.view(1, -1, 1, 1).float()  # type: ignore[union-attr]
        weights = torch.split(self.parts.weight, [stage.shape[1] for stage in stages], dim=1)
        for stage, weight in zip(stages, weights, strict=True):
            drawn = drawn + fn.interpolate(fn.conv2d(stage, weight).float(), size=(PART_SIDE, PART_SIDE))
        return drawn
