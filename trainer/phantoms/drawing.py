"""A procedural image while it is drawn: gray levels, the masks of its parts, and its labels.

Masks come from polygons filled by OpenCV, textures from a bank of random fields, which is some ten times
faster than evaluating formulas for each pixel. Lengths are in pixels of a 224 x 224 image.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE = 224
PART_SIDE = 28
PARTS = (
    "air", "skin_or_fat", "bone", "brain", "white_matter", "fluid_space", "soft_tissue", "lung", "vessel",
    "mass_inside", "swelling", "mass_at_the_border", "mass_at_the_base", "dense_opacity", "hazy_opacity",
    "lines_and_dots", "effusion", "nodule", "device_or_text", "heart",
)  # fmt: skip
"""Names of the masks that the network learns to draw again, in the order of its output."""

Gray = NDArray[np.float32]
Labels = dict[str, int]
Rng = np.random.Generator

_SHIFT = 4
_BANK_SIDE = 256
_BANK_EACH = 10
SLOPES = tuple(0.25 * step for step in range(17))
"""Exponents of the power spectra in the bank."""

Y, X = (axis.astype(np.float32) for axis in np.mgrid[0:SIDE, 0:SIDE])
"""Row and column of each pixel."""


@dataclass
class Drawing:
    """One image in the making: levels about 0 to 1, masks 0 to 1 by part, labels by task."""

    image: Gray
    parts: dict[str, Gray] = field(default_factory=dict)
    labels: Labels = field(default_factory=dict)

    def lay(self, mask: Gray, level: Gray | float, part: str = "") -> None:
        """Lay a level or a texture over the image where the mask is, and note what it is."""
        self.image += mask * (level - self.image)
        if part:
            self.note(mask, part)

    def add(self, mask: Gray, level: Gray | float, part: str = "") -> None:
        """Add to the image, as a shadow adds to what lies before and behind it."""
        self.image += mask * level
        if part:
            self.note(mask, part)

    def note(self, mask: Gray, part: str) -> None:
        """Remember where a part is."""
        self.parts[part] = np.maximum(self.parts[part], mask) if part in self.parts else mask

    def part_maps(self) -> NDArray[np.uint8]:
        """Share of each cell that each part covers, (parts, 28, 28), 0 to 255."""
        maps = np.zeros((len(PARTS), PART_SIDE, PART_SIDE), np.uint8)
        for name, mask in self.parts.items():
            small = cv2.resize(mask, (PART_SIDE, PART_SIDE), interpolation=cv2.INTER_AREA)
            maps[PARTS.index(name)] = np.clip(small, 0, 1) * 255
        return maps


def blank(level: float = 0.0) -> Drawing:
    """An empty image of one level."""
    return Drawing(np.full((SIDE, SIDE), level, np.float32))


def polygon(points: NDArray[np.floating], soft: float = 0.0) -> Gray:
    """Mask of a polygon (N, 2) of x and y; ``soft`` is the spread of its edge."""
    mask = np.zeros((SIDE, SIDE), np.uint8)
    fixed = np.round(points * (1 << _SHIFT)).astype(np.int32)
    cv2.fillPoly(mask, [fixed], 255, lineType=cv2.LINE_AA, shift=_SHIFT)
    out: Gray = np.asarray(mask / 255, np.float32)
    if soft > 0.3:
        # A box that is laid twice is near a Gaussian and does not slow down as it grows.
        size = max(3, int(soft * 2.4) | 1)
        out = np.asarray(cv2.blur(cv2.blur(out, (size, size)), (size, size)), np.float32)
    return out


def outline(
    rng: Rng, cx: float, cy: float, rx: float, ry: float, angle: float = 0.0, wobble: float = 0.0
) -> NDArray[np.float64]:
    """Corners (56, 2) of an ellipse whose radius wavers by about ``wobble`` of itself."""
    turn = np.linspace(0, 2 * np.pi, 56, endpoint=False)
    radius = np.ones_like(turn)
    if wobble:
        for k in range(2, 8):
            radius += rng.normal(0, wobble / k) * np.cos(k * turn + rng.uniform(0, 6.28))
    u, v = rx * radius * np.cos(turn), ry * radius * np.sin(turn)
    c, s = np.cos(angle), np.sin(angle)
    return np.stack([cx + u * c - v * s, cy + u * s + v * c], 1)


def blob(
    rng: Rng, cx: float, cy: float, rx: float, ry: float, *, angle: float = 0.0, wobble: float = 0.0,
    soft: float = 0.0,
) -> Gray:  # fmt: skip
    """Mask of an ellipse, or of an irregular shape like one."""
    return polygon(outline(rng, cx, cy, rx, ry, angle, wobble), soft)


def stroke(points: NDArray[np.floating], width: float, soft: float = 0.0) -> Gray:
    """Mask of a line through points (N, 2)."""
    mask = np.zeros((SIDE, SIDE), np.uint8)
    fixed = np.round(points * (1 << _SHIFT)).astype(np.int32)
    cv2.polylines(mask, [fixed], False, 255, max(1, round(width)), cv2.LINE_AA, _SHIFT)
    out: Gray = np.asarray(mask / 255, np.float32)
    return np.asarray(cv2.GaussianBlur(out, (0, 0), soft), np.float32) if soft > 0.3 else out


@cache
def _bank() -> dict[float, list[Gray]]:
    """Periodic random fields by slope; the same in every process: variety comes from how they are cut."""
    rng = np.random.default_rng(11)
    fy, fx = np.fft.fftfreq(_BANK_SIDE)[:, None], np.fft.rfftfreq(_BANK_SIDE)[None, :]
    radius = np.sqrt(fy**2 + fx**2)
    radius[0, 0] = 1.0
    bank: dict[float, list[Gray]] = {}
    for slope in SLOPES:
        bank[slope] = []
        for _ in range(_BANK_EACH):
            wave = rng.normal(size=radius.shape) + 1j * rng.normal(size=radius.shape)
            out = np.fft.irfft2(wave / radius ** (slope / 2), s=(_BANK_SIDE, _BANK_SIDE))
            bank[slope].append(np.asarray((out - out.mean()) / out.std(), np.float32))
    return bank


def texture(rng: Rng, slope: float, stretch: float = 1.0) -> Gray:
    """Random field with power spectrum about 1/f^slope, mean about 0 and spread about 1.

    ``stretch`` enlarges it, which makes it coarser and, from 2 on, smooth.
    """
    near = min(SLOPES, key=lambda each: abs(each - slope))
    out = _bank()[near][int(rng.integers(_BANK_EACH))]
    out = np.roll(out, tuple(rng.integers(0, _BANK_SIDE, 2)), (0, 1))
    if rng.uniform() < 0.5:
        out = out.T
    size = int(SIDE / stretch)
    cut = np.ascontiguousarray(out[:size, :size], np.float32)
    if size == SIDE:
        return cut
    return np.asarray(cv2.resize(cut, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR), np.float32)


def texture_bank() -> dict[float, list[Gray]]:
    """The random fields that textures are cut from, by slope; not to be written to."""
    return _bank()
