"""Where findings of a lung go in its cross section, and the measures of what was laid there."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from trainer.phantoms.drawing import SIDE, Gray, Rng, X, Y, texture
from trainer.phantoms.thorax.frame import FLUID, Section


@dataclass
class Lesion:
    """Where findings go: lungs, pixels to their border, and what was laid so far."""

    s: Section
    both: Gray = field(init=False)
    depth: Gray = field(init=False)
    mask: Gray = field(init=False)

    def __post_init__(self) -> None:
        self.both = self.s.both
        self.depth = self.s.depth(self.both)
        self.mask = np.zeros((SIDE, SIDE), np.float32)

    def sides(self, rng: Rng) -> Gray:
        """One lung, the other, or both."""
        return (*self.s.lungs, self.both, self.both)[int(rng.integers(4))]

    def places(
        self, rng: Rng, where: Gray, count: int, *, edge: bool, low: float = 1.0
    ) -> list[tuple[int, int]]:
        """Pixels (x, y) in a lung, perhaps near its border, and ``low`` times as often at its back."""
        inside = np.flatnonzero(where[::2, ::2] > 0.7)
        if not len(inside):
            return []
        y, x = inside // (SIDE // 2) * 2, inside % (SIDE // 2) * 2
        weight = low ** ((y - y.mean()) / (y.std() + 1.0))
        if edge:
            weight = weight * np.exp(-self.depth[y, x] / 9)
        pick = rng.choice(len(inside), count, p=weight / weight.sum())
        return list(zip(x[pick].tolist(), y[pick].tolist(), strict=True))

    def torn(self, rng: Rng) -> Gray:
        """The field that borders of infiltrates follow."""
        return texture(rng, rng.uniform(2, 3.2), rng.uniform(1, 2))

    def spot(
        self, into: Gray, field_: Gray, x: float, y: float, rx: float, ry: float, turn: float, soft: float
    ) -> None:
        """Lay a spot into a mask: a round fall-off, torn by a field."""
        far = int(1.6 * max(rx, ry)) + 1
        rows = slice(max(0, int(y) - far), int(y) + far + 1)
        columns = slice(max(0, int(x) - far), int(x) + far + 1)
        c, s = np.cos(turn), np.sin(turn)
        dx, dy = X[rows, columns] - x, Y[rows, columns] - y
        round_ = 1 - np.sqrt(((dx * c + dy * s) / rx) ** 2 + ((dy * c - dx * s) / ry) ** 2)
        mask = np.clip((round_ + field_[rows, columns] * np.clip(round_ + 0.6, 0, 1)) / soft + 0.3, 0, 1)
        part = into[rows, columns]
        np.maximum(part, mask * self.both[rows, columns], out=part)

    def geography(
        self, rng: Rng, x: float, y: float, rx: float, ry: float, rough: float, soft: float
    ) -> Gray:
        """One irregular spot as infiltrates have it."""
        mask = np.zeros((SIDE, SIDE), np.float32)
        self.spot(mask, self.torn(rng) * np.float32(rough), x, y, rx, ry, rng.uniform(0, np.pi), soft)
        return mask

    def haze(self, mask: Gray, share: Gray | float, part: str) -> None:
        """Fill a share of the air: vessels keep their level, and show less as the share grows."""
        self.s.d.image += mask * share * (FLUID - self.s.d.image)
        self.s.d.note(mask, part)
        self.mask = np.maximum(self.mask, mask)


def severity(lesion: Lesion) -> int:
    """Class of the share of the lungs that is ill."""
    share = float((lesion.mask > 0.35).sum()) / max(float(lesion.both.sum()), 1.0)
    return 1 + int(share > 0.08) + int(share > 0.3)


def side(lesion: Lesion) -> int:
    """Which side of the picture the finding is on: left, right, both."""
    first, second = (float((lesion.mask * lung).sum()) for lung in lesion.s.lungs)
    if lesion.s.frame.flip:
        first, second = second, first
    share = second / (first + second + 1e-6)
    return 0 if share < 0.12 else 1 if share > 0.88 else 2
