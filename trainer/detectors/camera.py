"""What a camera makes of a scene: little light, colour cast, blur, noise, compression."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from trainer.detectors.picture import Picture, Rng


def taken(scene: Picture, rng: Rng) -> Picture:
    """``scene`` (rows, columns, 3) as a camera would give it."""
    image: NDArray[Any] = scene.astype(np.float32) / 255
    if rng.random() < 0.5:
        image *= np.exp(rng.uniform(-0.25, 0.25, 3)).astype(np.float32)
    if rng.random() < 0.4:
        image = _vignette(image, rng)
    blur = rng.random()
    if blur < 0.25:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.8))
    elif blur < 0.45:
        image = cv2.filter2D(image, -1, _motion(rng))
    dark = rng.random()
    if dark < 0.45:  # a dim room, and what the camera's gain makes of it
        light = float(np.exp(rng.uniform(np.log(0.06), np.log(0.6))))
        gain = float(rng.uniform(1.0, min(12.0, 1 / light)))
        electrons = rng.uniform(300, 4000)
        image = np.clip(image, 0, 1) * light
        noise = rng.standard_normal(image.shape, dtype=np.float32)
        image = (image + noise * np.sqrt(image / electrons + (2.0 / electrons) ** 2)) * gain
    else:
        image = image * np.exp(rng.uniform(-0.3, 0.4))
        if rng.random() < 0.5:
            image = image + rng.standard_normal(image.shape, dtype=np.float32) * rng.uniform(0.002, 0.04)
    image = np.clip(image, 0, 1) ** np.exp(rng.uniform(-0.3, 0.3))
    result = np.asarray(image * 255, np.uint8)
    if rng.random() < 0.2:
        result = np.repeat(cv2.cvtColor(result, cv2.COLOR_RGB2GRAY)[:, :, None], 3, axis=2)
    if rng.random() < 0.3:
        _, data = cv2.imencode(".jpg", result, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(30, 95))])
        result = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return result


def _vignette(image: NDArray[Any], rng: Rng) -> NDArray[Any]:
    rows, columns = image.shape[:2]
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
    x0, y0 = rng.uniform(0, columns), rng.uniform(0, rows)
    away = ((x - x0) ** 2 + (y - y0) ** 2) / (rows * columns)
    return np.asarray(image * (1 / (1 + rng.uniform(0, 3) * away))[:, :, None], np.float32)


def _motion(rng: Rng) -> NDArray[Any]:
    length = int(rng.integers(3, 10))
    kernel = np.zeros((length, length), np.float32)
    angle = rng.uniform(0, np.pi)
    half = (length - 1) / 2
    for step in np.linspace(-half, half, 4 * length):
        kernel[round(half + step * np.sin(angle)), round(half + step * np.cos(angle))] = 1
    return np.asarray(kernel / kernel.sum())
