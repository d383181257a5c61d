"""The folded surface of the brain, the skull around it, and the leaves of the cerebellum."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from trainer.phantoms.drawing import SIDE, Gray, X, Y
from trainer.phantoms.head.canvas import Canvas, Path, Points, grain

_FIELD_SIDE = 256


@cache
def _bands() -> list[Gray]:
    """Periodic fields with nearly one wavelength, whose zero lines wind as furrows do."""
    rng = np.random.default_rng(23)
    fy, fx = np.fft.fftfreq(_FIELD_SIDE)[:, None], np.fft.rfftfreq(_FIELD_SIDE)[None, :]
    radius = np.sqrt(fy**2 + fx**2)
    bands = []
    for length in (7.5, 8.5, 9.5, 10.5, 12.0, 13.5) * 3:
        wave = rng.normal(size=radius.shape) + 1j * rng.normal(size=radius.shape)
        out = np.fft.irfft2(wave * np.exp(-(((radius * length - 1) / 0.28) ** 2)), s=(_FIELD_SIDE,) * 2)
        bands.append(np.asarray(out / out.std(), np.float32))
    return bands


def _look(band: Gray, x: Gray, y: Gray) -> Gray:
    out = cv2.remap(band, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    return np.asarray(out, np.float32)


def _depth(inside: NDArray[np.uint8]) -> Gray:
    """Distance to the border; it is smooth, so that half the resolution will do."""
    half = cv2.distanceTransform(np.ascontiguousarray(inside[::2, ::2]), cv2.DIST_L2, 3)
    return np.asarray(cv2.resize(half, (SIDE, SIDE)) * np.float32(2), np.float32)


def grown(points: Points, by: float | Points) -> Points:
    """An outline moved outwards along its normals."""
    along = np.roll(points, -1, 0) - np.roll(points, 1, 0)
    normal = np.stack([along[:, 1], -along[:, 0]], 1)
    normal /= np.sqrt((normal**2).sum(1, keepdims=True)) + 1e-9
    area = np.sum(points[:, 0] * np.roll(points[:, 1], -1) - points[:, 1] * np.roll(points[:, 0], -1))
    return np.asarray(points + np.sign(area) * normal * np.reshape(by, (-1, 1)))


def skull(c: Canvas, cavity: Points) -> None:
    """Bone with marrow around the cavity, fluid in it; of uneven thickness."""
    rng, n = c.rng, len(cavity)
    turn = np.arange(n) / n * 2 * np.pi
    uneven = 1 + 0.3 * np.sin(turn + rng.uniform(0, 6.28)) + 0.2 * np.sin(3 * turn + rng.uniform(0, 6.28))
    thick = rng.uniform(0.035, 0.075) * uneven * (1.5 if c.t.bone > 1 else 1)
    c.fill(grown(cavity, thick), c.t.bone, "bone", pushed=False)
    if rng.uniform() < 0.7:
        marrow = c.mask(grown(cavity, thick * 0.78), pushed=False)
        marrow -= c.mask(grown(cavity, thick * 0.34), pushed=False)
        patchy = np.clip(0.5 + 0.6 * grain(rng, 3), 0, 1)
        c.d.lay(np.asarray(marrow * patchy * rng.uniform(0.3, 1), np.float32), c.t.marrow)
    c.fill(cavity, c.t.fluid, "fluid_space", pushed=False)


def cortex(c: Canvas, brain: Gray, *, medial: float = 0.0, white_share: float = 1.0) -> Gray:
    """Gray matter, white matter under it, and furrows; returns the furrows.

    ``medial``: share of the folds that wind freely, as on the surface in the midline, instead of running
    inwards from the border.
    """
    rng, t = c.rng, c.t
    inside = (brain > 0.5).astype(np.uint8)
    depth = _depth(inside)
    bands, (_, turn) = _bands(), c.polar()
    slow = grain(rng, 3.5, 2)
    bend = rng.uniform(4, 14)
    stretch = rng.uniform(0.5, 1.0) * 88 / c.scale
    shift = np.float32(rng.uniform(0, 256))
    around = turn * np.float32(_FIELD_SIDE / (2 * np.pi)) + bend * slow * (depth * 0.02 + 0.1)
    folds = _look(bands[int(rng.integers(len(bands)))], around, depth * np.float32(0.5 * stretch) + shift)
    # Deeper in, and on the medial surface, folds have no common direction.
    fine = np.float32(0.62 * 88 / c.scale * rng.uniform(0.85, 1.2))
    free = _look(
        bands[int(rng.integers(len(bands)))], X * fine + np.float32(4) * slow + shift, Y * fine + shift
    )
    mix = np.clip((depth / c.scale - rng.uniform(0.05, 0.2)) * 6, 0, 1) * 0.8 + medial
    mix = np.clip(mix, 0, 1)
    folds += mix * (free - folds)
    deep = c.scale * (rng.uniform(0.2, 0.42) + medial * 0.35) * (1 + 0.35 * slow)
    open_ = rng.uniform(0.2, 0.75) * np.clip(1.15 - depth / np.maximum(deep, 3), 0, 1)
    furrow = np.clip((open_ - np.abs(folds)) * 3.5 + 0.25, 0, 1) * (open_ > 0) * brain
    solid = ((furrow < 0.45) & (inside > 0)).astype(np.uint8)
    inward = np.asarray(cv2.distanceTransform(solid, cv2.DIST_L2, 3), np.float32)
    ribbon = c.scale * rng.uniform(0.03, 0.05)
    white = np.clip((inward - ribbon) / rng.uniform(1.2, 2.5) + 0.5, 0, 1) * brain
    white *= np.clip((depth - 0.05 * c.scale) / 4, 0, 1) * white_share
    white = np.asarray(cv2.blur(white, (3, 3)), np.float32)
    c.lay(brain, np.asarray(t.gray * (1 + 0.03 * grain(rng, 1)), np.float32), "brain")
    c.lay(white, t.white, "white_matter")
    furrow = np.asarray(furrow, np.float32)
    c.d.lay(furrow * np.float32(rng.uniform(0.35, 1)), t.fluid)
    # Thin vessels run in the furrows; with an agent they are bright.
    vessel = np.clip(grain(rng, 2, 1.5) - rng.uniform(0.6, 1.6), 0, 1) * furrow
    c.lay(np.asarray(vessel * 0.9, np.float32), t.vein)
    c.brain = np.maximum(c.brain, brain)
    return furrow


def leaves(c: Canvas, outline: Path, *, across: float = 0.0) -> None:
    """A part of the cerebellum: fine leaves around a white tree. ``across``: their direction."""
    rng, t = c.rng, c.t
    mask = c.mask(outline)
    mask *= 1 - np.clip(c.d.parts.get("bone", np.float32(0)) * 1.0, 0, 1)
    depth = _depth((mask > 0.5).astype(np.uint8))
    wave = depth * np.float32(rng.uniform(1.2, 2.0)) + 2.8 * grain(rng, 2.75, rng.uniform(1, 2))
    wave += np.float32(rng.uniform(0.3, 0.9)) * (
        X * np.float32(np.sin(across)) + Y * np.float32(np.cos(across))
    )
    lines = np.clip(np.sin(wave) - rng.uniform(0.2, 0.6), 0, 1)
    white = np.clip((depth - 0.1 * c.scale) / 4 + 0.6 * grain(rng, 2.5), 0, 1) * mask
    c.lay(mask, np.asarray(t.gray * (1 + 0.03 * grain(rng, 1)), np.float32), "brain")
    c.lay(np.asarray(white * rng.uniform(0.4, 1), np.float32), t.white, "white_matter")
    fade = np.clip(1.1 - depth / (0.3 * c.scale), 0.15, 1)
    c.d.lay(np.asarray(lines * mask * fade * rng.uniform(0.2, 0.8), np.float32), t.fluid)
    c.brain = np.maximum(c.brain, mask)


def patchwork(c: Canvas, mask: Gray) -> None:
    """Face and neck: muscle with fat between, some bone and air."""
    rng, t = c.rng, c.t
    base = t.muscle * (1 + 0.12 * grain(rng, 1.5))
    c.lay(mask, np.asarray(base, np.float32), "soft_tissue")
    fat = np.clip((grain(rng, 3, rng.uniform(1, 2.2)) - rng.uniform(-0.2, 0.6)) * 3, 0, 1)
    strands = np.clip((0.35 - np.abs(grain(rng, 2.2, 1.3))) * 5, 0, 1) * rng.uniform(0, 0.7)
    fat = np.asarray(np.maximum(fat, strands) * mask * rng.uniform(0.5, 1), np.float32)
    c.lay(fat, np.asarray(t.fat * (0.9 + 0.1 * grain(rng, 2)), np.float32), "skin_or_fat")
    dark = np.clip((grain(rng, 3.25, rng.uniform(1.4, 2.2)) - rng.uniform(1.0, 1.8)) * 3, 0, 1) * mask
    c.d.lay(np.asarray(dark, np.float32), min(t.bone, 0.05))


def scalp(c: Canvas, outside: Points, thick: float) -> Gray:
    """Skin and fat under it; returns the mask of what is inside of them."""
    head = c.mask(outside, pushed=False)
    c.note(np.asarray(1 - head, np.float32), "air")
    skin = c.t.muscle * c.rng.uniform(0.6, 1.1)
    c.lay(head, skin, "skin_or_fat")
    # Skin itself is thin and darker than the fat under it.
    c.d.lay(c.mask(grown(outside, -0.012), pushed=False), c.t.fat)
    return c.mask(grown(outside, -thick), 0.6, pushed=False)
