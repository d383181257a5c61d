"""Phantoms with a grain of their own, as scanners give one to real images: no two are alike."""

from __future__ import annotations

import cv2
import numpy as np

from trainer.prior import procedural


def phantom(rng: np.random.Generator, number: int) -> np.ndarray:
    """A chest (even numbers) or a head (odd), (224, 224) uint8."""
    drawn, _ = (procedural.head if number % 2 else procedural.chest)(rng)
    smooth = cv2.resize(procedural.finish(drawn, rng), (224, 224)).astype(np.float32)
    grain = cv2.GaussianBlur(rng.normal(0, 1, (224, 224)).astype(np.float32), (0, 0), 2.5)
    return np.clip(20 + 0.8 * smooth + 100 * grain, 0, 255).astype(np.uint8)
