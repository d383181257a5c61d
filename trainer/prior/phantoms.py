"""Phantoms of a head and a chest, with lesions drawn from general knowledge and from no image."""

from __future__ import annotations

import numpy as np

from trainer.prior.shapes import SIDE, Gray, Labels, Rng, X, Y, ellipse, field, over, wobbly


def _anatomy(rng: Rng, view: int) -> tuple[Gray, Gray, tuple[float, float, float, float], float]:
    """A healthy slice, the mask of its brain, (x, y, radii) of the brain, and the level of white matter."""
    cx, cy = 56 + rng.normal(0, 2), 56 + rng.normal(0, 2)
    wide, high = {0: (40.0, 48.0), 1: (49.0, 44.0), 2: (42.0, 44.0)}[view]
    rx, ry = wide * rng.uniform(0.88, 1.1), high * rng.uniform(0.88, 1.08)
    tilt = rng.normal(0, 0.06)
    image = np.full((SIDE, SIDE), rng.uniform(0, 0.05), np.float32)
    image = over(image, ellipse(cx, cy, rx, ry, tilt), rng.uniform(0.35, 0.95))  # scalp and fat
    image = over(image, ellipse(cx, cy, rx - 3, ry - 3, tilt), rng.uniform(0.02, 0.25))  # bone
    skull = rng.uniform(5, 8)
    brain = ellipse(cx, cy, rx - skull, ry - skull, tilt)
    white, dark = rng.uniform(0.35, 0.6), rng.uniform(0.08, 0.2)
    folds = np.abs(field(rng, 2.6)) * 0.1 + field(rng, 3.4) * 0.05 + (white - 0.08)
    image = over(image, brain, np.asarray(folds, np.float32))
    if view == 0:  # axial: two horns beside the midline
        gap, tall = rng.uniform(3, 8), rng.uniform(6, 15)
        for side in (-1, 1):
            image = over(image, ellipse(cx + side * gap, cy - 2, rng.uniform(2, 5), tall, side * 0.25), dark)
        image = over(image, ellipse(cx, cy, 0.8, ry - skull - 2, tilt) * 0.6, dark)
    elif view == 1:  # sagittal: corpus callosum, brain stem, cerebellum, face below
        image = over(image, ellipse(cx, cy - 4, rng.uniform(16, 22), rng.uniform(7, 11)), white + 0.12)
        image = over(image, ellipse(cx + 1, cy, rng.uniform(13, 18), rng.uniform(5, 8)), dark)
        image = over(image, ellipse(cx + 4, cy + 22, 5, 18, rng.normal(0, 0.15)), white + 0.08)
        image = over(image, ellipse(cx + 20, cy + 22, 13, 9, 0.3), white + field(rng, 1.5) * 0.08)
        image = over(image, ellipse(cx - 32, cy + 38, 20, 18), 0.3 + field(rng, 2.0) * 0.12)
    else:  # coronal: horns above, temporal lobes, neck
        for side in (-1, 1):
            image = over(image, ellipse(cx + side * 7, cy - 5, 2.5, rng.uniform(5, 9), side * 0.5), dark)
            image = over(
                image, ellipse(cx + side * 22, cy + 20, 13, 9, side * 0.4), white + field(rng, 2.4) * 0.07
            )
        image = over(image, ellipse(cx, cy + 34, rng.uniform(8, 14), 16), rng.uniform(0.2, 0.45))
    return image, brain, (cx, cy, rx - skull, ry - skull), white


def head(rng: Rng) -> tuple[Gray, Labels]:
    """A slice of a head: skull, brain, ventricles, and perhaps one of four kinds of lesion."""
    view, lesion = int(rng.integers(3)), int(rng.integers(5))
    image, brain, (cx, cy, rx, ry), white = _anatomy(rng, view)
    labels = {"family": 0, "head_view": view, "head_lesion": lesion}
    radius = rng.uniform(5, 15)
    angle = rng.uniform(0, 2 * np.pi)
    bright = white + rng.uniform(0.18, 0.45)
    if lesion == 1:  # deep, irregular, ring with a dead centre and a swollen border
        far = rng.uniform(0.2, 0.6)
        x, y = cx + far * rx * np.cos(angle), cy + far * ry * np.sin(angle)
        image = over(image, wobbly(rng, x, y, radius * 1.6, 5) * 0.6, white - rng.uniform(0.1, 0.25))
        image = over(image, wobbly(rng, x, y, radius), bright - rng.uniform(0, 0.25))
        image = over(image, wobbly(rng, x, y, radius * rng.uniform(0.4, 0.75)), white - rng.uniform(0, 0.25))
    elif lesion == 2:  # solid, smooth, sits on the inner side of the skull
        x, y = cx + 0.82 * rx * np.cos(angle), cy + 0.82 * ry * np.sin(angle)
        image = over(image, ellipse(x, y, radius, radius * rng.uniform(0.7, 1.1), angle, 1) * brain, bright)
    elif lesion == 3:  # small, midline, near the base
        low = {0: 0, 1: 18, 2: 20}[view]
        x, y = cx + rng.normal(0, 2.5) - (8 if view == 1 else 0), cy + low + rng.normal(0, 3)
        image = over(
            image, ellipse(x, y, radius * 0.6, radius * rng.uniform(0.5, 0.9)), bright - rng.uniform(0, 0.2)
        )
        angle = float(np.arctan2(y - cy, x - cx))
    elif lesion == 4:  # diffuse, no clear border
        far = rng.uniform(0.2, 0.6)
        x, y = cx + far * rx * np.cos(angle), cy + far * ry * np.sin(angle)
        shade = rng.choice([-1, 1]) * rng.uniform(0.12, 0.3)
        image += wobbly(rng, x, y, radius * 1.4, 7) * brain * shade * (1 + 0.4 * field(rng, 2))
    if lesion in {1, 2, 4}:
        labels["head_quadrant"] = int(np.cos(angle) > 0) + 2 * int(np.sin(angle) > 0)
    return image, labels


def chest(rng: Rng) -> tuple[Gray, Labels]:
    """A frontal chest radiograph: lungs, heart, ribs, and perhaps one of four kinds of opacity."""
    lesion, build = int(rng.integers(5)), int(rng.integers(2))
    cx, cy = 56 + rng.normal(0, 3), 54 + rng.normal(0, 4)
    small = build == 1  # a child's chest: wider than high, larger heart
    image = 0.55 + 0.18 * field(rng, 3.5) * 0.3 + (Y - 56) / 112 * rng.uniform(0, 0.3)
    body = ellipse(cx, cy + 12, rng.uniform(50, 66), rng.uniform(58, 75), 0, 3)
    image = over(np.full_like(image, rng.uniform(0, 0.15)), body, image)
    lungs: list[Gray] = []
    for side in (-1, 1):
        lx = cx + side * rng.uniform(21, 26)
        wide, high = rng.uniform(13, 19), rng.uniform(26, 34) if small else rng.uniform(32, 42)
        lung = ellipse(lx, cy, wide, high, -side * rng.uniform(0.05, 0.2), 2.5)
        floor = cy + high * rng.uniform(0.5, 0.75)
        lung *= np.clip((floor + 4 * np.cos((X - lx) / 9) - Y) / 3, 0, 1)
        image = over(image, lung, rng.uniform(0.1, 0.25))
        lungs.append(lung)
    heart = rng.uniform(13, 21) * (1.15 if small else 1.0)
    image = over(
        image, ellipse(cx + rng.uniform(2, 9), cy + 14, heart, heart * 0.9, 0.5, 3), rng.uniform(0.6, 0.8)
    )
    image = over(image, ellipse(cx, cy, rng.uniform(5, 8), 60, 0, 3), rng.uniform(0.6, 0.85))
    vessels = np.clip(np.abs(field(rng, 2.2)) - 0.9, 0, 1) * rng.uniform(0.05, 0.16)
    both = np.maximum(*lungs)
    image += vessels * both
    pitch, lean, strength = rng.uniform(7, 12), rng.uniform(0.004, 0.012), rng.uniform(0.02, 0.1)
    ribs = np.cos(2 * np.pi * (Y + lean * (X - cx) ** 2) / pitch + rng.uniform(0, 6.28))
    image += np.clip(ribs, 0, 1) * strength * body
    labels = {"family": 1, "chest_lesion": lesion, "chest_build": build}
    side = int(rng.integers(2))
    where = lungs[side]
    sign = -1 if side == 0 else 1
    dense = rng.uniform(0.15, 0.45)
    if lesion == 1:  # one lobe, dense
        x, y = cx + sign * rng.uniform(16, 28), cy + rng.uniform(-20, 20)
        image += wobbly(rng, x, y, rng.uniform(7, 15), 5) * where * dense
    elif lesion == 2:  # many patches at the edges of both lungs
        for _ in range(int(rng.integers(4, 10))):
            hand = rng.choice([-1, 1])
            x, y = cx + hand * rng.uniform(24, 36), cy + rng.uniform(-15, 24)
            image += wobbly(rng, x, y, rng.uniform(4, 9), 5) * both * dense * 0.6
    elif lesion == 3:  # lines and dots everywhere
        image += np.abs(field(rng, rng.uniform(0.8, 1.8))) * both * dense * 0.5
    elif lesion == 4:  # fluid: the lower part of one lung white
        level = cy + rng.uniform(2, 18)
        image += np.clip((Y - level + sign * (X - cx) * -0.15) / 5, 0, 1) * where * dense * 1.6
    if lesion in {1, 4}:
        labels["chest_side"] = side
    return image, labels
