"""Images that nobody was ever in: phantoms and random processes, labelled by their generator.

The network learns to see from these, so that private data has less to teach. Everything here comes
from formulas and general knowledge of what a head or a chest looks like; no medical image was used.
Each image is gray, uint8, SIDE x SIDE. Labels are a mapping task -> class; a task that does not apply
to an image is absent.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from trainer.prior.phantoms import chest, head
from trainer.prior.shapes import SIDE, Gray, Labels, Rng, X, Y, field, wobbly

Image = NDArray[np.uint8]

TASKS: dict[str, int] = {
    "family": 6,
    "head_view": 3,
    "head_lesion": 5,
    "head_quadrant": 4,
    "chest_lesion": 5,
    "chest_side": 2,
    "chest_build": 2,
    "leaf_shape": 3,
    "leaf_size": 4,
    "noise_slope": 6,
    "noise_angle": 4,
    "grating_period": 5,
    "grating_angle": 6,
    "blob_count": 4,
}
"""Tasks and their numbers of classes."""


def leaves(rng: Rng) -> tuple[Gray, Labels]:
    """Dead leaves: shapes of power-law size laid over one another."""
    shape, size = int(rng.integers(3)), int(rng.integers(4))
    image = np.full((SIDE, SIDE), 128, np.uint8)
    smallest = (2.0, 4.0, 7.0, 12.0)[size]
    for _ in range((260, 150, 80, 50)[size]):
        radius = min(smallest / (1 - rng.uniform()) ** 0.5, 45)
        x, y, level = (*rng.uniform(0, SIDE, 2), int(rng.integers(256)))
        if shape == 0:
            cv2.circle(image, (int(x), int(y)), int(radius), level, -1)
            continue
        corners = 3 if shape == 1 else 4
        turn = rng.uniform(0, 6.28) + np.arange(corners) * 2 * np.pi / corners
        points = np.stack([x + radius * np.cos(turn), y + radius * np.sin(turn)], 1)
        cv2.fillPoly(image, [points.astype(np.int32)], level)
    return np.asarray(image / 255, np.float32), {"family": 2, "leaf_shape": shape, "leaf_size": size}


def noise(rng: Rng) -> tuple[Gray, Labels]:
    """1/f noise with a slope; half of the images are directed."""
    slope = int(rng.integers(6))
    labels = {"family": 3, "noise_slope": slope}
    exponent = 0.5 + 0.6 * slope + rng.uniform(-0.2, 0.2)
    if rng.uniform() < 0.5:
        angle = int(rng.integers(4))
        labels["noise_angle"] = angle
        return field(rng, exponent, rng.uniform(2, 5), angle * np.pi / 4), labels
    return field(rng, exponent), labels


def gratings(rng: Rng) -> tuple[Gray, Labels]:
    """A grating in a window, on noise."""
    period, angle = int(rng.integers(5)), int(rng.integers(6))
    theta = angle * np.pi / 6 + rng.uniform(-0.15, 0.15)
    length = (4, 6, 10, 16, 26)[period] * rng.uniform(0.85, 1.15)
    wave = np.cos(2 * np.pi * (X * np.cos(theta) + Y * np.sin(theta)) / length + rng.uniform(0, 6.28))
    if rng.uniform() < 0.4:
        wave = np.sign(wave)
    window = wobbly(rng, rng.uniform(30, 82), rng.uniform(30, 82), rng.uniform(18, 50), 4)
    image = wave * window + field(rng, rng.uniform(0, 3)) * rng.uniform(0.1, 0.8)
    return np.asarray(image, np.float32), {"family": 4, "grating_period": period, "grating_angle": angle}


def blobs(rng: Rng) -> tuple[Gray, Labels]:
    """One to four irregular spots on a textured ground."""
    count = int(rng.integers(4))
    image = field(rng, rng.uniform(1.5, 3.5)) * 0.15
    sign = rng.choice([-1, 1])
    for index in range(count + 1):
        x, y = 30 + 52 * (index % 2) + rng.normal(0, 7), 30 + 52 * (index // 2) + rng.normal(0, 7)
        image += wobbly(rng, x, y, rng.uniform(5, 14), rng.uniform(1, 4)) * sign * rng.uniform(0.3, 0.9)
    return image, {"family": 5, "blob_count": count}


GENERATORS: tuple[tuple[Callable[[Rng], tuple[Gray, Labels]], float], ...] = (
    (head, 0.36),
    (chest, 0.36),
    (leaves, 0.08),
    (noise, 0.06),
    (gratings, 0.07),
    (blobs, 0.07),
)


def sample(rng: Rng) -> tuple[Image, Labels]:
    """One procedural image with its labels."""
    shares = np.array([share for _, share in GENERATORS])
    make = GENERATORS[int(rng.choice(len(shares), p=shares / shares.sum()))][0]
    image, labels = make(rng)
    return finish(image, rng), labels


def finish(image: Gray, rng: Rng) -> Image:
    """What a scanner and a file format add: blur, noise, exposure, gamma, 8 bits."""
    if rng.uniform() < 0.5:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.2)), np.float32)
    low, high = np.percentile(image, (0.5, 99.5))
    image = np.clip((image - low) / (high - low + 1e-6), 0, 1) ** rng.uniform(0.6, 1.6)
    image = image + rng.normal(size=image.shape).astype(np.float32) * rng.uniform(0, 0.04)
    image = np.clip(image * rng.uniform(0.6, 1.0) + rng.uniform(0, 0.12), 0, 1)
    return np.asarray(image * 255, np.uint8)
