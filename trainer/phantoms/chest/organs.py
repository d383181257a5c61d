"""The soft parts of the chest: body, lungs, heart, great vessels, airways, and what lies around them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from trainer.phantoms.chest.frame import SHIFT, Frame, Points, canvas, fixed, gray
from trainer.phantoms.drawing import SIDE, Gray, Rng, texture

WALLS = (
    np.array(
        [(0.17, 0.15), (0.23, 0.04), (0.38, 0.0), (0.56, 0.05), (0.71, 0.16), (0.83, 0.33), (0.91, 0.52),
         (0.97, 0.72), (1.0, 0.9)]
    ),
    np.array(
        [(0.19, 0.16), (0.24, 0.05), (0.38, 0.0), (0.54, 0.03), (0.68, 0.12), (0.81, 0.27), (0.9, 0.43),
         (0.955, 0.6), (0.985, 0.78), (1.0, 0.95)]
    ),
)  # fmt: skip
"""Inner chest wall from beside the windpipe over the apex down to the base, by build."""


def mist(mask: Gray, spread: float) -> Gray:
    """A wide blur, made small first."""
    small = cv2.resize(mask, (56, 56), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), max(spread / 4, 0.3))
    return np.asarray(cv2.resize(small, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR), np.float32)


def join(a: Gray, b: Gray) -> Gray:
    """Union of two soft masks."""
    return np.asarray(a + b - a * b, np.float32)


@dataclass
class Organs:
    """Masks of the soft parts, all 0 to 1."""

    body: Gray
    lungs: tuple[Gray, Gray]
    heart: Gray
    middle: Gray
    vessels: Gray
    airway: Gray
    wall: Points
    heart_size: int
    raised: bool

    @property
    def both(self) -> Gray:
        """Both lungs, also where the heart lies before them."""
        return np.asarray(np.maximum(*self.lungs), np.float32)


def _lung(rng: Rng, f: Frame, wall: Points, side: int, dome: float, angle: float) -> Gray:
    bow, peak = rng.uniform(-0.01, 0.1), rng.uniform(0.4, 0.62)
    floor = np.array(
        [(1.0, angle), (1.0, angle), (0.87, dome + 0.05 + bow), (0.7, dome + 0.012 + 0.3 * bow),
         (peak, dome), (0.3, dome + 0.012 + 0.2 * bow), (0.12, dome + 0.05 + 0.5 * bow),
         (0.06, 0.8), (0.06, 0.5), (0.1, 0.3)]
    )  # fmt: skip
    points = np.concatenate([f.jitter(rng, wall, 0.01), f.jitter(rng, floor, 0.008)])
    points[:, 0] = points[:, 0] * side * (1 - side * f.turned * 0.5)
    return f.fill(points, rng.uniform(0.8, 3.0))


def _heart(rng: Rng, f: Frame, dome: float) -> tuple[Gray, int]:
    size = int(rng.integers(3))
    ratio = rng.uniform(*((0.38, 0.47), (0.49, 0.55), (0.58, 0.7))[size])
    if f.build == 0:
        ratio += 0.04
    right = rng.uniform(0.22, 0.3) + 0.12 * max(ratio - 0.5, 0)
    left = 2 * ratio - right
    low, round_ = dome - rng.uniform(0.0, 0.08), rng.uniform(0.6, 0.9)
    points = np.array(
        [(-0.15, 0.4), (-right * 0.9, 0.52), (-right, 0.68), (-right * 0.97, 0.82), (-0.16, 0.97), (0, 1.15),
         (left * 0.75, dome + 0.14), (left, low), (left * 0.97, low - 0.12), (left * round_, 0.58),
         (0.24, 0.42), (0.2, 0.33)]
    )  # fmt: skip
    return f.fill(f.jitter(rng, points, 0.012) + np.array((f.turned, 0)), rng.uniform(0.7, 1.8)), size


def _middle(rng: Rng, f: Frame) -> Gray:
    """Mediastinum, with the arch of the aorta in adults and at times the thymus in children."""
    half = rng.uniform(0.13, 0.19)
    right, left = half * rng.uniform(0.9, 1.15), half
    if f.build == 0 and rng.uniform() < 0.45:
        right, left = right * rng.uniform(1.0, 1.8), left * rng.uniform(1.1, 2.0)
    knob = left * rng.uniform(1.15, 1.6) if f.build else left
    points = np.array(
        [(-0.12, -0.12), (-right * 0.9, 0.1), (-right, 0.3), (-right * 0.95, 0.45), (-0.1, 0.7), (-0.1, 1.2),
         (0.1, 1.2), (0.12, 0.7), (0.2, 0.42), (left, 0.32), (knob, 0.25), (knob, 0.19), (left * 0.9, 0.13),
         (0.12, -0.12)]
    )  # fmt: skip
    return f.fill(f.jitter(rng, points, 0.008) + np.array((f.turned * 0.7, 0)), rng.uniform(0.8, 2.0))


def branches(rng: Rng, f: Frame, side: int, root: tuple[float, float], first: int) -> list[Points]:
    """Lines that branch outward from a root; each item is one generation, (lines, 3, 2) in pixels."""
    angle = np.linspace(-1.3, 1.45, first) + rng.normal(0, 0.2, first)
    start = np.asarray(root) + rng.normal(0, (0.03, 0.03), (first, 2)) + (0, 0.05) * np.sin(angle)[:, None]
    step, out = rng.uniform(0.2, 0.26), []
    for _ in range(4):
        # Arteries of the bases run down more than outwards.
        bent = angle + rng.normal(0, 0.28, angle.shape) + 0.12 * np.sin(angle)
        length = step * rng.uniform(0.5, 1.3, angle.shape)
        middle = start + np.stack([side * np.cos(angle), 0.78 * np.sin(angle)], 1) * length[:, None] / 2
        end = middle + np.stack([side * np.cos(bent), 0.78 * np.sin(bent)], 1) * length[:, None] / 2
        lines = np.stack([start, middle, end], 1)
        out.append(f.pixels(lines.reshape(-1, 2)).reshape(-1, 3, 2))
        fork = rng.uniform(0.15, 0.55, (2, len(angle))) * np.array([[-1], [1]])
        angle = (bent + fork).reshape(-1)
        start = np.concatenate([end, np.where(rng.uniform(size=(len(end), 1)) < 0.5, middle, end)])
        step *= 0.78
    return out


def lines(generations: list[Points], widths: tuple[float, ...], levels: tuple[int, ...], soft: float) -> Gray:
    """Draw generations of lines, the thin ones first."""
    drawn = canvas()
    for group, width, level in reversed(list(zip(generations, widths, levels, strict=True))):
        cv2.polylines(drawn, list(fixed(group)), False, level, max(1, round(width)), cv2.LINE_AA, SHIFT)
    return gray(drawn, soft)


def _vessels(rng: Rng, f: Frame) -> Gray:
    out = np.zeros((SIDE, SIDE), np.float32)
    thick, blur = rng.uniform(0.6, 1.05) * f.scale, rng.uniform(0.45, 1.1)
    for side in (-1, 1):
        root = (side * rng.uniform(0.19, 0.25) + f.turned * 0.6, rng.uniform(0.42, 0.48) - 0.02 * side)
        tree = branches(rng, f, side, root, int(rng.integers(8, 13)))
        out += lines(tree, (3.0 * thick, 1.8 * thick, 1.0, 1.0), (120, 135, 130, 75), blur)
        comma = np.array([(-0.02, -0.12), (0.06, -0.07), (0.09, 0.02), (0.05, 0.15), (0.0, 0.17), (0, 0.05)])
        comma = f.jitter(rng, comma * rng.uniform(0.8, 1.4), 0.015) * (side, 1) + root
        out = join(np.minimum(out, 1), f.fill(comma, 3.5) * rng.uniform(0.3, 0.7))
    return np.asarray(out, np.float32)


def _airway(rng: Rng, f: Frame) -> Gray:
    """Windpipe, its fork, and the main bronchi."""
    fork, lean = rng.uniform(0.28, 0.36), rng.uniform(-0.03, 0.01)
    x = f.turned * 0.6
    width, drawn = f.wide * rng.uniform(0.07, 0.11), canvas()
    for end in ((-0.2, fork + 0.12), (0.24, fork + 0.14)):
        path = f.pixels(np.array([(x + lean, fork - 0.01), (x + end[0], end[1])]))
        cv2.polylines(drawn, [fixed(path)], False, 110, max(1, round(width * 0.6)), cv2.LINE_AA, SHIFT)
    trunk = f.pixels(np.array([(x, -0.5), (x, 0.0), (x + lean, fork - 0.08), (x + lean, fork)]))
    cv2.polylines(drawn, [fixed(trunk)], False, 255, max(1, round(width)), cv2.LINE_AA, SHIFT)
    return gray(drawn, rng.uniform(1.2, 2.5) * f.scale)


def _body(rng: Rng, f: Frame, *, raised: bool) -> Gray:
    side, hip = rng.uniform(1.14, 1.6), rng.uniform(1.1, 1.5)
    neck = rng.uniform(0.26, 0.42) * (1.15 if f.build == 0 else 1.0)
    rise = rng.uniform(-0.34, -0.08)
    half = (
        [(neck, -0.6), (neck, -0.3), (0.6, rise - 0.1), (0.8, -0.5), (0.85, -0.9), (1.5, -0.9),
         (1.45, -0.1), (side + 0.05, 0.25), (side, 0.6), (hip, 1.2), (hip, 2.6)]
        if raised
        else [(neck * 0.95, -0.9), (neck, -0.3), (0.6, rise), (1.0, rise + 0.04), (1.33, rise + 0.16),
              (1.5, 0.2), (1.65, 0.8), (1.35, 0.8), (side + 0.07, 0.3), (side, 0.55), (hip, 1.2), (hip, 2.6)]
    )  # fmt: skip
    right, left = (f.jitter(rng, np.array(half), 0.02) for _ in range(2))
    return f.fill(np.concatenate([right, left[::-1] * (-1, 1)]), 2.0)


def organs(rng: Rng, f: Frame) -> Organs:
    """Draw the masks of all soft parts of one patient."""
    raised = bool(rng.uniform() < (0.65, 0.1, 0.7)[f.kind] if f.build == 0 else rng.uniform() < 0.04)
    wall = f.jitter(rng, WALLS[f.build], 0.008)
    square = rng.uniform(-0.06, 0.07)
    wall[3:, 0] += square * np.sin(np.linspace(0, np.pi, len(wall) - 3))
    dome, angle = rng.uniform(0.86, 0.96), rng.uniform(0.06, 0.17)
    higher = rng.uniform(0.0, 0.07)
    lungs = (
        _lung(rng, f, wall, -1, dome - higher / 2, dome + angle),
        _lung(rng, f, wall, 1, dome + higher / 2, dome + higher / 2 + angle),
    )
    heart, size = _heart(rng, f, dome + higher / 2)
    return Organs(
        body=_body(rng, f, raised=raised),
        lungs=lungs,
        heart=heart,
        middle=_middle(rng, f),
        vessels=_vessels(rng, f),
        airway=_airway(rng, f),
        wall=wall[2:],
        heart_size=size,
        raised=raised,
    )


def around(rng: Rng, f: Frame, o: Organs, u: Gray, v: Gray, clear: Gray) -> Gray:
    """Density of what the beam meets beside the lungs: upper belly, gas, breasts, jaw."""
    out = rng.uniform(0.1, 0.45) * np.clip((v - 0.85) / 0.25, 0, 1) * o.body * (1 - clear)
    for _ in range(int(rng.choice([0, 1, 2, 6] if f.build == 0 else [0, 0, 1, 2]))):
        x, y = rng.uniform(-0.1, 0.8), rng.uniform(1.06, 1.45)
        size = rng.uniform(0.05, 0.2)
        turn = np.linspace(0, 2 * np.pi, 12, endpoint=False)
        gas = np.stack([x + size * np.cos(turn) * 1.3, y + size * np.sin(turn) * 0.8], 1)
        out -= rng.uniform(0.1, 0.4) * f.fill(f.jitter(rng, gas, 0.02), 1.5) * (1 - o.both)
    if rng.uniform() < 0.6:  # muscle from the chest to the arm
        start, lean = rng.uniform(0.55, 0.85), rng.uniform(0.25, 0.6)
        out += rng.uniform(0.03, 0.15) * np.clip((np.abs(u) - start - lean * v) / 0.08, 0, 1) * o.body
    if rng.uniform() < 0.12:  # a fold of skin ends in a line
        away = rng.choice([-1, 1]) * u - rng.uniform(0.4, 0.9) - rng.uniform(-0.3, 0.3) * (v - 0.5)
        out += rng.uniform(0.04, 0.1) * np.exp(-np.abs(away) / 0.2) * (away < 0) * o.body
    if f.build == 1 and rng.uniform() < 0.4:
        y, size, heavy = rng.uniform(0.6, 0.85), rng.uniform(0.3, 0.45), rng.uniform(0.06, 0.22)
        turn = np.linspace(0, 2 * np.pi, 24, endpoint=False)
        for side in (-1, 1):
            x = side * rng.uniform(0.5, 0.68)
            circle = np.stack([x + size * np.cos(turn), y + size * 0.8 * np.sin(turn)], 1)
            fades = np.clip((v - y + 0.25) / 0.45, 0, 1)
            out += heavy * f.fill(f.jitter(rng, circle, 0.01), 2.5) * fades
    if f.build == 0 and rng.uniform() < 0.5:
        y, x = rng.uniform(-0.42, -0.16), rng.normal(0, 0.12)
        turn = np.linspace(0, 2 * np.pi, 16, endpoint=False)
        jaw = np.stack([x + 0.42 * np.cos(turn), y - 0.32 + 0.32 * np.sin(turn)], 1)
        out += f.fill(jaw, 2.0) * rng.uniform(0.3, 0.6)
    return np.asarray(out * (1 + 0.04 * texture(rng, 3)), np.float32)
