"""Slices of a head as clinical pictures show it: nine views, six contrasts, six kinds of lesion.

Drawn from general knowledge of anatomy and of what each lesion looks like in textbooks; from no image.
"""

from __future__ import annotations

import cv2
import numpy as np

from trainer.phantoms.drawing import SIDE, Drawing, Rng, X, Y, blank
from trainer.phantoms.head.axial import axial
from trainer.phantoms.head.canvas import Canvas, Levels, grain
from trainer.phantoms.head.coronal import coronal
from trainer.phantoms.head.lesions import LESIONS, draw_lesion, plan
from trainer.phantoms.head.sagittal import sagittal
from trainer.phantoms.head.sites import AXIAL, SAGITTAL, VIEWS, WITH_SELLA, sites

CONTRASTS = ("T1", "T1 with agent", "T2", "FLAIR", "PD", "CT")
FRAMES = ("tight", "loose", "with the face", "with the neck")
VENTRICLES = (0.75, 1.35)
"""Sizes between the classes of ventricles."""
SHOWS_VENTRICLES = (1, 2, 7)

_VIEW_SHARES = (0.09, 0.14, 0.14, 0.12, 0.13, 0.09, 0.07, 0.13, 0.09)
_BASE_SHARES = (0.0, 0.0, 0.0, 0.26, 0.37, 0.0, 0.0, 0.37, 0.0)
_LEVELS = {
    # fat, muscle, gray, white, fluid, bone, marrow, vein, plexus, mucosa, lesion, dead, swelling
    0: (0.85, 0.40, 0.40, 0.50, 0.13, 0.04, 0.65, 0.16, 0.36, 0.42, 0.31, 0.20, 0.31),
    1: (0.88, 0.42, 0.41, 0.47, 0.15, 0.04, 0.65, 0.95, 0.80, 0.80, 0.80, 0.20, 0.32),
    2: (0.70, 0.22, 0.50, 0.36, 0.92, 0.04, 0.45, 0.08, 0.75, 0.80, 0.68, 0.88, 0.76),
    3: (0.62, 0.30, 0.48, 0.40, 0.09, 0.04, 0.42, 0.12, 0.50, 0.70, 0.72, 0.26, 0.80),
    4: (0.66, 0.42, 0.62, 0.52, 0.58, 0.05, 0.50, 0.12, 0.60, 0.65, 0.80, 0.66, 0.74),
    5: (0.10, 0.42, 0.44, 0.39, 0.20, 1.70, 1.30, 0.56, 0.62, 0.36, 0.60, 0.26, 0.28),
}


def _levels(rng: Rng, contrast: int) -> Levels:
    values = [float(np.clip(each * rng.uniform(0.87, 1.13), 0.01, 2)) for each in _LEVELS[contrast]]
    if contrast < 5:
        # Fat near the coil outshines the brain, or is suppressed.
        values[0] *= rng.uniform(0.25, 0.5) if rng.uniform() < 0.15 else rng.uniform(0.8, 1.5)
        values[6] *= rng.uniform(0.5, 1.1)
    between = rng.uniform(0.2, 1.2)
    values[3] = values[2] + between * (values[3] - values[2])
    return Levels(*values)


def _frame(rng: Rng, view: int) -> tuple[int, float, float]:
    """Class of the frame, pixels per unit, and the height that is at the picture's middle."""
    if view in AXIAL:
        frame = int(rng.uniform() < 0.4)
        share = rng.uniform(0.6, 0.84) if frame else rng.uniform(0.88, 1.04)
        return frame, float(SIDE * share / 2.26), 0.0
    frame = int(rng.choice((0, 2, 3), p=(0.3, 0.32, 0.38)))
    low = {0: (0.95, 1.2), 2: (1.3, 1.6), 3: (1.75, 2.15)}[frame]
    bottom, top = rng.uniform(*low), -rng.uniform(0.86, 1.05)
    if view not in SAGITTAL and frame == 0:
        bottom -= 0.2
    return frame, float(SIDE / (bottom - top)), float((bottom + top) / 2)


def _canvas(rng: Rng, view: int, contrast: int, d: Drawing) -> Canvas:
    frame, scale, middle = _frame(rng, view)
    degrees = rng.uniform(-25, 25) if rng.uniform() < 0.3 else rng.normal(0, 5)
    tilt = np.radians(degrees)
    flip = -1 if rng.uniform() < (0.3 if view in SAGITTAL else 0.5) else 1
    wide = rng.uniform(0.85, 1.2) if rng.uniform() < 0.35 else rng.normal(1, 0.03)
    wide = float(np.clip(wide, 0.8, 1.2))
    co, si = np.cos(tilt), np.sin(tilt)
    linear = np.array([[co, -si], [si, co]]) @ np.diag([flip * wide * scale, scale])
    x = rng.normal(-0.1, 0.06) if view in SAGITTAL else rng.normal(0, 0.03)
    shift = np.array([SIDE / 2, SIDE / 2]) + rng.normal(0, 3, 2) - linear @ np.array([x, middle])
    waves = np.array(
        [
            (*rng.normal(0, 2.2, 2), rng.uniform(0, 6.28), *rng.normal(0, 0.012, 2))
            for _ in range(3)
        ]
    )  # fmt: skip
    d.labels["head_frame"] = frame
    return Canvas(d, _levels(rng, contrast), rng, np.column_stack([linear, shift]), scale, waves)


def _finish(rng: Rng, c: Canvas, contrast: int) -> None:
    """What the scanner adds: uneven coils, haze, ghosts, and the window of the export."""
    d = c.d
    d.image *= 1 + rng.uniform(0.01, 0.04) * grain(rng, rng.uniform(0, 1.5))
    if contrast < 5:
        d.image *= 1 + rng.uniform(0, 0.14) * grain(rng, 4, 2.5)
        if d.labels["head_frame"] >= 2 and rng.uniform() < 0.6:  # far from the coil the neck fades
            from_y = c.at(0, rng.uniform(0.6, 1.2))[1]
            length = rng.uniform(0.4, 1.5) * c.scale
            d.image *= np.clip(1 - (Y - np.float32(from_y)) / np.float32(length), rng.uniform(0.1, 0.6), 1)
        if rng.uniform() < 0.15:
            ghost = np.roll(d.image, int(rng.integers(30, 112)), int(rng.integers(2)))
            d.image += np.float32(rng.uniform(0.02, 0.07)) * ghost
        if rng.uniform() < 0.1:
            ripple = np.sin(X * np.float32(rng.normal(0, 0.5)) + Y * np.float32(rng.normal(0, 0.5)))
            d.image *= 1 + np.float32(rng.uniform(0.01, 0.04)) * ripple
    if rng.uniform() < 0.2:
        d.image = np.maximum(d.image, np.float32(rng.uniform(0.03, 0.09)))
    if contrast == 5:
        d.image = np.asarray(np.clip(d.image, 0, 1), np.float32)
    elif rng.uniform() < 0.45:  # a window on the brain: fat and vessels are cut off
        top = c.t.gray * rng.uniform(1.9, 3.2)
        d.image = np.asarray(np.clip(d.image / np.float32(top), 0, 1.05), np.float32)
    spread = rng.uniform(0.35, 0.7)
    if spread > 0.4:
        d.image = np.asarray(cv2.GaussianBlur(d.image, (0, 0), spread), np.float32)


def head(rng: Rng) -> Drawing:
    """One slice, with labels for view, frame, contrast, and kind, size and quadrant of its lesion."""
    lesion = int(rng.choice(len(LESIONS), p=(0.2, 0.14, 0.14, 0.2, 0.16, 0.08, 0.08)))
    view = int(rng.choice(len(VIEWS), p=_BASE_SHARES if lesion == 4 else _VIEW_SHARES))
    contrast = int(rng.choice(len(CONTRASTS), p=(0.15, 0.45, 0.16, 0.12, 0.06, 0.06)))
    d = blank(rng.uniform(0, 0.03))
    d.labels = {"head_view": view, "head_contrast": contrast, "head_lesion": lesion}
    c = _canvas(rng, view, contrast, d)
    s = sites(rng, view, float(np.exp(rng.normal(0, 0.45)).clip(0.35, 2.4)))
    planned = plan(rng, c, s, view, lesion) if lesion else None
    if planned is not None:
        c.push = planned.push(rng)
    if view in AXIAL:
        axial(c, s, view)
    elif view in SAGITTAL:
        sagittal(c, s, view)
    else:
        coronal(c, s, view)
    if planned is not None:
        draw_lesion(rng, c, s, planned)
    if view in SHOWS_VENTRICLES and (planned is None or planned.radius < 12):
        d.labels["ventricle_size"] = int(np.searchsorted(VENTRICLES, s.vents))
    _finish(rng, c, contrast)
    return d


assert set(WITH_SELLA) == {view for view, share in enumerate(_BASE_SHARES) if share}
