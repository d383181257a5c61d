"""What has strokes and is no text: curves on a monitor, cables, folds, rulers, grids, rows of buttons."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from trainer.detectors.picture import Rng

Scene = NDArray[np.float32]


def draw(scene: Scene, rng: Rng) -> None:
    """Some strokes of one kind on ``scene`` (rows, columns, 3), in place."""
    kinds = (_curves, _curves, _cables, _folds, _ticks, _grid, _buttons)
    kinds[int(rng.integers(len(kinds)))](scene, rng)


def _colour(rng: Rng) -> list[float]:
    return [float(v) for v in rng.uniform(0, 255, 3)]


def _thick(rng: Rng) -> int:
    return int(np.exp(rng.uniform(0, np.log(9))))


def _lines(scene: Scene, points: NDArray[np.float64], colour: list[float], thick: int) -> None:
    fixed = np.round(points * 16).astype(np.int32)
    cv2.polylines(scene, [fixed], False, colour, thick, cv2.LINE_AA, 4)


def _curves(scene: Scene, rng: Rng) -> None:
    """Waves below each other, mostly on a dark screen: sines, beats with peaks, saws, noise."""
    size = scene.shape[0]
    width, rows = rng.uniform(0.15, 1.0) * size, int(rng.integers(1, 6))
    step = rng.uniform(0.03, 0.15) * size
    left, top = rng.uniform(-0.2, 0.8) * size, rng.uniform(-0.1, 0.8) * size
    if rng.random() < 0.8:
        corner = (int(left - 4), int(top - step)), (int(left + width + 4), int(top + rows * step))
        cv2.rectangle(
            scene, *corner, _colour(rng) if rng.random() < 0.4 else rng.uniform(0, 40, 3).tolist(), -1
        )
    t = np.linspace(0, 1, max(8, int(width)))
    for row in range(rows):
        phase = t * np.exp(rng.uniform(np.log(1), np.log(25))) + rng.random()
        kind = rng.integers(4)
        if kind == 0:
            y = np.sin(2 * np.pi * phase)
        elif kind == 1:  # a heart's beat
            part = phase % 1
            y = np.exp(-(((part - 0.4) / 0.025) ** 2)) - 0.3 * np.exp(-(((part - 0.45) / 0.03) ** 2))
            y += 0.25 * np.exp(-(((part - 0.7) / 0.07) ** 2)) + 0.12 * np.exp(-(((part - 0.25) / 0.05) ** 2))
        elif kind == 2:
            y = 2 * (phase % 1) - 1
        else:
            y = np.cumsum(rng.standard_normal(t.size))
            y = (y - y.mean()) / max(1e-6, float(np.abs(y).max()))
        points = np.stack([left + t * width, top + row * step - y * step * rng.uniform(0.15, 0.5)], axis=1)
        _lines(scene, points, _colour(rng), int(rng.integers(1, 4)))


def _cables(scene: Scene, rng: Rng) -> None:
    size = scene.shape[0]
    t = np.linspace(0, 1, 40)[:, None]
    for _ in range(int(rng.integers(1, 7))):
        a, b, c, d = rng.uniform(-0.2, 1.2, (4, 1, 2)) * size
        points = (1 - t) ** 3 * a + 3 * t * (1 - t) ** 2 * b + 3 * t**2 * (1 - t) * c + t**3 * d
        _lines(scene, points, _colour(rng), _thick(rng))


def _folds(scene: Scene, rng: Rng) -> None:
    """Short strokes near each other, in any direction."""
    size = scene.shape[0]
    middle, spread = rng.uniform(0, size, 2), rng.uniform(0.05, 0.5) * size
    for _ in range(int(rng.integers(3, 20))):
        start = middle + rng.uniform(-1, 1, 2) * spread
        turn, reach = rng.uniform(0, 2 * np.pi), rng.uniform(0.03, 0.4) * size
        end = start + reach * np.array([np.cos(turn), np.sin(turn)])
        _lines(scene, np.stack([start, end]), _colour(rng), _thick(rng))


def _ticks(scene: Scene, rng: Rng) -> None:
    """A ruler's marks, or a radiator's ribs."""
    size, colour, thick = scene.shape[0], _colour(rng), int(rng.integers(1, 4))
    start, turn = rng.uniform(0, size, 2), rng.uniform(0, 2 * np.pi)
    along = np.array([np.cos(turn), np.sin(turn)])
    across, step = np.array([-along[1], along[0]]), rng.uniform(4, 30)
    short = rng.uniform(3, 60)
    for n in range(int(rng.integers(6, 50))):
        at = start + n * step * along
        _lines(scene, np.stack([at, at + across * short * (2 if n % 5 == 0 else 1)]), colour, thick)


def _grid(scene: Scene, rng: Rng) -> None:
    """Tiles, a window's bars, a blanket's squares."""
    size, colour, thick = scene.shape[0], _colour(rng), _thick(rng)
    step, turn = rng.uniform(8, 90), rng.uniform(0, np.pi)
    along = np.array([np.cos(turn), np.sin(turn)])
    across, middle = np.array([-along[1], along[0]]), rng.uniform(0, size, 2)
    count, reach = int(rng.integers(2, 9)), rng.uniform(0.1, 1.0) * size
    for n in range(-count, count + 1):
        for a, b in ((along, across), (across, along)):
            at = middle + n * step * a
            _lines(scene, np.stack([at - reach * b, at + reach * b]), colour, thick)


def _buttons(scene: Scene, rng: Rng) -> None:
    """Rows of round or square things: buttons, screws, holes, pills."""
    size, colour = scene.shape[0], _colour(rng)
    step = rng.uniform(8, 60)
    radius = step * rng.uniform(0.15, 0.45)
    left, top = rng.uniform(0, 0.8, 2) * size
    square, filled = rng.random() < 0.5, -1 if rng.random() < 0.6 else 1
    for row in range(int(rng.integers(1, 6))):
        for column in range(int(rng.integers(2, 12))):
            x, y = int(left + column * step), int(top + row * step)
            if square:
                reach = int(radius)
                cv2.rectangle(
                    scene, (x - reach, y - reach), (x + reach, y + reach), colour, filled, cv2.LINE_AA
                )
            else:
                cv2.circle(scene, (x, y), max(1, int(radius)), colour, filled, cv2.LINE_AA)
