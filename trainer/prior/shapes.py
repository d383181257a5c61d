"""Random fields and soft masks: what procedural images are drawn with. Lengths in pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SIDE = 112
Gray = NDArray[np.float32]
Labels = dict[str, int]
Rng = np.random.Generator

Y, X = (axis.astype(np.float32) for axis in np.mgrid[0:SIDE, 0:SIDE])
"""Row and column of each pixel."""


def field(rng: Rng, slope: float, squeeze: float = 1.0, angle: float = 0.0) -> Gray:
    """Random field with power spectrum 1/f^slope, mean 0 and spread 1; ``squeeze`` makes it directed."""
    fy, fx = np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)[None, :]
    u, v = fx * np.cos(angle) + fy * np.sin(angle), fy * np.cos(angle) - fx * np.sin(angle)
    radius = np.sqrt((u * squeeze) ** 2 + v**2)
    radius[0, 0] = 1.0
    spectrum = rng.normal(size=radius.shape) + 1j * rng.normal(size=radius.shape)
    out = np.fft.irfft2(spectrum / radius ** (slope / 2), s=(SIDE, SIDE))
    return np.asarray((out - out.mean()) / (out.std() + 1e-9), np.float32)


def ellipse(cx: float, cy: float, rx: float, ry: float, angle: float = 0.0, soft: float = 1.5) -> Gray:
    """Soft mask of an ellipse: 1 inside, 0 outside, an edge about ``soft`` px wide. Lengths in px."""
    dx, dy = X - cx, Y - cy
    u = (dx * np.cos(angle) + dy * np.sin(angle)) / rx
    v = (dy * np.cos(angle) - dx * np.sin(angle)) / ry
    distance = (np.sqrt(u * u + v * v) - 1) * min(rx, ry)
    return np.asarray(np.clip(0.5 - distance / (2 * soft), 0, 1), np.float32)


def wobbly(rng: Rng, cx: float, cy: float, radius: float, soft: float = 1.5) -> Gray:
    """Mask of an irregular blob."""
    dx, dy = X - cx, Y - cy
    angle = np.arctan2(dy, dx)
    edge = np.ones_like(angle)
    for k in range(2, 6):
        edge += rng.normal(0, 0.3 / k) * np.cos(k * angle + rng.uniform(0, 6.28))
    stretch = rng.uniform(0.7, 1.4)
    distance = np.sqrt((dx * stretch) ** 2 + (dy / stretch) ** 2) - radius * edge
    return np.asarray(np.clip(0.5 - distance / (2 * soft), 0, 1), np.float32)


def over(image: Gray, mask: Gray, level: Gray | float) -> Gray:
    """Lay a level, or a texture, over an image where the mask is."""
    return np.asarray(image * (1 - mask) + mask * level, np.float32)
