"""Vessels and bronchi of the lung: trees that thin out from the hilum and end before the pleura."""

from __future__ import annotations

from collections import deque
from math import cos, sin

import cv2
import numpy as np
from numpy.typing import NDArray

from trainer.phantoms.drawing import SIDE, Gray, Rng
from trainer.phantoms.thorax.frame import AIR, FAT, MUSCLE, Section

Canvas = NDArray[np.uint8]
Root = tuple[float, float, float, float]
"""Column, row, direction, width."""
Segment = tuple[float, float, float, float, float]
"""Width, column and row of the start, of the end."""


def _fixed(x: float, y: float) -> tuple[int, int]:
    return int(x * 16), int(y * 16)


def grow(
    rng: Rng, depth: Gray, roots: list[Root], *, shrink: float = 0.8, margin: float = 4.0, gap: float = 0.2,
    most: int = 200, twigs: float = 0.5,
) -> list[Segment]:  # fmt: skip
    """Branches from roots, all in pixels, as far as ``margin`` from the border.

    A slice shows a branch in part only: ``gap`` is the share of pieces that lie outside of it.
    """
    out: list[Segment] = []
    open_ends = deque(roots)
    chance, bend = rng.random((most, 4)).tolist(), rng.normal(0, 0.2, most).tolist()
    for (stay, split, sign, lean), curve in zip(chance, bend, strict=True):
        if not open_ends:
            break
        x, y, turn, width = open_ends.popleft()
        step = 3 + 3 * lean + width
        nx, ny = x + step * cos(turn), y + step * sin(turn)
        inside = 0 <= nx < SIDE and 0 <= ny < SIDE and depth[int(ny), int(nx)] >= margin
        if not inside and out:
            continue
        if stay > gap:
            out.append((width, x, y, nx, ny))
        turn += curve
        if split < twigs:
            fork = (0.35 + 0.6 * lean) * (1 if sign > 0.5 else -1)
            twig = width * (0.35 + 0.4 * stay)
            if twig > 0.3:
                open_ends.append((nx, ny, turn + fork, twig))
            turn, width = turn - 0.3 * fork, width * shrink
        else:
            width *= 0.5 + 0.5 * shrink
        if width > 0.3:
            open_ends.append((nx, ny, turn, width))
    return out


def paint(canvas: Canvas, segments: list[Segment] | NDArray[np.float64], *, faint: float = 0.3) -> None:
    """Draw segments, the thin ones first; what is thinner than a pixel is fainter."""
    pieces = np.asarray(segments, np.float64).reshape(-1, 5)
    group = np.searchsorted(_GROUPS, pieces[:, 0])
    fixed = np.round(pieces[:, 1:] * 16).astype(np.int32).reshape(-1, 2, 2)
    for number in np.unique(group):
        width = float(pieces[group == number, 0].mean())
        level = int(255 * min(1.0, faint + (1 - faint) * min(width, 2) / 2))
        some = list(fixed[group == number])
        cv2.polylines(canvas, some, False, level, max(1, round(width)), cv2.LINE_AA, 4)


_GROUPS = (0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 2.5, 3.5, 4.5, 5.5, 6.5)
"""Widths that are drawn at once."""


def _roots(rng: Rng, s: Section, side: int, width: float, count: int) -> list[Root]:
    """Where the trees of one lung begin: at its hilum, or all over where the slice misses that."""
    turns = np.linspace(-1.45, 1.45, count) + rng.normal(0, 0.25, count)  # to all sides of a hilum
    hilar = rng.random(count) < (0.65 if s.level in (2, 3) else 0.0)
    x = np.where(hilar, rng.uniform(26, 46, count), s.a * rng.uniform(0.32, 0.7, count))
    near, far = rng.normal(0.1, 0.12, count), rng.uniform(-0.6, 0.6, count) + 0.2 * np.sin(turns)
    y = np.where(hilar, near, far) * s.b
    away = np.arctan2(y - 0.1 * s.b, np.abs(x) - 0.3 * s.a) + rng.normal(0, 0.4, count)
    turns = np.where(hilar, turns, away)
    thick = width * rng.uniform(0.45, 1.0, count) * np.where(hilar, 1, rng.uniform(0.15, 0.45, count))
    if s.level == 0:
        thick = thick * 0.6
    if (side < 0) != s.frame.flip:
        turns = np.pi - turns
    points = s.frame.px(np.stack([side * x, y], 1))
    columns = (points[:, 0], points[:, 1], turns, thick)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def vessels(rng: Rng, s: Section) -> None:
    """Trees, cross sections, and bronchi with their walls."""
    canvas = np.zeros((SIDE, SIDE), np.uint8)
    width = rng.uniform(3.2, 6.5) * s.frame.scale
    rich = rng.uniform(0.5, 1.3)
    for side, lung in zip((-1, 1), s.lungs, strict=True):
        depth = s.depth(lung)
        inside = np.flatnonzero(depth > 4)
        if len(inside) < 30:
            continue
        trees = _roots(rng, s, side, width, int(rng.integers(7, 15) * rich) + 3)
        paint(canvas, grow(rng, depth, trees, shrink=rng.uniform(0.7, 0.82), gap=rng.uniform(0.03, 0.25)))
        hilum = s.frame.px(np.array([[side * 35.0, 0.1 * s.b]]))[0]
        count = int(len(inside) * rng.uniform(0.004, 0.014) * rich)
        y, x = np.divmod(rng.choice(inside, count), SIDE)
        dx, dy = x - hilum[0], y - hilum[1]
        size = rng.normal(1.3, 0.4, count) * (1.1 - np.hypot(dx, dy) / (s.a * s.frame.wide))
        size = np.maximum(0.3, size) * (0.55 + 0.5 * s.frame.scale)
        turn = np.arctan2(dy, dx) + rng.normal(0, 0.4, count)
        long = np.where(rng.random(count) < 0.6, 0.0, rng.uniform(2, 7, count))
        ends = (x + long * np.cos(turn), y + long * np.sin(turn))
        paint(canvas, np.stack([np.where(size < 1.2, size, np.minimum(1.5 * size, 3.6)), x, y, *ends], 1))
    mask = np.asarray(canvas / 255, np.float32)
    inner = s.both
    mask = np.asarray(cv2.GaussianBlur(mask, (0, 0), rng.uniform(0.4, 0.7)) * inner, np.float32)
    s.d.lay(mask, MUSCLE, "vessel")
    _bronchi(rng, s)


def _bronchi(rng: Rng, s: Section) -> None:
    """Bronchi beside their vessels, near the hilum, across the slice or along it."""
    wall = np.zeros((SIDE, SIDE), np.uint8)
    lumen = np.zeros((SIDE, SIDE), np.uint8)
    count = int(rng.integers(0, 7)) if s.level else 0
    side = rng.choice([-1, 1], count)
    out = rng.uniform(0.05, 0.35, count)
    at = np.stack([side * (0.24 + out) * s.a, (0.1 + rng.normal(0, 0.6, count) * out) * s.b], 1)
    middle = np.array([0.0, 0.1 * s.b])
    long = np.where(rng.random(count) < 0.75, 0.0, rng.uniform(3, 11, count))[:, None]
    away = (at - middle) / (np.linalg.norm(at - middle, axis=1, keepdims=True) + 1e-6)
    starts, ends = s.frame.px(at), s.frame.px(at + away * long)
    sizes = rng.uniform(1.6, 3.2, count) * (1.1 - out) * s.frame.scale
    for start, end, size in zip(starts.tolist(), ends.tolist(), sizes.tolist(), strict=True):
        cv2.line(wall, _fixed(*start), _fixed(*end), 255, max(2, round(2 * size + 1)), cv2.LINE_AA, 4)
        cv2.line(lumen, _fixed(*start), _fixed(*end), 255, max(1, round(2 * size - 0.6)), cv2.LINE_AA, 4)
        beside = (start[0] + 1.8 * size, start[1] + 1.2 * size)
        cv2.circle(wall, _fixed(*beside), int(14 * size), 255, -1, cv2.LINE_AA, 4)
    inner = s.both / 255
    s.d.lay(np.asarray(cv2.blur(wall, (2, 2)) * inner * rng.uniform(0.4, 0.8), np.float32), FAT)
    s.d.lay(np.asarray(cv2.blur(lumen, (2, 2)) * inner * rng.uniform(0.6, 1.0), np.float32), AIR)
