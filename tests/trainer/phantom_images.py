"""Drawn chests and heads with a grain of their own, as scanners give one to real images: no two are alike."""

from __future__ import annotations

import cv2
import numpy as np


def phantom(rng: np.random.Generator, number: int) -> np.ndarray:
    """A chest (even numbers) or a head (odd), (224, 224) uint8; never symmetrical."""
    image = np.full((224, 224), 30, np.uint8)
    x, y = rng.integers(95, 130, 2).tolist()
    wide, high = rng.integers(60, 95, 2).tolist()
    cv2.ellipse(image, (x, y), (wide, high), int(rng.integers(-12, 12)), 0, 360, 150, -1)
    if number % 2:
        cv2.ellipse(image, (x, y), (wide, high), 0, 0, 360, 235, 6)
        cv2.circle(image, (x + int(rng.integers(10, 40)), y), int(rng.integers(8, 20)), 215, -1)
    else:
        for side in (-1, 1):
            centre = (x + side * wide // 2, y + int(rng.integers(-9, 9)))
            cv2.ellipse(image, centre, (wide // 3, high * 2 // 3), 0, 0, 360, 70, -1)
    grain = cv2.GaussianBlur(rng.normal(0, 1, (224, 224)).astype(np.float32), (0, 0), 2.5)
    return np.clip(cv2.GaussianBlur(image, (0, 0), 5) + 200 * grain, 0, 255).astype(np.uint8)
