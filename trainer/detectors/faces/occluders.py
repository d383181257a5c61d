"""What covers a part of a face at a bedside: mask, oxygen, hand, pillow, hair, glasses. Drawn, in place."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from trainer.detectors.picture import Picture, Rng

Points = NDArray[np.float32]
Draw = Callable[[Picture, Points, Rng], None]


def _axes(points: Points) -> tuple[Points, Points, Points, float]:
    """Middle of the eyes, unit vectors to the right and down the face, and the distance to the mouth."""
    eyes, mouth = points[:2].mean(0), points[2:].mean(0)
    down = mouth - eyes
    distance = float(np.linalg.norm(down))
    down = down / max(distance, 1e-6)
    return eyes, np.array([down[1], -down[0]], np.float32), down, distance


Shape = list[tuple[float, float]]


def _cloth(image: Picture, points: Points, shape: Shape, colour: NDArray[np.float64], rng: Rng) -> None:
    """Fill a polygon with cloth: folds in one direction or the other, and a weave."""
    rows, columns = image.shape[:2]
    folds = rng.standard_normal(tuple(int(n) for n in rng.integers(2, 14, 2))).astype(np.float32)
    shade = cv2.resize(folds, (columns, rows), interpolation=cv2.INTER_CUBIC) * rng.uniform(0, 0.14)
    weave = rng.standard_normal((rows, columns), dtype=np.float32) * rng.uniform(0, 0.05)
    _polygon(image, points, shape, colour * (1 + shade + weave)[:, :, None])


def _polygon(
    image: Picture, points: Points, shape: Shape, colour: NDArray[np.floating], opacity: float = 1.0
) -> None:
    """Fill a polygon given in distances of eyes and mouth, (right, down) of the middle of the eyes.

    ``colour`` is one (3,) or one for each pixel of the image.
    """
    eyes, right, down, distance = _axes(points)
    corners = np.array([eyes + distance * (x * right + y * down) for x, y in shape])
    mask = np.zeros(image.shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.round(corners * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    share = mask[:, :, None].astype(np.float32) * (opacity / 255)
    shade = np.linspace(0.85, 1.1, image.shape[0], dtype=np.float32)[:, None, None]
    image[:] = np.clip(image * (1 - share) + colour * shade * share, 0, 255).astype(np.uint8)


def surgical_mask(image: Picture, points: Points, rng: Rng) -> None:
    """A mask over nose and mouth."""
    colour = rng.choice([[160, 200, 225], [235, 238, 240], [150, 205, 190], [40, 40, 45]]).astype(float)
    top, wide = rng.uniform(0.25, 0.55), rng.uniform(0.75, 1.0)
    shape = [(-wide, top), (0, top - 0.12), (wide, top), (0.8 * wide, 1.45), (0, 1.75), (-0.8 * wide, 1.45)]
    _cloth(image, points, shape, colour + rng.uniform(-20, 20, 3), rng)


def oxygen(image: Picture, points: Points, rng: Rng) -> None:
    """A clear mask with an edge, and two tubes."""
    turn = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    wide, high = rng.uniform(0.45, 0.65), rng.uniform(0.5, 0.7)
    oval = [(wide * np.cos(t), 0.85 + high * np.sin(t)) for t in turn]
    _polygon(image, points, oval, rng.uniform(150, 235, 3), rng.uniform(0.15, 0.6))
    eyes, right, down, distance = _axes(points)
    thick = max(1, round(0.05 * distance))
    colour = rng.uniform(140, 240, 3).tolist()
    edge = np.array([eyes + distance * (x * right + y * down) for x, y in oval]).astype(np.int32)
    cv2.polylines(image, [edge], True, colour, thick, cv2.LINE_AA)
    for side in (-1, 1):
        a, b = eyes + distance * (side * wide * right + 0.8 * down), eyes + distance * (1.3 * side * right)
        cv2.line(image, a.astype(int).tolist(), b.astype(int).tolist(), colour, thick, cv2.LINE_AA)


def hand(image: Picture, points: Points, rng: Rng) -> None:
    """Fingers over a cheek, the mouth or an eye, of the face's own colour."""
    eyes, right, down, distance = _axes(points)
    near = (eyes + distance * (0.4 * right + 0.6 * down)).astype(int)
    y, x = np.clip(near[1], 0, image.shape[0] - 1), np.clip(near[0], 0, image.shape[1] - 1)
    skin = image[y, x].astype(float) * rng.uniform(0.75, 1.15)
    side = rng.choice([-1.0, 1.0])
    start = np.array([side * rng.uniform(0.2, 0.9), rng.uniform(-0.1, 1.3)])
    angle = rng.uniform(-0.6, 0.6) + (0 if side > 0 else np.pi)
    for finger in range(int(rng.integers(2, 5))):
        base = start + finger * 0.24 * np.array([-np.sin(angle), np.cos(angle)])
        tip = base - rng.uniform(0.4, 0.8) * np.array([np.cos(angle), np.sin(angle)])
        far = base + 1.5 * np.array([np.cos(angle), np.sin(angle)])
        a, b = (eyes + distance * (p[0] * right + p[1] * down) for p in (tip, far))
        tint = np.clip(skin * rng.uniform(0.85, 1.05), 0, 255).tolist()
        cv2.line(image, a.astype(int).tolist(), b.astype(int).tolist(), tint, max(2, round(0.22 * distance)),
                 cv2.LINE_AA)  # fmt: skip


def pillow(image: Picture, points: Points, rng: Rng) -> None:
    """Cloth over one side of the face, up to its middle."""
    side, reach = rng.choice([-1.0, 1.0]), rng.uniform(0.05, 0.75)
    lean, wave = rng.uniform(-0.3, 0.3), rng.uniform(0, 0.12)
    downs = np.linspace(-3.0, 4.0, 15)
    edge = [
        (side * (reach + lean * (0.5 - down) / 3.5 + wave * rng.standard_normal()), down) for down in downs
    ]
    shape = [*edge, (side * 4.0, 4.0), (side * 4.0, -3.0)]
    _cloth(image, points, shape, rng.uniform(120, 250) + rng.uniform(-25, 25, 3), rng)


def blanket(image: Picture, points: Points, rng: Rng) -> None:
    """Cloth from below, up to the mouth or the nose."""
    high = rng.uniform(0.55, 1.3)
    shape = [
        (-4.0, high + rng.uniform(-0.3, 0.3)),
        (4.0, high + rng.uniform(-0.3, 0.3)),
        (4.0, 5.0),
        (-4.0, 5.0),
    ]
    _cloth(image, points, shape, rng.uniform(40, 250, 3), rng)


def bandage(image: Picture, points: Points, rng: Rng) -> None:
    """A bandage or a cap over the forehead, sometimes over one eye."""
    low = rng.uniform(-0.9, -0.25)
    slant = rng.uniform(-0.5, 0.5)
    shape = [(-3.0, low - slant), (3.0, low + slant), (3.0, -3.0), (-3.0, -3.0)]
    _cloth(image, points, shape, rng.uniform(80, 250) + rng.uniform(-30, 30, 3), rng)


def glasses(image: Picture, points: Points, rng: Rng) -> None:
    """Glasses, clear or dark."""
    _, right, down, distance = _axes(points)
    radius = rng.uniform(0.3, 0.42) * distance
    colour = rng.uniform(0, 120, 3).tolist()
    dark, thick = rng.random() < 0.35, max(1, round(0.06 * distance))
    for eye in points[:2]:
        centre = (eye + 0.05 * distance * down).astype(int).tolist()
        cv2.circle(image, centre, max(1, round(radius)), colour, -1 if dark else thick, cv2.LINE_AA)
    a, b = points[0] + radius * right, points[1] - radius * right
    cv2.line(image, a.astype(int).tolist(), b.astype(int).tolist(), colour, thick)


KINDS: tuple[Draw, ...] = (surgical_mask, oxygen, hand, pillow, blanket, bandage, glasses)
