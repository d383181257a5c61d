"""Slices of a head as magnetic resonance shows it: four contrasts, three views, six kinds of lesion.

Drawn from general knowledge of anatomy and of what each lesion looks like in textbooks; from no image.
"""

from __future__ import annotations

import numpy as np

from trainer.phantoms.drawing import Drawing, Rng, blank, blob, stroke, texture
from trainer.phantoms.schematic.head_lesions import Levels, Skull, draw_lesion

LESION_SHARES = (0.2, 0.14, 0.14, 0.2, 0.16, 0.08, 0.08)
"""By position in trainer.phantoms.head.lesions.LESIONS."""
VIEWS = ("axial high", "axial at the ventricles", "axial at the base", "sagittal", "coronal")


def _levels(rng: Rng, contrast: int) -> Levels:
    table = {
        0: (0.85, 0.40, 0.40, 0.52, 0.12, 0.30, 0.20, 0.30),
        1: (0.90, 0.42, 0.40, 0.50, 0.12, 0.85, 0.22, 0.30),
        2: (0.70, 0.25, 0.52, 0.38, 0.92, 0.72, 0.88, 0.75),
        3: (0.65, 0.30, 0.50, 0.42, 0.08, 0.72, 0.30, 0.80),
    }
    return Levels(*(float(np.clip(each * rng.uniform(0.82, 1.18), 0.02, 1)) for each in table[contrast]))


def _shell(rng: Rng, d: Drawing, view: int, t: Levels) -> Skull:
    wide, high = {0: (74, 90), 1: (80, 98), 2: (80, 96), 3: (100, 88), 4: (82, 90)}[view]
    zoom = rng.uniform(0.88, 1.28)
    rx, ry = wide * zoom * rng.uniform(0.94, 1.06), high * zoom * rng.uniform(0.94, 1.06)
    cx, cy, tilt = 112 + rng.normal(0, 4), 112 + rng.normal(0, 4), rng.normal(0, 0.06)
    wobble = 0.015
    thick = rng.uniform(4, 9)
    scalp = blob(rng, cx, cy, rx, ry, angle=tilt, wobble=wobble)
    d.note(1 - scalp, "air")
    d.lay(scalp, t.fat * (0.85 + 0.1 * texture(rng, 2)), "skin_or_fat")
    d.lay(blob(rng, cx, cy, rx - thick, ry - thick, angle=tilt, wobble=wobble), 0.05, "bone")
    inner = thick + rng.uniform(4, 9)
    d.lay(blob(rng, cx, cy, rx - inner, ry - inner, angle=tilt, wobble=wobble), t.fluid, "fluid_space")
    inner += rng.uniform(1, 4)
    brain = blob(rng, cx, cy, rx - inner, ry - inner, angle=tilt, wobble=0.02)
    d.lay(brain, t.gray * (1 + 0.05 * texture(rng, 1)), "brain")
    return Skull(cx, cy, rx - inner, ry - inner, tilt, brain)


def _folds(rng: Rng, d: Drawing, s: Skull, t: Levels) -> None:
    """White matter with branches into the folds, and fluid in the furrows."""
    rough = texture(rng, rng.uniform(2.0, 3.0), rng.uniform(1.0, 1.8))
    core = blob(rng, s.cx, s.cy, s.rx * 0.84, s.ry * 0.84, angle=s.tilt, soft=7)
    white = np.clip((core - 0.5 + 0.28 * rough) * 5, 0, 1) * s.brain
    d.lay(white, t.white, "white_matter")
    rim = np.clip(s.brain - blob(rng, s.cx, s.cy, s.rx * 0.8, s.ry * 0.8, angle=s.tilt, soft=8), 0, 1)
    depth = rng.uniform(0.4, 1.3)
    furrows = np.clip(
        (np.abs(texture(rng, 2.5, rng.uniform(1.0, 1.6))) < 0.12 * depth).astype(np.float32), 0, 1
    )
    d.lay(furrows * rim * rng.uniform(0.4, 0.9), t.fluid)


def _axial(rng: Rng, d: Drawing, s: Skull, t: Levels, view: int) -> None:
    top, bottom = s.at(0, -1), s.at(0, 1)
    d.lay(stroke(np.array([top, bottom]), 2, 0.7) * 0.8 * s.brain, t.fluid)
    if view == 1:
        gap, tall, wide = rng.uniform(0.08, 0.16), rng.uniform(0.18, 0.4), rng.uniform(0.04, 0.12)
        for side in (-1, 1):
            x, y = s.at(side * gap, -0.12)
            lean = s.tilt + side * rng.uniform(0.15, 0.45)
            d.lay(blob(rng, x, y, wide * s.rx, tall * s.ry, angle=lean, wobble=0.1), t.fluid, "fluid_space")
            x, y = s.at(side * gap * 1.7, 0.34)
            d.lay(blob(rng, x, y, wide * s.rx, tall * s.ry * 0.6, angle=-lean), t.fluid, "fluid_space")
            x, y = s.at(side * 0.3, 0.0)
            d.lay(blob(rng, x, y, 0.13 * s.rx, 0.2 * s.ry, angle=side * 0.3, soft=2) * 0.8, t.gray)
    elif view == 2:
        for side in (-1, 1):
            x, y = s.at(side * 0.45, -0.85)
            d.lay(blob(rng, x, y, 0.24 * s.rx, 0.2 * s.ry), t.fluid if rng.uniform() < 0.5 else t.muscle)
            d.lay(blob(rng, x, y, 0.16 * s.rx, 0.14 * s.ry), t.fluid)
            x, y = s.at(side * 0.62, 0.22)
            d.lay(blob(rng, x, y, 0.16 * s.rx, 0.12 * s.ry, angle=side), 0.05, "bone")
        x, y = s.at(0, 0.05)
        d.lay(blob(rng, x, y, 0.22 * s.rx, 0.17 * s.ry, wobble=0.12), t.white, "white_matter")
        x, y = s.at(0, 0.28)
        d.lay(blob(rng, x, y, 0.09 * s.rx, 0.06 * s.ry), t.fluid, "fluid_space")
        x, y = s.at(0, 0.58)
        leaves = t.gray * (1 + 0.2 * np.sign(texture(rng, 1.5)))
        d.lay(blob(rng, x, y, 0.55 * s.rx, 0.3 * s.ry, soft=2), np.asarray(leaves, np.float32))
        x, y = s.at(0, -0.3)
        d.lay(blob(rng, x, y, 0.2 * s.rx, 0.1 * s.ry, wobble=0.2), t.fluid, "fluid_space")


def _sagittal(rng: Rng, d: Drawing, s: Skull, t: Levels) -> None:
    facing = rng.choice([-1, 1])
    x, y = s.at(-0.75 * facing, 0.75)
    face = blob(rng, x, y, 0.55 * s.rx, 0.6 * s.ry, wobble=0.2, soft=3)
    d.lay(face, t.muscle * (1 + 0.3 * texture(rng, 2.5)), "soft_tissue")
    x, y = s.at(-0.6 * facing, 0.5)
    d.lay(blob(rng, x, y, 0.2 * s.rx, 0.13 * s.ry, wobble=0.2), 0.04, "air")
    x, y = s.at(0.1, -0.08)
    d.lay(blob(rng, x, y, 0.42 * s.rx, 0.26 * s.ry, angle=s.tilt), t.white, "white_matter")
    x, y = s.at(0.12, 0.0)
    d.lay(blob(rng, x, y, 0.34 * s.rx, 0.2 * s.ry, angle=s.tilt), t.fluid, "fluid_space")
    x, y = s.at(0.1, 0.1)
    d.lay(blob(rng, x, y, 0.2 * s.rx, 0.16 * s.ry, wobble=0.1), t.gray)
    path = np.array([s.at(0.1, 0.2), s.at(0.15 * facing, 0.55), s.at(0.25 * facing, 1.1)])
    d.lay(stroke(path, 0.22 * s.rx, 1.5), t.white, "white_matter")
    x, y = s.at(0.48 * facing, 0.62)
    fine = t.gray * (1 + 0.25 * np.sign(texture(rng, 1.4)))
    d.lay(blob(rng, x, y, 0.3 * s.rx, 0.26 * s.ry, angle=0.4, wobble=0.08), np.asarray(fine, np.float32))


def _coronal(rng: Rng, d: Drawing, s: Skull, t: Levels) -> None:
    d.lay(stroke(np.array([s.at(0, -1), s.at(0, -0.1)]), 2, 0.7) * 0.8, t.fluid)
    for side in (-1, 1):
        x, y = s.at(side * 0.14, -0.15)
        lean = side * rng.uniform(0.5, 0.9)
        wide, tall = rng.uniform(0.05, 0.1), rng.uniform(0.14, 0.25)
        d.lay(blob(rng, x, y, wide * s.rx, tall * s.ry, angle=lean, wobble=0.1), t.fluid, "fluid_space")
        path = np.array([s.at(side * 1.0, 0.15), s.at(side * 0.55, 0.2), s.at(side * 0.4, 0.35)])
        d.lay(stroke(path, 3, 0.8) * 0.8, t.fluid)
        x, y = s.at(side * 0.45, 1.05)
        d.lay(blob(rng, x, y, 0.4 * s.rx, 0.22 * s.ry, wobble=0.2), 0.06, "bone")
    x, y = s.at(0, 0.9)
    d.lay(blob(rng, x, y, 0.22 * s.rx, 0.35 * s.ry, wobble=0.1, soft=1), t.white, "white_matter")
    x, y = s.at(0, 0.12)
    d.lay(blob(rng, x, y, 0.03 * s.rx + 1, 0.14 * s.ry), t.fluid, "fluid_space")


def head(rng: Rng) -> Drawing:
    """One slice, with labels for view, contrast, and kind, size and quadrant of its lesion."""
    view, contrast = int(rng.integers(len(VIEWS))), int(rng.choice(4, p=(0.15, 0.45, 0.2, 0.2)))
    lesion = int(rng.choice(len(LESION_SHARES), p=LESION_SHARES))
    d, t = blank(rng.uniform(0, 0.03)), _levels(rng, contrast)
    d.labels = {"head_contrast": contrast, "head_lesion": lesion}
    s = _shell(rng, d, view, t)
    _folds(rng, d, s, t)
    if view == 3:
        _sagittal(rng, d, s, t)
    elif view == 4:
        _coronal(rng, d, s, t)
    else:
        _axial(rng, d, s, t, view)
    if lesion:
        draw_lesion(rng, d, s, t, view, lesion)
    if contrast == 1 and rng.uniform() < 0.6:
        for _ in range(int(rng.integers(2, 9))):
            start = np.array(s.at(*rng.uniform(-0.9, 0.9, 2)))
            path = start + np.cumsum(rng.normal(0, 5, (5, 2)), 0)
            d.lay(stroke(path, rng.uniform(1, 2.5)) * s.brain, t.lesion, "vessel")
    # Coils receive unevenly.
    d.image *= 1 + rng.uniform(0, 0.15) * texture(rng, 4, 2.5)
    return d
