"""The video cases: every combination of angle, size, light, cover and pace, an identity each. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from support.leak.text_cases import TUNING

ROWS, COLUMNS, FRAMES, RATE = 720, 1280, 16, 30.0
ANGLES = tuple(range(0, 360, 30))
"""Degrees, counter-clockwise; each case adds up to 15 either way."""
HEIGHTS = (24, 32, 48, 96, 240)
"""Heights of a face from forehead to chin, in pixels of 1280x720; each case is up to a quarter larger."""
LIGHTS = ("lit", "dim", "backlit")
COVERS = ("none", "mask", "oxygen", "hand", "pillow", "bandage")
PACES = {"calm": (0.0, 0.02), "brisk": (0.02, 0.10), "fast": (0.10, 0.25)}
"""Motion a frame, in widths of the face."""


@dataclass(frozen=True)
class VideoCase:
    """One clip. ``others`` come in beside the first in every third case."""

    number: int
    identity: str
    others: tuple[str, ...]
    angle: float
    height: float
    size: int
    light: str
    cover: str
    pace: str
    step: float
    seed: int

    @property
    def strata(self) -> dict[str, str]:
        """The case's place in the table."""
        return {
            "pace": self.pace,
            "face height": f"{self.size} px",
            "angle": f"{ANGLES[round(self.angle / 30) % 12]} deg",
            "light": self.light,
            "cover": self.cover,
            "faces": "several" if self.others else "one",
        }


def cases(identities: Sequence[str], *, tune: bool = False) -> list[VideoCase]:
    """All 3,240 combinations, each with the next identity of a shuffled round.

    Args:
        identities: names of the portraits.
        tune: other clips, to choose rules by; give other identities, too.
    """
    rng = np.random.default_rng(4 + TUNING * tune)
    combinations = [
        (angle, size, light, cover, pace)
        for angle in ANGLES for size in HEIGHTS for light in LIGHTS for cover in COVERS for pace in PACES
    ]  # fmt: skip
    rng.shuffle(combinations)
    order: list[str] = []
    while len(order) < 2 * len(combinations):
        order += [identities[i] for i in rng.permutation(len(identities))]
    result = []
    for number, (angle, size, light, cover, pace) in enumerate(combinations):
        low, high = PACES[pace]
        result.append(
            VideoCase(
                number,
                order[number],
                tuple(order[len(combinations) + number :][: int(rng.integers(1, 3))])
                if number % 3 == 0
                else (),
                float((int(angle) + rng.uniform(-15, 15)) % 360),
                float(int(size) * rng.uniform(1.0, 1.25)),
                int(size),
                light,
                cover,
                pace,
                float(rng.uniform(low, high)),
                int(rng.integers(1 << 31)),
            )
        )
    return result
