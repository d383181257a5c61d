"""One portrait as another person in other light: mixed, bent, coloured, shaded, covered."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from trainer.detectors.faces import cutout, occluders
from trainer.detectors.faces.cutout import Matte
from trainer.detectors.faces.portraits import Portrait
from trainer.detectors.picture import Picture, Rng

Points = NDArray[np.float32]
_COVERS = (0.38, 0.45, 0.17)
"""Shares of persons with no, one and two things over a part of the face."""


class People:
    """Draws persons from a list of portraits; each face is of one of them or a mixture of two."""

    def __init__(self, portraits: Sequence[Portrait]) -> None:
        self._portraits = portraits
        self._mattes = [cutout.person(each) for each in portraits]

    def draw(self, rng: Rng) -> tuple[Picture, Matte, Points]:
        """Pixels, matte and points (4, 2) of a person, upright, at the portrait's own size."""
        index = int(rng.integers(len(self._portraits)))
        one = self._portraits[index]
        pixels, points = one.pixels, one.points
        if rng.random() < 0.4:
            pixels = _mixed(one, self._portraits[int(rng.integers(len(self._portraits)))], rng)
        kind = rng.random()
        if kind < 0.55:
            matte = self._mattes[index]
        else:
            matte = cutout.head(one, rng.uniform(1.0, 1.5)) if kind < 0.85 else cutout.picture(one)
        if rng.random() < 0.5:
            pixels, matte, points = _mirrored(pixels, matte, points)
        if rng.random() < 0.4:
            pixels, matte, points = _bent(pixels, matte, points, rng)
        pixels = _shaded(_coloured(pixels, rng), points, rng)
        pixels = np.ascontiguousarray(pixels)
        for _ in range(int(rng.choice(3, p=_COVERS))):
            occluders.KINDS[int(rng.integers(len(occluders.KINDS)))](pixels, points, rng)
        return pixels, matte, points


def _mixed(one: Portrait, other: Portrait, rng: Rng) -> Picture:
    """The face of ``one`` with a share of the other's, point on point: a face that nobody has."""
    moved, _ = cv2.estimateAffine2D(other.points, one.points)
    rows, columns = one.pixels.shape[:2]
    warped = cv2.warpAffine(other.pixels, moved, (columns, rows), borderMode=cv2.BORDER_REFLECT)
    share = cutout.head(one, 0.9)[:, :, None] * rng.uniform(0.3, 0.8)
    return np.asarray(one.pixels * (1 - share) + warped * share, np.uint8)


def _mirrored(pixels: Picture, matte: Matte, points: Points) -> tuple[Picture, Matte, Points]:
    flipped = points[[1, 0, 3, 2]].copy()
    flipped[:, 0] = pixels.shape[1] - 1 - flipped[:, 0]
    return np.ascontiguousarray(pixels[:, ::-1]), np.ascontiguousarray(matte[:, ::-1]), flipped


def _bent(pixels: Picture, matte: Matte, points: Points, rng: Rng) -> tuple[Picture, Matte, Points]:
    """One half of the face narrower than the other, as in a head that is turned or nods."""
    rows, columns = pixels.shape[:2]
    x0, y0 = points.mean(0)
    across, along = rng.uniform(-0.45, 0.45), rng.uniform(-0.25, 0.25)

    def source(at: NDArray[np.float32], middle: float, bend: float, scale: float) -> NDArray[np.float32]:
        away = (at - middle) / scale
        return np.asarray(middle + scale * (away + bend * away * np.abs(away)), np.float32)

    scale = 2.0 * float(np.linalg.norm(points[:2].mean(0) - points[2:].mean(0)))
    ys, xs = np.mgrid[0:rows, 0:columns].astype(np.float32)
    # Bent by a signed square: one side is drawn together, the other apart.
    map_x = xs + across * scale * np.minimum(((xs - x0) / scale) ** 2, 1.0)
    map_y = ys + along * scale * np.minimum(((ys - y0) / scale) ** 2, 1.0)
    map_x = source(map_x, float(x0), 0.0, scale).astype(np.float32)
    bent = cv2.remap(pixels, map_x.astype(np.float32), map_y.astype(np.float32), cv2.INTER_LINEAR,
                     borderMode=cv2.BORDER_REFLECT)  # fmt: skip
    bent_matte = cv2.remap(matte, map_x.astype(np.float32), map_y.astype(np.float32), cv2.INTER_LINEAR)
    moved = points.copy()
    for axis, bend, middle in ((0, across, x0), (1, along, y0)):
        away = (points[:, axis] - middle) / scale
        moved[:, axis] = points[:, axis] - bend * scale * np.minimum(away**2, 1.0)
    return np.asarray(bent, np.uint8), np.asarray(bent_matte, np.float32), moved


def _coloured(pixels: Picture, rng: Rng) -> Picture:
    """Other skin, other hair, other film: gain, gamma and tint, or gray."""
    table = np.arange(256, dtype=np.float32)[:, None] / 255
    gamma, gain = np.exp(rng.uniform(-0.5, 0.5)), np.exp(rng.uniform(-0.35, 0.25))
    tint = np.exp(rng.uniform(-0.2, 0.2, 3)).astype(np.float32)
    table = np.clip(255 * gain * tint * table**gamma, 0, 255).astype(np.uint8)
    coloured = np.stack([table[:, c][pixels[:, :, c]] for c in range(3)], axis=2)
    if rng.random() < 0.25:
        gray = cv2.cvtColor(coloured, cv2.COLOR_RGB2GRAY)
        return np.repeat(gray[:, :, None], 3, axis=2)
    return np.asarray(coloured, np.uint8)


def _shaded(pixels: Picture, points: Points, rng: Rng) -> Picture:
    """Light from one side."""
    if rng.random() < 0.4:
        return pixels
    rows, columns = pixels.shape[:2]
    angle, depth = rng.uniform(0, 2 * np.pi), rng.uniform(0.2, 0.85)
    scale = 2.0 * float(np.linalg.norm(points[:2].mean(0) - points[2:].mean(0)))
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
    x0, y0 = points.mean(0)
    along = ((x - x0) * np.cos(angle) + (y - y0) * np.sin(angle)) / scale
    light = 1 - depth / (1 + np.exp(-4 * along))
    return np.asarray(pixels * light[:, :, None], np.uint8)
