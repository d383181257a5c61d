"""Pictures that no model was made for, drawn by formulas: noise, text, limbs, a chest from the side.

Every function takes a generator and returns (224, 224) uint8.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.imaging.preprocess import SIDE
from trainer.phantoms import procedural

Gray = NDArray[np.float32]
Image = NDArray[np.uint8]
Rng = np.random.Generator

WORDS = (
    *("invoice", "total", "ward", "station", "report", "of", "the", "day", "date", "signature", "return"),
    *("lunch", "menu", "soup", "bread", "timetable", "room", "phone", "order", "number", "page", "chapter"),
)


def white_noise(rng: Rng) -> Image:
    """Every pixel on its own."""
    return np.asarray(rng.integers(0, 256, (SIDE, SIDE)), np.uint8)


def field(rng: Rng, slope: float) -> Gray:
    """Random field with power spectrum 1/f^slope, mean 0 and spread 1."""
    radius = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)[None, :])
    radius[0, 0] = 1.0
    spectrum = rng.normal(size=radius.shape) + 1j * rng.normal(size=radius.shape)
    out = np.fft.irfft2(spectrum / radius ** (slope / 2), s=(SIDE, SIDE))
    return np.asarray((out - out.mean()) / (out.std() + 1e-9), np.float32)


def _lay(
    image: Gray, x: float, y: float, rx: float, ry: float, lean: float, level: NDArray[np.floating] | float
) -> Gray:
    """Lay a level or a texture over an image where a soft ellipse is; lengths in px, lean in radians."""
    rows, columns = np.mgrid[0:SIDE, 0:SIDE]
    dx, dy = columns - x, rows - y
    u = (dx * np.cos(lean) + dy * np.sin(lean)) / rx
    v = (dy * np.cos(lean) - dx * np.sin(lean)) / ry
    mask = np.clip(0.5 - (np.hypot(u, v) - 1) * min(rx, ry) / 5, 0, 1)
    return np.asarray(image * (1 - mask) + mask * level, np.float32)


def pink_noise(rng: Rng) -> Image:
    """1/f^a noise, a from 1 to 4: clouds."""
    return _bytes(field(rng, float(rng.uniform(1, 4))) * 0.25 + 0.5)


def flat(rng: Rng) -> Image:
    """One level, with the noise of an empty detector."""
    level = rng.uniform(0, 255)
    return np.asarray(np.clip(level + rng.normal(0, rng.uniform(0, 3), (SIDE, SIDE)), 0, 255), np.uint8)


def gradient(rng: Rng) -> Image:
    """A ramp in some direction, straight or round."""
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE - 0.5
    angle = rng.uniform(0, 2 * np.pi)
    ramp = np.hypot(x, y) if rng.uniform() < 0.3 else x * np.cos(angle) + y * np.sin(angle)
    ramp = (ramp - ramp.min()) / np.ptp(ramp)
    low, high = sorted(rng.uniform(0, 255, 2))
    return np.asarray(low + (high - low) * ramp, np.uint8)


def text_page(rng: Rng) -> Image:
    """Lines of words, dark on light or light on dark."""
    side = 3 * SIDE
    page = np.full((side, side), 245, np.uint8)
    size = float(rng.uniform(0.5, 1.6))
    y = int(40 * size)
    while y < side:
        line = " ".join(rng.choice(WORDS, 14))
        x = int(rng.integers(5, 40))
        cv2.putText(
            page, line, (x, y), cv2.FONT_HERSHEY_SIMPLEX, size, 20, max(1, int(2 * size)), cv2.LINE_AA
        )
        y += int(rng.uniform(30, 50) * size)
    small = cv2.resize(page, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(255 - small if rng.uniform() < 0.3 else small, np.uint8)


def limb(rng: Rng) -> Image:
    """A limb's radiograph: two long bones with a joint between them in soft tissue, at some angle."""
    image: Gray = np.full((SIDE, SIDE), rng.uniform(0, 0.1), np.float32)
    x, lean = 112 + rng.normal(0, 10), rng.normal(0, 0.15)
    image = _lay(image, x, 112, rng.uniform(40, 68), 200, lean, 0.3 + 0.02 * field(rng, 3.0))
    joint = 112 + rng.normal(0, 16)
    for end in (-1, 1):
        shaft = rng.uniform(14, 22)
        middle = x - lean * end * 100
        image = _lay(image, middle, joint + end * 104, shaft, 94, lean, 0.75)
        image = _lay(image, middle, joint + end * 104, shaft * 0.5, 86, lean, 0.6)
        image = _lay(
            image, x, joint + end * (shaft + 4), shaft * 1.7, shaft, lean, 0.7 + 0.03 * field(rng, 2)
        )
    seen = _bytes(image + rng.normal(0, 0.01, image.shape))
    matrix = cv2.getRotationMatrix2D((SIDE / 2, SIDE / 2), float(rng.uniform(-90, 90)), 1.0)
    return np.asarray(cv2.warpAffine(seen, matrix, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE), np.uint8)


def chest_from_the_side(rng: Rng) -> Image:
    """A lateral chest, simulated: spine behind, heart in front, both lungs over one another, two domes."""
    front = 1 if rng.uniform() < 0.5 else -1
    image: Gray = np.full((SIDE, SIDE), rng.uniform(0, 0.08), np.float32)
    image = _lay(image, 112, 132, rng.uniform(80, 100), 132, 0, 0.6 + 0.04 * field(rng, 3.4))
    vessels = np.clip(np.abs(field(rng, 2.4)) - 0.9, 0, 1) * 0.12
    lungs = _lay(image, 112, 100, rng.uniform(56, 68), rng.uniform(72, 88), front * 0.12, 0.22 + vessels)
    dome = 160 + rng.normal(0, 10) + 8 * np.cos((np.arange(SIDE) - 112) / 40)
    above = np.clip((dome - np.arange(SIDE)[:, None]) / 6, 0, 1)
    image = np.asarray(above * lungs + (1 - above) * image, np.float32)
    image = _lay(image, 112 + front * 32, 132, 30, 34, -front * 0.5, rng.uniform(0.55, 0.75))
    for step in range(9):  # vertebrae, one below the other
        y = 16 + 24 * step
        image = _lay(
            image, 112 - front * (60 + 10 * np.cos((y - 100) / 80)), y, 12, 9, 0, rng.uniform(0.7, 0.8)
        )
    image = _lay(image, 112 + front * 72, 80, 5, 52, front * 0.15, 0.75)  # breastbone
    return _bytes(image + rng.normal(0, 0.015, image.shape))


def _bytes(image: NDArray[np.floating]) -> Image:
    return np.asarray(np.clip(image, 0, 1) * 255, np.uint8)


def _of_prior(make: Callable[[Rng], Any]) -> Callable[[Rng], Image]:
    """A family of the prior that is no anatomy: what the features were trained on, drawn anew."""

    def draw(rng: Rng) -> Image:
        made = make(rng)
        gray = np.asarray(made[0] if isinstance(made, tuple) else made.image, np.float32)
        low, high = np.percentile(gray, (0.5, 99.5))
        return _bytes(cv2.resize((gray - low) / (high - low + 1e-6), (SIDE, SIDE)))

    return draw


DRAWN: dict[str, Callable[[Rng], Image]] = {
    "white noise": white_noise,
    "1/f noise": pink_noise,
    "flat": flat,
    "gradient": gradient,
    "page of text": text_page,
    "limb, drawn": limb,
    "chest from the side, drawn": chest_from_the_side,
    **{
        f"procedural {make.__name__}": _of_prior(make)
        for make, _ in procedural.STYLES["detailed"]
        if make.__name__ in {"leaves", "noise", "gratings", "blobs"}
    },
}
