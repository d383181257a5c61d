"""The bones of the chest: ribs that cross over the lungs, spine, collar bones, shoulder blades, arms."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from trainer.phantoms.chest.frame import SHIFT, Canvas, Frame, Points, canvas, fixed, gray, smooth
from trainer.phantoms.drawing import Gray, Rng


@dataclass(frozen=True)
class Bones:
    """Density of the bones, by how they lie."""

    ribs: Gray
    spine: Gray
    shoulders: Gray


def _bands(drawn: Canvas, paths: Points, half: NDArray[np.float64], core: int, edge: int) -> None:
    """Bones along paths (bones, points, 2) in pixels: pale cores between two lines of compact bone."""
    along = np.diff(paths, axis=1)
    along = np.concatenate([along, along[:, -1:]], 1)
    along /= np.sqrt((along**2).sum(-1, keepdims=True)) + 1e-6
    across = along[..., ::-1] * (-1, 1) * half[..., None]
    upper, lower = fixed(paths + across), fixed(paths - across)
    for each in np.concatenate([upper, lower[:, ::-1]], 1):
        cv2.fillPoly(drawn, [each], core, cv2.LINE_AA, SHIFT)
    cv2.polylines(drawn, [*upper, *lower], False, edge, 1, cv2.LINE_AA, SHIFT)


def _ribs(rng: Rng, f: Frame, wall: Points) -> Gray:
    """Posterior ribs fall outwards from the spine; anterior ribs, fainter, fall inwards from the wall."""
    behind, before = canvas(), canvas()
    child = f.build == 0
    pitch = rng.uniform(0.095, 0.12)
    drop = rng.uniform(0.06, 0.22) if child else rng.uniform(0.12, 0.34)
    front = rng.uniform(0.16, 0.3) if child else rng.uniform(0.2, 0.4)
    half = f.tall * pitch * rng.uniform(0.2, 0.29)
    core = int(rng.integers(100, 170))
    edge = core + int(rng.integers(20, 85))
    u = np.linspace(0, 1, 12)
    taper = half * (0.75 + 0.3 * np.sin(np.pi * u))
    number = np.arange(12)[:, None]
    for side in (-1, 1):
        start = -0.07 + number * pitch + rng.normal(0, 0.01) + rng.normal(0, 0.003, (12, 1))
        lean = drop * np.minimum(1.0, 0.4 + 0.1 * number)
        end = start + lean
        reach = np.interp(end, wall[:, 1], wall[:, 0]) * 1.025 + 0.01
        x = side * (0.07 + (reach - 0.07) * np.sin(u * np.pi / 2) ** 0.9)
        y = (
            start
            + lean * (0.35 * u + 0.65 * u**2)
            - 0.03 * np.sin(np.pi * u) * np.minimum(1.0, 0.4 + 0.3 * number)
        )
        _bands(behind, f.pixels(np.stack([x, y], -1)), taper, core, edge)
        inner = rng.uniform(0.3, 0.48, (12, 1))
        x = side * (reach - (reach - inner) * u**1.15)
        y = end + front * (0.5 + 0.07 * number) * u + 0.05 * np.sin(np.pi * u)
        _bands(before, f.pixels(np.stack([x, y], -1)[1:8]), taper * 1.12, core, edge)
    spread = rng.uniform(0.5, 1.2)
    share = rng.uniform(0.3, 0.75)
    return np.asarray(gray(behind, spread) + share * gray(before, spread * 1.2), np.float32)


def _spine(rng: Rng, f: Frame) -> Gray:
    """Bodies with bright end plates, pedicles like a pair of eyes, and spinous processes."""
    drawn, pitch = canvas(), rng.uniform(0.085, 0.105)
    half, curve = rng.uniform(0.075, 0.105), rng.normal(0, 0.025)
    y = np.arange(-6, 26) * pitch
    x = f.turned * 0.4 + curve * np.sin(y * 3)
    gap, wide = pitch * 0.42, half * (0.8 + 0.25 * np.clip(y, 0, 1))
    box = np.array([(-1, -1), (1, -1), (0.9, 0), (1, 1), (-1, 1), (-0.9, 0)], np.float64)
    size = np.stack([wide, np.full_like(wide, gap)], -1)[:, None]
    centres = np.stack([x, y], -1)[:, None]
    px = fixed(f.pixels(centres + box * size))
    for each in px:
        cv2.fillPoly(drawn, [each], 105, cv2.LINE_AA, SHIFT)
    cv2.polylines(drawn, [*px[:, :2], *px[:, 3:5]], False, 190, 1, cv2.LINE_AA, SHIFT)
    eyes = np.array([(-0.6, -0.3), (0.6, -0.3), (-f.turned * 3, 0.35)])
    for each, (cx, cy) in enumerate(fixed(f.pixels(centres + eyes * size)).reshape(-1, 2)):
        axes = (int(0.2 * half * f.wide * 16), int(0.36 * gap * f.tall * 16))
        cv2.ellipse(drawn, (int(cx), int(cy)), axes, 0, 0, 360, 200 + 10 * (each % 3), 1, cv2.LINE_AA, SHIFT)
    return gray(drawn, rng.uniform(0.6, 1.9))


def _arm(rng: Rng, f: Frame, drawn: Canvas, side: int, *, raised: bool) -> None:
    """The head of the humerus at the shoulder, and its shaft down beside the chest or up beside the head."""
    x, y = side * rng.uniform(1.1, 1.25), rng.uniform(-0.08, 0.06)
    if raised:
        end = (x + side * rng.uniform(-0.1, 0.25), y - 0.7)
    else:
        end = (x + side * rng.uniform(0.08, 0.3), y + 0.7)
    path = f.pixels(np.linspace((x, y), end, 8))
    width = f.wide * rng.uniform(0.055, 0.085)
    _bands(drawn, path[None], np.linspace(1.5, 0.9, 8) * width, 110, 200)
    cx, cy = (int(each) for each in fixed(path[0]))
    axes = (int(width * 30), int(width * 30))
    cv2.ellipse(drawn, (cx, cy), axes, 0, 0, 360, 130, -1, cv2.LINE_AA, SHIFT)


def _shoulders(rng: Rng, f: Frame, *, raised: bool) -> Gray:
    drawn, blades = canvas(), canvas()
    for side in (-1, 1):
        inner, outer = rng.uniform(0.07, 0.11) + side * f.turned * 0.5, rng.uniform(0.8, 1.0)
        low = rng.uniform(0.06, 0.18)
        high = low - (rng.uniform(0.1, 0.3) if raised else rng.uniform(0.0, 0.17))
        line = np.array(
            [(inner, low + 0.01), (inner + 0.1, low + 0.012), (0.36, low - 0.015),
             (0.62, (low + high) / 2 - 0.05), (outer - 0.12, high - 0.01), (outer, high + 0.02)]
        )  # fmt: skip
        line[:, 0] *= side
        path = f.pixels(smooth(line, closed=False))
        t = np.linspace(0, 1, len(path))
        half = (1.3 - 1.2 * t * (1 - t)) * f.wide * rng.uniform(0.022, 0.034)
        _bands(drawn, path[None], half, 120, 200)
        shift, lift = rng.uniform(-0.05, 0.16), rng.uniform(-0.08, 0.02)
        blade = np.array([(0.62, 0.08), (1.08, 0.02), (1.02, 0.2), (0.84, 0.5), (0.74, 0.5), (0.66, 0.28)])
        blade = (blade + np.array((shift, lift))) * (side, 1)
        px = f.pixels(smooth(f.jitter(rng, blade, 0.02)))
        cv2.fillPoly(blades, [fixed(px)], 70, cv2.LINE_AA, SHIFT)
        cv2.polylines(blades, [fixed(px)], True, 150, 1, cv2.LINE_AA, SHIFT)
        if rng.uniform() < 0.85:
            _arm(rng, f, drawn, side, raised=raised)
    return np.asarray(
        gray(drawn, rng.uniform(0.6, 1.0)) + rng.uniform(0.2, 0.8) * gray(blades, 1.2), np.float32
    )


def bones(rng: Rng, f: Frame, wall: Points, *, raised: bool) -> Bones:
    """All bones; ``wall`` is the inner chest wall as (x, y) with y rising."""
    return Bones(_ribs(rng, f, wall), _spine(rng, f), _shoulders(rng, f, raised=raised))
