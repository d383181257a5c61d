"""Places without a face: drawn ones, two photographs that scikit-learn carries, phantoms of scans.

Drawn ones are dead leaves (Lee, Mumford and Huang, 2001): shapes that cover each other have the edges
and the spectrum of photographs. Some leaves are filled with parts that the caller gives, such as suits and
ties: what the network must not take for what it looks for.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from trainer.detectors.picture import Picture, Rng
from trainer.phantoms import procedural
from trainer.phantoms.drawing import PARTS

SIDE = 384


def photographs() -> list[Picture]:
    """Two photographs without people, from scikit-learn."""
    from sklearn.datasets import load_sample_image

    return [np.asarray(load_sample_image(name), np.uint8) for name in ("china.jpg", "flower.jpg")]


def scans(count: int, seed: int) -> list[Picture]:
    """Drawn heads, chests and sections, as on a monitor. Images of patients would ask for privacy.

    Those with letters are left out: a background shows nothing that a detector is to find.
    """
    drawn: list[Picture] = []
    number = 0
    while len(drawn) < count:
        image, _, parts = procedural.sample(np.random.default_rng((seed, number)), "detailed")
        number += 1
        if not parts[PARTS.index("device_or_text")].any():
            drawn.append(np.repeat(image[:, :, None], 3, axis=2))
    return drawn


class Places:
    """Draws backgrounds of `SIDE` pixels a side from a seed.

    Args:
        photos: photographs without faces.
        scans: medical images.
        parts: what some leaves are filled with.
        scanned: share of backgrounds that are a medical image alone.
    """

    def __init__(
        self,
        photos: Sequence[Picture],
        scans: Sequence[Picture],
        parts: Sequence[Picture],
        scanned: float = 0.1,
    ) -> None:
        self._photos, self._scans, self._parts, self._scanned = photos, scans, parts, scanned

    def draw(self, rng: Rng) -> Picture:
        """One background (SIDE, SIDE, 3)."""
        kind = rng.random()
        if kind < 0.2:
            return _crop(self._photos[int(rng.integers(len(self._photos)))], rng)
        if kind < 0.2 + self._scanned and self._scans:
            return _crop(self._scans[int(rng.integers(len(self._scans)))], rng)
        return self._leaves(rng)

    def _leaves(self, rng: Rng) -> Picture:
        canvas = self._filling(rng)
        smallest = float(np.exp(rng.uniform(np.log(4), np.log(60))))
        for _ in range(int(rng.integers(5, 120))):
            size = smallest * rng.random() ** -0.7
            mask = np.zeros((SIDE, SIDE), np.uint8)
            x, y = rng.integers(0, SIDE, 2).tolist()
            size = min(size, SIDE)
            _shape(mask, rng, x, y, size)
            left, right = max(0, int(x - 2 * size)), min(SIDE, int(x + 2 * size) + 1)
            top, bottom = max(0, int(y - 2 * size)), min(SIDE, int(y + 2 * size) + 1)
            window = np.s_[top:bottom, left:right]
            inside = mask[window] > 0
            if rng.random() < 0.6:
                canvas[window][inside] = rng.integers(0, 256, 3)
            else:
                canvas[window][inside] = self._filling(rng)[window][inside]
        return canvas

    def _filling(self, rng: Rng) -> Picture:
        kind = rng.random()
        if kind < 0.25:
            return _gradient(rng)
        if kind < 0.33:
            return _noise(rng)
        if kind < 0.4:
            return _winding(rng)
        if kind < 0.5:
            return _pebbles(rng)
        if kind < 0.6:
            return _blades(rng)
        if kind < 0.75:
            return _crop(self._photos[int(rng.integers(len(self._photos)))], rng)
        if kind < 0.9 and self._parts:
            return _crop(self._parts[int(rng.integers(len(self._parts)))], rng)
        if kind < 0.95 and self._scans:
            return _crop(self._scans[int(rng.integers(len(self._scans)))], rng)
        return _stripes(rng)


def _crop(image: Picture, rng: Rng) -> Picture:
    """A part of ``image``, turned, mirrored and with other colours."""
    rows, columns = image.shape[:2]
    share = rng.uniform(0.25, 1.0)
    height, width = max(8, int(rows * share)), max(8, int(columns * share))
    top, left = int(rng.integers(0, rows - height + 1)), int(rng.integers(0, columns - width + 1))
    part = np.rot90(image[top : top + height, left : left + width], int(rng.integers(4)))
    sized = np.asarray(cv2.resize(np.ascontiguousarray(part), (SIDE, SIDE)), np.uint8)
    if rng.random() < 0.5:
        sized = sized[:, ::-1]
    if rng.random() < 0.4:
        sized = sized[:, :, rng.permutation(3)]
    return np.ascontiguousarray(sized)


def _shape(mask: NDArray[np.uint8], rng: Rng, x: int, y: int, size: float) -> None:
    angle = float(rng.uniform(0, 180))
    axes = (max(2.0, 2 * size), max(2.0, 2 * size * rng.uniform(0.1, 1.0)))
    kind = rng.integers(3)
    if kind == 0:
        cv2.ellipse(mask, ((float(x), float(y)), axes, angle), 255, -1)
    elif kind == 1:
        corners = cv2.boxPoints(((float(x), float(y)), axes, angle))
        cv2.fillConvexPoly(mask, corners.astype(np.int32), 255)
    else:
        turn = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(3, 8))))
        reach = size * rng.uniform(0.4, 1.4, turn.size)
        points = np.stack([x + reach * np.cos(turn), y + reach * np.sin(turn)], axis=1)
        cv2.fillPoly(mask, [points.astype(np.int32)], 255)


def _gradient(rng: Rng) -> Picture:
    a, b = rng.integers(0, 256, (2, 3)).astype(np.float32)
    angle = rng.uniform(0, 2 * np.pi)
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32) / SIDE
    share = np.clip(0.5 + (x - 0.5) * np.cos(angle) + (y - 0.5) * np.sin(angle), 0, 1)[:, :, None]
    return np.asarray(a * (1 - share) + b * share, np.uint8)


def _noise(rng: Rng) -> Picture:
    """Noise of several scales in one or three colours: cloth, hair, plaster."""
    total = np.zeros((SIDE, SIDE, 3), np.float32)
    slope = rng.uniform(0.3, 1.2)
    for octave in range(7):
        cells = 3 << octave
        grid = rng.standard_normal((cells, max(1, int(cells * rng.uniform(0.3, 1.0))), 3)).astype(np.float32)
        total += cv2.resize(grid, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR) * 2 ** (-slope * octave)
    if rng.random() < 0.6:
        total = total[:, :, :1] * rng.uniform(0.5, 1.0, 3).astype(np.float32)
    total /= max(1e-6, float(total.std()))
    mean, contrast = rng.uniform(20, 230, 3), rng.uniform(4, 45)
    return np.asarray(np.clip(mean + contrast * total, 0, 255), np.uint8)


def _pebbles(rng: Rng) -> Picture:
    """Rounded stones side by side, each in a shade of its own: gravel, pills, blisters, foam."""
    seeds = np.full((SIDE, SIDE), 255, np.uint8)
    count = int(np.exp(rng.uniform(np.log(20), np.log(3000))))
    seeds[rng.integers(0, SIDE, count), rng.integers(0, SIDE, count)] = 0
    away, label = cv2.distanceTransformWithLabels(seeds, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    size = SIDE / np.sqrt(count)
    shade = rng.uniform(20, 230, 3) + rng.uniform(5, 60) * rng.standard_normal((int(label.max()) + 1, 1))
    round_ = 1 - rng.uniform(0.2, 1.0) * np.clip(away / size, 0, 1.2)[:, :, None] ** 2
    return np.asarray(np.clip(shade[label] * round_, 0, 255), np.uint8)


def _blades(rng: Rng) -> Picture:
    """Short strokes over each other in about one direction: grass, fur, hair, knit."""
    image = np.full((SIDE, SIDE, 3), rng.uniform(10, 200, 3), np.uint8)
    middle, spread = rng.uniform(0, np.pi), rng.uniform(0.05, 0.9)
    length, base, thick = (
        np.exp(rng.uniform(np.log(5), np.log(60))),
        rng.uniform(30, 220, 3),
        int(rng.integers(1, 4)),
    )
    for x, y in rng.integers(0, SIDE, (1500, 2)).tolist():
        turn, reach = middle + spread * rng.standard_normal(), length * rng.uniform(0.4, 1.3)
        end = (int(x + reach * np.cos(turn)), int(y + reach * np.sin(turn)))
        cv2.line(image, (x, y), end, (base * rng.uniform(0.4, 1.3)).tolist(), thick, cv2.LINE_AA)
    return image


def _winding(rng: Rng) -> Picture:
    """Ridges of one width that wind, branch and end: folds of a brain, trabeculae, vessels, speckle."""
    width, squeeze = np.exp(rng.uniform(np.log(4), np.log(60))), rng.uniform(0.25, 1)
    angle = rng.uniform(0, np.pi)
    y, x = np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)[None]
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    octaves = np.log2(np.maximum(np.hypot(along * squeeze, across), 1e-6) * width)
    band = np.exp(-((octaves / rng.uniform(0.25, 0.8)) ** 2))
    waves = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((SIDE, SIDE))) * band, (SIDE, SIDE))
    ridges = np.tanh(waves / waves.std() * np.exp(rng.uniform(-1, 1.5)))[:, :, None]
    ridges = ridges if rng.random() < 0.5 else np.abs(ridges)
    shade = cv2.resize(rng.uniform(0.4, 1, (4, 4)), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)[:, :, None]
    colour = rng.uniform(80, 320) * (np.ones(3) if rng.random() < 0.7 else rng.uniform(0.6, 1, 3))
    depth = rng.uniform(0.15, 0.9)
    return np.asarray(np.clip(colour * shade * (1 - depth + depth * ridges), 0, 255), np.uint8)


def _stripes(rng: Rng) -> Picture:
    a, b = rng.integers(0, 256, (2, 3))
    angle, period = rng.uniform(0, np.pi), np.exp(rng.uniform(np.log(4), np.log(80)))
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    on = np.sin((x * np.cos(angle) + y * np.sin(angle)) * 2 * np.pi / period) > rng.uniform(-0.8, 0.8)
    return np.asarray(np.where(on[:, :, None], a, b), np.uint8)
