"""Rooms without a person: drawn, or photographs that scikit-image carries. None trained the detector."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
_PHOTOS = ("coffee", "rocket", "brick", "gravel", "grass", "coins", "cat", "motorcycle")


def rooms(rows: int, columns: int, seed: int = 0, drawn: int = 16) -> list[Picture]:
    """Pictures (rows, columns, 3) of places: ``drawn`` rooms, then the photographs."""
    rng = np.random.default_rng(seed)
    return [_room(rng, rows, columns) for _ in range(drawn)] + [_fit(p, rows, columns) for p in _photos()]


def _photos() -> list[Picture]:
    from skimage import data

    found = []
    for name in _PHOTOS:
        picture = data.stereo_motorcycle()[0] if name == "motorcycle" else getattr(data, name)()
        found.append(
            np.asarray(picture if picture.ndim == 3 else np.repeat(picture[:, :, None], 3, 2), np.uint8)
        )
    return found


def _fit(picture: Picture, rows: int, columns: int) -> Picture:
    scale = max(rows / picture.shape[0], columns / picture.shape[1])
    size = (int(np.ceil(picture.shape[1] * scale)), int(np.ceil(picture.shape[0] * scale)))
    large = cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC)
    return np.ascontiguousarray(large[:rows, :columns, :3])


def _room(rng: np.random.Generator, rows: int, columns: int) -> Picture:
    """Wall, floor, window, bed with folds and pillow, locker, monitor with curves, drip stand, cables."""
    image = np.empty((rows, columns, 3), np.float32)
    wall, floor = rng.uniform(120, 235, 3), rng.uniform(60, 180, 3)
    edge = int(rows * rng.uniform(0.5, 0.8))
    image[:edge], image[edge:] = wall, floor
    image *= np.linspace(rng.uniform(0.7, 1), rng.uniform(0.7, 1), columns, dtype=np.float32)[None, :, None]

    def box(x0: float, y0: float, x1: float, y1: float, colour: NDArray[np.float64]) -> None:
        corners = [(int(x0 * columns), int(y0 * rows)), (int(x1 * columns), int(y1 * rows))]
        cv2.rectangle(image, *corners, colour.tolist(), -1)

    x = rng.uniform(0.0, 0.7)
    box(x, 0.05, x + rng.uniform(0.15, 0.3), 0.45, rng.uniform(200, 255, 3))
    x, y = rng.uniform(0.05, 0.4), rng.uniform(0.5, 0.65)
    box(x, y, x + 0.5, y + 0.25, rng.uniform(150, 250, 3))
    for _ in range(int(rng.integers(6, 18))):
        a = (int((x + rng.uniform(0, 0.5)) * columns), int((y + rng.uniform(0, 0.25)) * rows))
        b = (a[0] + int(rng.integers(-150, 150)), a[1] + int(rng.integers(-60, 60)))
        cv2.line(image, a, b, rng.uniform(110, 240, 3).tolist(), int(rng.integers(2, 12)), cv2.LINE_AA)
    cv2.ellipse(image, (int((x + 0.08) * columns), int((y + 0.03) * rows)), (90, 45), 10,
                0, 360, rng.uniform(200, 255, 3).tolist(), -1, cv2.LINE_AA)  # fmt: skip
    x = rng.uniform(0.6, 0.85)
    box(x, 0.3, x + 0.13, 0.5, rng.uniform(5, 40, 3))
    for line in range(3):
        t = np.arange(int(0.12 * columns))
        wave = 12 * np.sin(t / rng.uniform(3, 12)) * (rng.random(t.size) < 0.8)
        points = np.stack([x * columns + 6 + t, (0.34 + 0.05 * line) * rows + wave], 1).astype(np.int32)
        cv2.polylines(image, [points], False, rng.uniform(80, 255, 3).tolist(), 2, cv2.LINE_AA)
    x = int(rng.uniform(0.02, 0.95) * columns)
    cv2.line(image, (x, int(0.1 * rows)), (x, int(0.9 * rows)), (150, 150, 155), 8, cv2.LINE_AA)
    cv2.ellipse(image, (x + 20, int(0.2 * rows)), (25, 60), 0, 0, 360, rng.uniform(170, 240, 3).tolist(), -1)
    noise = cv2.resize(rng.standard_normal((rows // 6, columns // 6, 3)).astype(np.float32), (columns, rows))
    return np.asarray(np.clip(image + 6 * noise, 0, 255), np.uint8)
