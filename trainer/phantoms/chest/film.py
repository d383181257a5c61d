"""From density to a picture: scatter, window, local contrast, sharpening, and the edges of the film."""

from __future__ import annotations

import cv2
import numpy as np

from trainer.phantoms.chest.frame import Frame
from trainer.phantoms.chest.organs import mist
from trainer.phantoms.drawing import SIDE, Gray, Rng, polygon, texture


def develop(rng: Rng, density: Gray) -> Gray:
    """Gray levels, 0 to 1, of a density that is 0 in air and about 1 in flesh."""
    look = rng.uniform()
    if look < 0.3:  # without a grid: scatter fogs the film
        density = density * 0.7 + mist(density, rng.uniform(20, 50)) * rng.uniform(0.2, 0.6)
    low, high = rng.uniform(0.0, 0.42), rng.uniform(1.15, 1.75)
    if look < 0.15:
        low, high = low - rng.uniform(0.1, 0.5), high + rng.uniform(0.1, 0.5)
    image = (density - low) / (high - low)
    # Film and screens flatten both ends.
    knee = rng.uniform(2.0, 5.5)
    image = 1 / (1 + np.exp(-knee * (image - rng.uniform(0.4, 0.6))))
    image = np.asarray(image, np.float32)
    image += rng.uniform(0, 0.05) * texture(rng, 4, 2.5)
    local = rng.uniform()
    if local < 0.3:
        tiles = int(rng.choice([2, 3, 4, 6, 8]))
        equal = cv2.createCLAHE(rng.uniform(1.0, 4.0), (tiles, tiles))
        image = equal.apply(np.asarray(np.clip(image, 0, 1) * 255, np.uint8)).astype(np.float32) / 255
    elif local < 0.55:
        image = image + rng.uniform(0.3, 1.4) * (image - mist(image, rng.uniform(8, 30)))
    if rng.uniform() < 0.4:
        halo = cv2.GaussianBlur(image, (0, 0), rng.uniform(1.0, 3.0))
        image = image + rng.uniform(0.3, 1.5) * (image - halo)
    image = np.clip(image, 0, 1)
    if rng.uniform() < 0.15:  # gray all over: only letters and borders are black or white
        reach = rng.uniform(0.3, 0.65)
        image = image * reach + rng.uniform(0.1, 0.95 - reach)
    return np.asarray(image, np.float32)


def field(rng: Rng, f: Frame) -> tuple[Gray, float]:
    """Mask of what the beam met, and the level outside of it."""
    outside = float(rng.choice([rng.uniform(0, 0.08), rng.uniform(0.85, 1.0)], p=(0.9, 0.1)))
    if f.kind == 1:
        half_x = min(f.wide * rng.uniform(1.08, 1.4), rng.uniform(84, 104))
        top = f.tall * rng.uniform(0.58, 0.8)
        low = f.tall * rng.uniform(0.6, 0.85)
        tilt = float(np.clip(rng.normal(0, 0.05), -0.14, 0.14)) if rng.uniform() < 0.6 else 0.0
        box = np.array([(-half_x, -top), (half_x, -top), (half_x, low), (-half_x, low)])
        box += rng.normal(0, 2, box.shape) * (tilt != 0)
    elif rng.uniform() < 0.25:  # bands at the edges of the picture
        reach = rng.choice([SIDE, 0.0], size=4, p=(0.6, 0.4))
        left, up, right, down = (each or rng.uniform(98, 110) for each in reach)
        tilt = float(rng.normal(0, 0.02)) if rng.uniform() < 0.5 else 0.0
        box = np.array([(-left, -up), (right, -up), (right, down), (-left, down)])
        return _turned(box, tilt, SIDE / 2, SIDE / 2), outside
    else:
        return np.ones((SIDE, SIDE), np.float32), outside
    return _turned(box, tilt, f.cx, f.cy), outside


def _turned(box: np.ndarray, tilt: float, cx: float, cy: float) -> Gray:
    c, s = np.cos(tilt), np.sin(tilt)
    x, y = box[:, 0] * c - box[:, 1] * s, box[:, 0] * s + box[:, 1] * c
    return polygon(np.stack([x + cx, y + cy], 1), 0.5)
