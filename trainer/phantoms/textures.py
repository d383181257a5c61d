"""Random processes without anatomy: they teach edges, orientation, scale and counting."""

from __future__ import annotations

import cv2
import numpy as np

from trainer.phantoms.drawing import SIDE, Drawing, Rng, X, Y, blob, polygon, stroke, texture


def leaves(rng: Rng) -> Drawing:
    """Dead leaves: shapes of power-law size laid over one another."""
    shape, size = int(rng.integers(3)), int(rng.integers(4))
    image = np.full((SIDE, SIDE), 128, np.uint8)
    smallest = (4.0, 8.0, 14.0, 24.0)[size]
    for _ in range((260, 150, 80, 50)[size]):
        radius = min(smallest / (1 - rng.uniform()) ** 0.5, 90)
        x, y, level = (*rng.uniform(0, SIDE, 2), int(rng.integers(256)))
        if shape == 0:
            cv2.circle(image, (int(x), int(y)), int(radius), level, -1)
            continue
        corners = 3 if shape == 1 else 4
        turn = rng.uniform(0, 6.28) + np.arange(corners) * 2 * np.pi / corners
        points = np.stack([x + radius * np.cos(turn), y + radius * np.sin(turn)], 1)
        cv2.fillPoly(image, [points.astype(np.int32)], level)
    return Drawing(np.asarray(image / 255, np.float32), {}, {"leaf_shape": shape, "leaf_size": size})


def noise(rng: Rng) -> Drawing:
    """1/f noise with a slope; half of the images are stretched along a direction."""
    slope = int(rng.integers(6))
    labels = {"noise_slope": slope}
    image = texture(rng, 0.5 + 0.6 * slope + rng.uniform(-0.2, 0.2))
    if rng.uniform() < 0.5:
        angle = int(rng.integers(4))
        labels["noise_angle"] = angle
        turn = cv2.getRotationMatrix2D((SIDE / 2, SIDE / 2), 45.0 * angle, 1.0)
        turn[:, 0] = turn[:, 0] / rng.uniform(2, 5)
        turn[0, 2] += SIDE / 4
        image = np.asarray(
            cv2.warpAffine(image, turn, (SIDE, SIDE), borderMode=cv2.BORDER_REFLECT), np.float32
        )
    return Drawing(image, {}, labels)


def gratings(rng: Rng) -> Drawing:
    """A grating in a window, on noise."""
    period, angle = int(rng.integers(6)), int(rng.integers(6))
    theta = angle * np.pi / 6 + rng.uniform(-0.15, 0.15)
    length = (4, 7, 12, 20, 33, 55)[period] * rng.uniform(0.85, 1.15)
    wave = np.cos(2 * np.pi * (X * np.cos(theta) + Y * np.sin(theta)) / length + rng.uniform(0, 6.28))
    if rng.uniform() < 0.4:
        wave = np.sign(wave)
    size = rng.uniform(36, 100)
    x, y = rng.uniform(60, 164, 2)
    window = blob(rng, x, y, size, size, wobble=0.2, soft=6)
    image = wave * window + texture(rng, rng.uniform(0, 3)) * rng.uniform(0.1, 0.8)
    return Drawing(np.asarray(image, np.float32), {}, {"grating_period": period, "grating_angle": angle})


def blobs(rng: Rng) -> Drawing:
    """One to four irregular spots on a textured ground."""
    count = int(rng.integers(4))
    image = texture(rng, rng.uniform(1.5, 3.5)) * 0.15
    sign = rng.choice([-1, 1])
    for index in range(count + 1):
        x, y = 60 + 104 * (index % 2) + rng.normal(0, 14), 60 + 104 * (index // 2) + rng.normal(0, 14)
        size = rng.uniform(10, 28)
        image += (
            blob(rng, x, y, size, size, wobble=0.4, soft=rng.uniform(1, 6)) * sign * rng.uniform(0.3, 0.9)
        )
    return Drawing(np.asarray(image, np.float32), {}, {"blob_count": count})


def facets(rng: Rng) -> Drawing:
    """Overlapping polygons with shaded faces, and up to three bright or dark lines over them."""
    corners, lines = int(rng.integers(3)), int(rng.integers(4))
    image = np.full((SIDE, SIDE), rng.uniform(), np.float32)
    soft = float(rng.choice([0.0, rng.uniform(0.5, 2)]))
    for _ in range(int(rng.integers(12, 28))):
        radius = rng.uniform(15, 60)
        turn = np.sort(rng.uniform(0, 6.28, corners + 3))
        points = rng.uniform(0, SIDE, 2) + radius * np.stack([np.cos(turn), np.sin(turn)], 1)
        slope = rng.normal(0, 0.004, 2)
        face = rng.uniform(0.1, 0.9) + slope[0] * (X - points[0, 0]) + slope[1] * (Y - points[0, 1])
        mask = polygon(points, soft)
        image += mask * (np.asarray(face, np.float32) - image)
    for _ in range(lines):
        a, b = rng.uniform(0, SIDE, 2), rng.uniform(0, 6.28)
        u = np.linspace(-160, 160, 12)
        path = np.stack([a[0] + u * np.cos(b), a[1] + u * np.sin(b) + 20 * np.sin(u / 60)], 1)
        line = stroke(path, rng.uniform(1, 5))
        image += line * (np.float32(rng.choice([-0.3, 1.3])) - image)
    return Drawing(np.asarray(image, np.float32), {}, {"facet_corners": corners, "facet_lines": lines})
