"""What scanners, cameras, films and file formats add to a picture, with labels for how much of each.

A network that can tell blur, noise and compression apart from anatomy has less to learn of them later.
A third of the pictures stays clean.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from trainer.phantoms.drawing import SIDE, Gray, Labels, Rng, X, Y, texture

BLUR = ((0.0, 0.3), (0.5, 0.9), (1.0, 1.5), (1.7, 2.8))
"""Spread in pixels, by class; all but the first are also made by shrinking and enlarging."""
GRAIN = ((0.0, 0.004), (0.01, 0.018), (0.025, 0.045), (0.06, 0.12))
"""Spread of added noise as a share of the range, by class; a fifth class has few photons instead."""
FEW_PHOTONS = 4
QUALITY = ((100, 100), (70, 92), (40, 60), (12, 30))
"""JPEG quality, by class; the first is not compressed."""
EXPOSURE = ((0.4, 0.7), (0.85, 1.18), (1.45, 2.3))
"""Exponent of the gray levels, by class."""
CUT = ((0.05, 0.05), (0.8, 3.0), (4.0, 11.0), (13.0, 30.0))
"""Percent of the pixels that are to be cut off at both ends."""
CLIPPED = (0.006, 0.035, 0.11)
"""Borders of the classes of clipping: the share of pixels that lost their differences."""
TASKS = {"blur": 4, "grain": 5, "compression": 4, "exposure": 3, "clipping": 4}

_CLEAN = 0.35
_AMOUNTS = (0.42, 0.3, 0.18, 0.1)


def acquire(image: Gray, rng: Rng) -> tuple[NDArray[np.uint8], Labels]:
    """Gray levels of any range as an 8-bit picture, (224, 224), and the labels of what was done to it."""
    clean = rng.uniform() < _CLEAN
    labels = dict.fromkeys(TASKS, 0)
    labels["exposure"] = 1
    if not clean:
        labels["blur"], labels["compression"] = (int(rng.choice(4, p=_AMOUNTS)) for _ in range(2))
        labels["grain"] = int(rng.choice(5, p=(0.45, 0.26, 0.15, 0.08, 0.06)))
        labels["exposure"] = int(rng.choice(3, p=(0.3, 0.4, 0.3)))
        if rng.uniform() < 0.2:
            image = _shade(rng, image)
    image = _blur(rng, image, labels["blur"])
    cut = 0 if clean else int(rng.choice(4, p=_AMOUNTS))
    image, labels["clipping"] = _stretch(rng, image, rng.uniform(*CUT[cut]))
    image = image ** np.float32(rng.uniform(*EXPOSURE[labels["exposure"]]))
    if not clean:
        image = _enhance(rng, image, sharp=labels["blur"] < 2)
    image = _levels(rng, image)
    image = _grain(rng, image, labels["grain"])
    if not clean and rng.uniform() < 0.06:
        image = _lines(rng, image)
    out = np.asarray(np.clip(image, 0, 1) * 255, np.uint8)
    if labels["compression"]:
        quality = int(rng.uniform(*QUALITY[labels["compression"]]))
        _, packed = cv2.imencode(".jpg", out, [cv2.IMWRITE_JPEG_QUALITY, quality])
        out = np.asarray(cv2.imdecode(packed, cv2.IMREAD_GRAYSCALE), np.uint8)
    return out, labels


def _shade(rng: Rng, image: Gray) -> Gray:
    """A coil's sensitivity, a lamp's spot, a lens' dark corners: smooth, times the image."""
    if rng.uniform() < 0.5:
        x, y = rng.uniform(0.3, 0.7, 2) * SIDE
        far = ((X - x) ** 2 + (Y - y) ** 2) / SIDE**2
        field = 1 / (1 + rng.uniform(0.5, 2.5) * far)
    else:
        field = 1 + rng.uniform(0.1, 0.3) * np.clip(texture(rng, 4, 3), -2, 2)
    low = image.min()
    return np.asarray(low + (image - low) * field, np.float32)


def _blur(rng: Rng, image: Gray, amount: int) -> Gray:
    spread = rng.uniform(*BLUR[amount])
    if amount and rng.uniform() < 0.4:
        small = round(SIDE / (1.2 * max(spread, 1.0)))
        image = np.asarray(cv2.resize(image, (small, small), interpolation=cv2.INTER_AREA), np.float32)
        way = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4)[int(rng.integers(3))]
        return np.asarray(cv2.resize(image, (SIDE, SIDE), interpolation=way), np.float32)
    if amount:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), spread), np.float32)
    return image


def _stretch(rng: Rng, image: Gray, cut: float) -> tuple[Gray, int]:
    """The image in 0 to 1, cut off at either end or both, and the class of how much that took away.

    What was flat before, such as a black background, loses nothing.
    """
    share = float(rng.choice([0.0, 1.0, rng.uniform()], p=(0.25, 0.35, 0.4)))
    low, high = np.percentile(image[::2, ::2], (max(cut * (1 - share), 0.03), 100 - max(cut * share, 0.03)))
    if high - low < 0.25 * float(image.max() - image.min()):  # nearly all is background
        low, high = float(image.min()), float(image.max())
    image = np.asarray((image - low) / (high - low + 1e-6), np.float32)
    kept = np.asarray(np.clip(image, 0, 1), np.float32)
    lost = float((np.abs(image - kept) > 0.012).mean())
    return kept, sum(lost > border for border in CLIPPED)


def _enhance(rng: Rng, image: Gray, *, sharp: bool) -> Gray:
    """Local contrast, sharpening, or ringing, as some devices add them."""
    draw = rng.uniform()
    if draw < 0.08:
        lifter = cv2.createCLAHE(rng.uniform(1.2, 4.0), (int(rng.integers(3, 9)),) * 2)
        return np.asarray(lifter.apply(np.asarray(image * 255, np.uint8)) / 255, np.float32)
    if draw < 0.2 and sharp:
        smooth = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.8, 3))
        return np.asarray(np.clip(image + rng.uniform(0.3, 1.5) * (image - smooth), 0, 1), np.float32)
    if draw < 0.24 and sharp:  # a cut spectrum: each edge repeats
        spectrum = np.fft.rfft2(image)
        keep = int(rng.uniform(0.5, 0.8) * SIDE / 2)
        spectrum[keep : SIDE - keep] = 0
        if rng.uniform() < 0.5:
            spectrum[:, keep:] = 0
        return np.asarray(np.clip(np.fft.irfft2(spectrum, (SIDE, SIDE)), 0, 1), np.float32)
    return image


def _levels(rng: Rng, image: Gray) -> Gray:
    """Black and white of the export: mostly near the ends, at times washed out."""
    if rng.uniform() < 0.82:
        span, lift = rng.uniform(0.7, 1.0), rng.uniform(0, 0.1)
    else:
        span, lift = rng.uniform(0.35, 0.7), rng.uniform(0.0, 0.35)
    return np.asarray(image * min(span, 1 - lift) + lift, np.float32)


def _grain(rng: Rng, image: Gray, amount: int) -> Gray:
    """Noise: even, stronger where it is bright, coarse, or the magnitude of a complex signal's."""
    if amount == FEW_PHOTONS:
        peak, gain = rng.uniform(8, 60), rng.choice([1.0, rng.uniform(0.2, 0.8)])
        counts = np.asarray(rng.poisson(image * peak) / peak, np.float32)
        return counts * np.float32(gain) + np.float32(0.01) * rng.standard_normal(image.shape, np.float32)
    spread = np.float32(rng.uniform(*GRAIN[amount]))
    noise = rng.standard_normal(image.shape, np.float32) * spread
    kind = rng.uniform() if amount else 0.0
    if kind > 0.8:
        other = rng.standard_normal(image.shape, np.float32) * spread
        return np.asarray(np.sqrt((image + noise) ** 2 + other**2), np.float32)
    if kind > 0.6:
        return np.asarray(image + noise * np.sqrt(np.clip(image, 0, 1) * 2 + 0.05), np.float32)
    if kind > 0.45:
        # A Gaussian of spread r leaves 1 / (2 r sqrt(pi)) of white noise's spread.
        coarse = rng.uniform(0.6, 1.1)
        noise = np.asarray(cv2.GaussianBlur(noise, (0, 0), coarse) * (3.5 * coarse), np.float32)
    return image + noise


def _lines(rng: Rng, image: Gray) -> Gray:
    """Scan lines, or the beat of two grids, as in photographs of screens."""
    turn = rng.choice([0.0, np.pi / 2, rng.uniform(0, np.pi)])
    phase = 2 * np.pi * (X * np.cos(turn) + Y * np.sin(turn)) / rng.uniform(2.2, 9) + rng.uniform(0, 6)
    return np.asarray(image + rng.uniform(0.05, 0.2) * image.std() * np.sin(phase), np.float32)
