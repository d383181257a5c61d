"""What a camera makes of a drawn scene: gain by light, and noise. Pure.

Every value is at least 1, so that a pixel of 0 in what leaves was filled.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from support.leak.video_cases import COLUMNS, ROWS

_GRAIN = {"lit": 1.5, "dim": 4.0, "backlit": 2.0}
"""Noise of the sensor by light, in gray levels."""


def gain(light: str, rng: np.random.Generator) -> float:
    """How bright a scene is, of what it was drawn with."""
    return float(rng.uniform(0.12, 0.3)) if light == "dim" else 1.0


class Sensor:
    """Adds noise to frames (ROWS, COLUMNS, 3)."""

    def __init__(self) -> None:
        noise = np.random.default_rng(11).standard_normal((ROWS + 64, COLUMNS + 64, 3)).astype(np.float32)
        self._grain = {
            light: np.asarray(np.round(noise * grain), np.int16) for light, grain in _GRAIN.items()
        }

    def frame(self, scene: NDArray[np.uint8], light: str, rng: np.random.Generator) -> NDArray[np.uint8]:
        """The scene with noise of its own."""
        x, y = (int(v) for v in rng.integers(0, 64, 2))
        noisy = cv2.add(scene, self._grain[light][y : y + ROWS, x : x + COLUMNS], dtype=cv2.CV_8U)
        return np.asarray(np.maximum(noisy, 1), np.uint8)
