"""The lungs in cross section and what lies between and below them: heart, great vessels, airways, liver."""

from __future__ import annotations

import cv2
import numpy as np

from trainer.phantoms.drawing import SIDE, Gray, Rng, polygon, texture
from trainer.phantoms.thorax.frame import AIR, FAT, LUNG, MUSCLE, Section
from trainer.phantoms.thorax.wall import spine

_KNOTS = (-1.15, -0.75, -0.35, 0.0, 0.35, 0.6, 0.8, 1.15)
_WIDTHS = (
    ((30, 30, 28, 26, 26, 26, 27, 30), (30, 30, 28, 26, 26, 26, 27, 30)),
    ((6, 9, 22, 24, 20, 21, 23, 28), (6, 9, 20, 32, 26, 25, 24, 28)),
    ((5, 8, 24, 30, 22, 21, 23, 28), (5, 10, 26, 30, 26, 25, 24, 28)),
    ((6, 12, 24, 26, 18, 21, 23, 28), (6, 12, 22, 22, 20, 25, 24, 28)),
    ((8, 16, 24, 24, 18, 21, 23, 28), (10, 18, 26, 22, 20, 25, 24, 28)),
)
"""Half widths in millimetres from front to back, left and right of the viewer, by level."""


Oval = tuple[float, float, float, float, float, float]
"""Middle, half axes, angle, and how much the outline wavers."""


def _band(rng: Rng, s: Section, shift: float) -> Gray:
    """Mask of the fat and all else between the lungs, from the sternum to the spine."""
    stretch = rng.uniform(0.85, 1.15)
    right, left = (np.array(each) * stretch * rng.uniform(0.85, 1.2, 8) for each in _WIDTHS[s.level])
    if s.level:
        meet = np.exp(rng.normal(0, 0.45))  # how near the lungs come to each other in front
        right[:2], left[:2] = right[:2] * meet, left[:2] * meet
    v = np.linspace(-1.15, 1.15, 40)
    middle = shift * np.clip(1 - v, 0, 1) + rng.normal(0, 5) * np.exp(-((v + 0.8) ** 2) / 0.1)
    soft = np.array([1.0, 2.0, 3.0, 2.0, 1.0]) / 9  # no corners where the widths change
    right, left = (
        np.convolve(np.pad(np.interp(v, _KNOTS, w), 2, "edge"), soft, "valid") for w in (right, left)
    )
    a, b = np.stack([middle - right, v * s.b], 1), np.stack([middle + left, v * s.b], 1)
    return s.frame.fill(np.concatenate([a, b[::-1]]))


def _organs(rng: Rng, s: Section) -> list[Oval]:
    """Heart and great vessels of a level, and what the diaphragm lifts into the slice."""
    b, out = s.b, list[Oval]()
    if s.level == 0:
        for side in (-1, -1, -1, 1, 1, 1):
            out.append((side * rng.uniform(12, 26), rng.uniform(-0.5, 0.3) * b, 5, 6, 0, 0.06))
    elif s.level == 1:
        out.append((8, -0.05 * b, 14, rng.uniform(26, 36), rng.uniform(-0.9, -0.5), 0.06))
        out.append((-20, -0.2 * b, 8, 9, 0, 0.06))
    else:
        aorta = rng.uniform(10, 14)
        out.append((20, 0.42 * b, aorta, aorta, 0, 0.06))
    if s.level == 2:
        out.append((-10, -0.3 * b, 15, 15, 0, 0.06))
        out.append((16, -0.2 * b, 13, 18, -0.4, 0.06))
        out.append((-26, -0.12 * b, 8, 9, 0, 0.06))
    if s.level in (2, 3):  # vessels where they enter the lungs
        for side in (-1, -1, -1, 1, 1, 1)[:: int(rng.integers(1, 4))]:
            x, y = side * rng.uniform(26, 44), rng.normal(0.08, 0.13) * b
            out.append((x, y, 8, 9, rng.uniform(0, 3), 0.2))
    if s.level >= 3:
        big = rng.uniform(0.8, 1.25) * (1.0 if s.level == 3 else rng.uniform(0.5, 1.1))
        out.append((rng.uniform(12, 26), -0.28 * b, 56 * big, 42 * big, rng.uniform(0.2, 0.7), 0.07))
        out.append((-14, -0.22 * b, 30 * big, 34 * big, 0.2, 0.07))
    if s.level == 4:
        high = rng.choice([rng.uniform(0.14, 0.26), rng.uniform(0.26, 0.42)])
        x, y = -s.a * rng.uniform(0.4, 0.56), rng.uniform(-0.25, 0.1) * b
        out.append((x, y, s.a * high, b * high * rng.uniform(1.2, 1.7), rng.uniform(-0.2, 0.3), 0.09))
        if rng.uniform() < 0.6:
            high = rng.uniform(0.1, 0.32)
            x, y = s.a * rng.uniform(0.45, 0.6), rng.uniform(-0.1, 0.3) * b
            out.append((x, y, s.a * high, b * high * 1.5, rng.uniform(-0.4, 0.2), 0.1))
    return out


def _between(rng: Rng, s: Section, shift: float) -> tuple[Gray, Gray]:
    """Masks of all between the lungs, and of the part that is blood or muscle rather than fat."""
    solid, size = s.frame.blob(rng, 0, spine(s) + 4, 22, 19), rng.uniform(0.85, 1.2)
    for x, y, rx, ry, angle, wobble in _organs(rng, s):
        oval = s.frame.blob(rng, x + shift, y, rx * size, ry * size, angle=angle, wobble=wobble)
        solid = np.maximum(solid, oval)
    return np.maximum(_band(rng, s, shift), solid), solid


def lungs(rng: Rng, s: Section) -> None:
    """Lungs, and what lies between them."""
    shift = float(rng.normal(0, 3) if rng.uniform() < 0.85 else rng.normal(0, 12))
    if s.level == 0:
        cavity = [
            s.frame.blob(
                rng, side * s.a * rng.uniform(0.5, 0.58), rng.normal(4, 5), s.a * rng.uniform(0.33, 0.43),
                s.b * rng.uniform(0.7, 0.95), angle=side * rng.uniform(-0.1, 0.35), wobble=0.06,
            )
            for side in (-1, 1)
        ]  # fmt: skip
    else:
        notched = s.rim.copy()
        dip = rng.uniform(10, 26) * np.exp(-((notched[:, 0] / 28) ** 2))
        notched[:, 1] -= np.where(notched[:, 1] > 0, dip, -0.4 * dip)
        whole, middle = s.frame.fill(notched), s.frame.px(np.array([[shift, -300.0], [shift, 300.0]]))
        x0, x1 = middle[:, 0]
        y0, y1 = middle[:, 1]
        edge = np.array([[x0, y0], [x1, y1], [x1 - 900, y1], [x0 - 900, y0]])
        west = polygon(edge)
        halves = [whole * west, whole * (1 - west)]
        cavity = [np.asarray(half, np.float32) for half in (halves[::-1] if s.frame.flip else halves)]
    between, solid = _between(rng, s, shift)
    soft = max(3, int(rng.uniform(5, 9) * s.frame.scale) | 1)
    for mask in cavity:
        open_lung = cv2.blur(cv2.blur(mask * (1 - between), (soft, soft)), (soft, soft))
        s.lungs.append(np.asarray(np.clip((open_lung - 0.5) * 3.5 + 0.5, 0, 1), np.float32))
    fat = rng.uniform(0.2, 1.0)
    s.d.lay(np.asarray(between * (1 - solid), np.float32), fat * FAT + (1 - fat) * MUSCLE)
    s.d.note(between, "soft_tissue")
    dyed = rng.uniform(0.1, 0.3) if rng.uniform() < 0.35 else 0.0  # contrast medium
    s.d.lay(solid, MUSCLE + dyed + 0.015 * texture(rng, 1.5))


def parenchyma(rng: Rng, s: Section) -> None:
    """Air and walls of the lung, denser towards the back, more so in expiration."""
    level = LUNG + rng.normal(0, 0.03) + (rng.uniform(0.05, 0.2) if rng.uniform() < 0.15 else 0.0)
    rows = np.linspace(-1, 1, SIDE, dtype=np.float32)[:, None]
    slope = rng.uniform(0.0, 0.08)
    mottle = rng.uniform(0.005, 0.03) * texture(rng, 2.5, rng.uniform(1, 2))
    grain = rng.uniform(0.005, 0.03) * texture(rng, rng.uniform(0.5, 1.5))
    specks = rng.uniform(0.0, 0.12) * np.clip(texture(rng, rng.uniform(0.8, 2)) - 1, 0, 2)  # finest vessels
    both = s.both
    s.d.lay(both, np.asarray(level + slope * rows + mottle + grain + specks, np.float32), "lung")
    if rng.uniform() < 0.3:  # dependent density: a healthy lung's back, when lying
        size = rng.uniform(4, 14) * s.frame.scale
        depth = s.depth(both)
        low = both * np.exp(-((depth / size) ** 2)) * np.clip(rows * 2 - 0.3, 0, 1)
        s.d.add(np.asarray(low, np.float32), rng.uniform(0.06, 0.28))
    if rng.uniform() < 0.5 and s.level:
        _fissures(rng, s)


def _fissures(rng: Rng, s: Section) -> None:
    for side, lung in zip((-1, 1), s.lungs, strict=True):
        u = np.linspace(0, 1, 14)
        y = s.b * (rng.uniform(0.0, 0.3) + rng.uniform(-0.5, 0.4) * u) + rng.normal(0, 60) * u * (1 - u)
        line = s.frame.lines([np.stack([side * (30 + (s.a - 30) * u), y], 1)], 1)
        s.d.lay(np.asarray(line * lung * rng.uniform(0.08, 0.35), np.float32), MUSCLE)


def _bronchial(rng: Rng, s: Section, shift: float, size: float) -> list[Gray]:
    """The two main bronchi, or the fork that they come from."""
    y, far = s.b * rng.uniform(0.0, 0.15), rng.uniform(6, 24)
    out = []
    for side in (-1, 1):
        x, turn = shift + side * far, side * rng.uniform(-0.1, 0.9)
        out.append(s.frame.blob(rng, x, y, (7 + 0.3 * far) * size, 7 * size, angle=turn, wobble=0.05))
        if far > 16 and rng.uniform() < 0.7:
            path = np.array([[x, y], [x + side * rng.uniform(10, 22), y + rng.uniform(-12, 14)]])
            out.append(s.frame.lines([path], rng.uniform(5, 9)))
    return out


def airways(rng: Rng, s: Section) -> None:
    """Trachea, carina or main bronchi, gullet."""
    b, size, shift = s.b, rng.uniform(0.8, 1.2), rng.normal(0, 3)
    spots: list[Gray] = []

    def put(x: float, y: float, rx: float, ry: float, wobble: float) -> None:
        spots.append(s.frame.blob(rng, x, y, rx, ry, wobble=wobble))

    if s.level <= 1:
        put(shift - 2, b * rng.uniform(-0.05, 0.15), 8 * size, 9.5 * size, 0.05)
    elif s.level == 2:
        spots = _bronchial(rng, s, shift, size)
    elif s.level == 3:
        for side in (-1, -1, 1, 1)[:: int(rng.integers(1, 3))]:
            x, y = side * rng.uniform(24, 40), b * rng.normal(0.15, 0.08)
            put(x, y, rng.uniform(2.5, 5.5), rng.uniform(2.5, 5.5), 0.1)
    if rng.uniform() < 0.3:  # a little air in the gullet
        put(rng.normal(6, 4), b * rng.uniform(0.25, 0.34), 2.5, 2, 0.2)
    if s.level == 4 and rng.uniform() < 0.25:  # gas in the stomach
        put(s.a * 0.5, -0.1 * b, rng.uniform(8, 18), rng.uniform(6, 14), 0.1)
    air = AIR + rng.uniform(0, 0.03)
    for spot in spots:
        s.d.lay(spot, air, "air")
