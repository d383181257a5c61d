"""A training picture: persons pasted into a place at any rotation, size and light, and where their faces are.

The truth comes from where each was pasted. Nothing looks for a face here.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from trainer.detectors import camera
from trainer.detectors.backgrounds import SIDE
from trainer.detectors.faces.person import People
from trainer.detectors.faces.portraits import REACH
from trainer.detectors.picture import Picture, Rng

SMALLEST, LARGEST = 4.5, 140.0
"""Radii of faces, in pixels."""
SMALL, _SMALL_MORE = 24.0, 0.25
"""So many faces more are at most so large: there are few pixels to tell them by."""


@dataclass(frozen=True)
class Face:
    """Where a face is: centre and radius in pixels."""

    x: float
    y: float
    radius: float


@dataclass(frozen=True, repr=False)
class Sample:
    """A picture (size, size, 3) and its faces."""

    pixels: Picture
    faces: tuple[Face, ...]


def turned(sample: Sample, turns: int, *, mirrored: bool) -> Sample:
    """The sample turned by quarters, counter-clockwise, and perhaps mirrored."""
    pixels, faces = sample.pixels, sample.faces
    size = pixels.shape[0]
    if mirrored:
        pixels, faces = pixels[:, ::-1], tuple(Face(size - f.x, f.y, f.radius) for f in faces)
    for _ in range(turns):
        pixels, faces = np.rot90(pixels), tuple(Face(f.y, size - f.x, f.radius) for f in faces)
    return Sample(np.ascontiguousarray(pixels), faces)


def draw(people: People, place: Picture, rng: Rng, size: int) -> Sample:
    """One picture with no, one or several faces.

    Args:
        people: who may be pasted.
        place: background (SIDE, SIDE, 3); see `Places`.
        rng: draws everything.
        size: side of the picture in pixels, at most `SIDE`.
    """
    top, left = (int(v) for v in rng.integers(0, SIDE - size + 1, 2))
    scene = place[top : top + size, left : left + size].astype(np.float32)
    scene = np.clip(scene * np.exp(rng.uniform(-0.8, 0.3)), 0, 255)
    faces: list[Face] = []
    for _ in range(int(rng.choice(5, p=(0.22, 0.32, 0.2, 0.13, 0.13)))):
        largest = SMALL if rng.random() < _SMALL_MORE else LARGEST
        radius = float(np.exp(rng.uniform(np.log(SMALLEST), np.log(largest))))
        if faces and radius > 60:
            radius = radius / 4
        x, y = rng.uniform(-0.2 * radius, size + 0.2 * radius, 2)
        if any(np.hypot(x - f.x, y - f.y) < 1.3 * (radius + f.radius) for f in faces):
            continue
        _paste(scene, people, Face(float(x), float(y), radius), rng)
        faces.append(Face(float(x), float(y), radius))
    if rng.random() < 0.15:
        _bar(scene, rng)
    return Sample(camera.taken(np.asarray(scene, np.uint8), rng), tuple(faces))


def _paste(scene: NDArray[np.float32], people: People, face: Face, rng: Rng) -> None:
    pixels, matte, points = people.draw(rng)
    distance = float(np.linalg.norm(points[:2].mean(0) - points[2:].mean(0)))
    scale = face.radius / (REACH * distance)
    turn = rng.uniform(0, 2 * np.pi)
    stretch = np.exp(rng.uniform(-0.12, 0.12))
    shear = rng.uniform(-0.12, 0.12)
    shape = np.array([[stretch, shear], [0.0, 1.0 / stretch]])
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    linear = scale * rotation @ shape
    moved = np.concatenate([linear, (np.array([face.x, face.y]) - linear @ points.mean(0))[:, None]], axis=1)
    rows, columns = scene.shape[:2]
    if scale < 0.5:  # a picture made small without an average of its pixels is not what a lens gives
        less = max(2 * scale, 0.1)
        small = (max(2, round(pixels.shape[1] * less)), max(2, round(pixels.shape[0] * less)))
        ratio = np.array([[pixels.shape[1] / small[0], 0, 0], [0, pixels.shape[0] / small[1], 0], [0, 0, 1]])
        pixels = np.asarray(cv2.resize(pixels, small, interpolation=cv2.INTER_AREA), np.uint8)
        matte = np.asarray(cv2.resize(matte, small, interpolation=cv2.INTER_AREA), np.float32)
        moved = moved @ ratio
    corners = np.array([[0, 0, 1], [pixels.shape[1], 0, 1], [0, pixels.shape[0], 1],
                        [pixels.shape[1], pixels.shape[0], 1]]) @ moved.T  # fmt: skip
    x0, y0 = np.clip(np.floor(corners.min(0)).astype(int), 0, (columns, rows))
    x1, y1 = np.clip(np.ceil(corners.max(0)).astype(int), 0, (columns, rows))
    if x1 <= x0 or y1 <= y0:
        return
    moved = moved - np.array([[0, 0, x0], [0, 0, y0]])
    where = (int(x1 - x0), int(y1 - y0))
    pasted = cv2.warpAffine(pixels, moved, where, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    share = cv2.warpAffine(matte, moved, where, flags=cv2.INTER_LINEAR)[:, :, None]
    window = scene[y0:y1, x0:x1]
    window[:] = window * (1 - share) + pasted * share


def _bar(scene: NDArray[np.float32], rng: Rng) -> None:
    """A rail, a cable or a pole before everything."""
    size = scene.shape[0]
    a, b = rng.integers(0, size, (2, 2)).tolist()
    thick = int(rng.integers(1, max(2, size // 40)))
    cv2.line(scene, tuple(a), tuple(b), rng.uniform(0, 255, 3).tolist(), thick, cv2.LINE_AA)
