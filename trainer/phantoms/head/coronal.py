"""Coronal slices: in front with orbits, in the middle with the sella, behind with the cerebellum."""

from __future__ import annotations

import numpy as np

from trainer.phantoms.head.canvas import Canvas, Points, curve, grain, jitter, mirrored
from trainer.phantoms.head.cortex import cortex, grown, leaves, patchwork, scalp, skull
from trainer.phantoms.head.sites import Sites

SIDES = (-1, 1)


def coronal(c: Canvas, s: Sites, view: int) -> None:
    """Draw the slice."""
    rng = c.rng
    fat = rng.uniform(0.025, 0.065)
    over = rng.uniform(0.055, 0.075) + fat
    top = s.cavity[(s.cavity[:, 1] < 0.1) & (s.cavity[:, 0] > 0.01)]
    top = top[np.argsort(top[:, 1])]
    wide = float(top[:, 0].max()) + over
    neck = rng.uniform(0.5, 0.66)
    halves = (
        [(wide, 0.3), (0.8, 0.55), (0.76, 0.9), (0.62, 1.2), (0.42, 1.46), (0.05, 1.56)],
        [
            (wide, 0.35),
            (wide - 0.06, 0.6),
            (0.8, 0.9),
            (0.72, 1.25),
            (neck, 1.55),
            (neck, 2.0),
            (neck + 0.2, 2.6),
        ],
        [(wide, 0.35), (wide - 0.08, 0.65), (0.68, 0.95), (neck, 1.2), (neck, 1.8), (neck + 0.25, 2.6)],
    )
    arc = top[:: max(1, len(top) // 7)] * (1 + over / 0.85)
    half = np.concatenate([[(0.02, arc[0, 1] - 0.005)], arc, jitter(rng, halves[view - 6], 0.02)])
    patchwork(c, scalp(c, curve(mirrored(half)), fat))
    if view == 8:
        _nape(c)
    else:
        _mouth(c, view)
    skull(c, s.cavity)
    brain = grown(s.cavity, -rng.uniform(0.008, 0.035))
    (_front, _middle, _behind)[view - 6](c, s, brain)
    y = float(s.cavity[:, 1].min())
    size = rng.uniform(0.02, 0.05)
    c.fill([(-size, y), (size, y), (0, y + 2 * size)], c.t.vein, "vessel", soft=0.6)


def _falx(c: Canvas, s: Sites, stop: float) -> None:
    rng = c.rng
    path = np.stack([rng.normal(0, 0.008, 6), np.linspace(s.cavity[:, 1].min(), stop, 6)], 1)
    c.line(path, rng.uniform(0.012, 0.035), c.t.fluid, soft=0.6, share=rng.uniform(0.5, 1))


def _mouth(c: Canvas, view: int) -> None:
    """Sinuses, nose, jaw and tongue, or further back pterygoids and throat."""
    rng, t = c.rng, c.t
    dark = min(t.bone, 0.03)
    fibres = np.asarray(t.muscle * (1.05 + 0.15 * grain(rng, 2, 1.5)), np.float32)
    c.oval(0, 1.2, 0.32, 0.2, fibres, "soft_tissue", wobble=0.08, soft=1)  # tongue
    for side in SIDES:
        if view == 6:
            sinus = np.asarray([(0.22, 0.66), (0.5, 0.62), (0.52, 0.8), (0.4, 0.98), (0.24, 0.92)]) * (
                side,
                1,
            )
            c.fill(grown(curve(sinus), 0.02), t.bone, "bone", pushed=False)
            c.fill(curve(jitter(rng, sinus, 0.02)), dark, "air", soft=0.5, pushed=False)
            if rng.uniform() < 0.4:
                c.line(np.asarray(sinus)[1:], rng.uniform(0.03, 0.1), t.mucosa, soft=0.8)
            for y in (0.62, 0.8):
                size = rng.uniform(0.5, 1.3)
                c.oval(
                    side * 0.11,
                    y + rng.normal(0, 0.02),
                    0.05 * size,
                    0.08 * size,
                    t.mucosa,
                    wobble=0.3,
                    soft=0.8,
                )
        else:
            c.oval(
                side * 0.36, 0.82, 0.13, 0.2, t.muscle, "soft_tissue", angle=side * 0.4, wobble=0.1, soft=0.8
            )
            c.oval(side * 0.72, 0.72, 0.08, 0.26, t.muscle, "soft_tissue", soft=0.8)
        jaw = np.asarray([(0.55, 0.85), (0.54, 1.1), (0.46, 1.32)]) * (side, 1)
        c.line(jaw, 0.09, t.bone, "bone")
        c.line(jaw, 0.055, t.marrow, soft=0.6)
    if view == 6:
        c.line([(0, 0.5), (rng.normal(0, 0.02), 0.7), (0, 0.92)], 0.025, t.mucosa)
        for side in SIDES:
            c.line([(side * 0.05, 0.5), (side * 0.05, 0.9)], 0.025, dark, "air")
        c.line([(-0.2, 0.98), (0, 0.94), (0.2, 0.98)], 0.04, t.marrow, "bone")
        c.line([(-0.28, 1.02), (0, 1.0), (0.28, 1.02)], 0.03, dark)
    else:
        c.oval(0, 0.92, rng.uniform(0.06, 0.14), rng.uniform(0.05, 0.1), dark, "air", wobble=0.2, soft=0.6)
        c.line([(0, 1.4), (0, 1.8), (0, 2.6)], rng.uniform(0.1, 0.18), dark, "air", soft=0.8)
        for side in SIDES:
            c.line([(side * 0.35, 1.45), (side * 0.4, 2.6)], 0.07, t.vein, "vessel", soft=0.8)


def _nape(c: Canvas) -> None:
    rng, t = c.rng, c.t
    for side in SIDES:
        for x, lean in ((0.1, 0.0), (0.24, 0.06), (0.4, 0.14)):
            path = [(side * x, 0.95), (side * (x + lean * 0.4), 1.4), (side * (x + lean), 2.6)]
            c.line(jitter(rng, path, 0.01), 0.12, t.muscle, "soft_tissue", soft=0.7, share=0.95)
    if rng.uniform() < 0.5:
        c.line([(0, 0.9), (0, 1.5), (0, 2.6)], 0.08, t.fluid if rng.uniform() < 0.5 else t.marrow, soft=0.8)


def _front(c: Canvas, s: Sites, brain: Points) -> None:
    rng, t = c.rng, c.t
    cortex(c, c.mask(brain), white_share=rng.uniform(0.6, 1))
    _falx(c, s, 0.34)
    at_globe = rng.uniform() < 0.6
    for side in SIDES:
        x, y = side * 0.4, 0.46
        c.oval(x, y, 0.24, 0.22, t.bone, "bone", wobble=0.04)
        c.oval(x, y, 0.215, 0.195, t.fat * rng.uniform(0.7, 1), "skin_or_fat")
        if at_globe:
            c.oval(x, y, 0.15, 0.145, t.muscle * 0.8)
            c.oval(x, y, 0.13, 0.125, 0.85 * t.fluid + 0.1 * t.gray, "fluid_space")
        else:  # behind the globe: muscles around the nerve
            for turn in np.arange(4) * np.pi / 2 + 0.2:
                c.oval(
                    x + 0.13 * np.cos(turn), y + 0.12 * np.sin(turn), 0.045, 0.025, t.muscle, angle=turn + 1.6
                )
            c.oval(x, y, 0.03, 0.03, t.white)
    c.fill(curve([(-0.13, 0.36), (0.13, 0.36), (0.11, 0.6), (-0.11, 0.6)]), t.mucosa * 0.6, "soft_tissue")
    cells = np.asarray(np.clip(grain(rng, 2, 1.2) * 4 + 0.5, 0, 1), np.float32)
    c.fill([(-0.13, 0.36), (0.13, 0.36), (0.11, 0.6), (-0.11, 0.6)], 0.02, "air", within=cells)


def _middle(c: Canvas, s: Sites, brain: Points) -> None:
    rng, t, v = c.rng, c.t, s.vents
    cortex(c, c.mask(brain), white_share=rng.uniform(0.6, 1))
    _falx(c, s, -0.24)
    c.line([(-0.3, -0.26), (0, -0.2), (0.3, -0.26)], 0.07, t.white, "white_matter", soft=0.8)
    c.oval(
        0, 0.31, rng.uniform(0.1, 0.18), rng.uniform(0.07, 0.12), t.fluid, "fluid_space", wobble=0.35, soft=1
    )  # the cistern over the sella
    for side in SIDES:
        own = v * rng.uniform(0.8, 1.2)
        c.oval(side * 0.3, -0.08, 0.2, 0.2, t.white, "white_matter", soft=4)
        c.oval(
            side * (0.16 + 0.05 * own),
            -0.06,
            0.06,
            0.09,
            t.gray,
            angle=side * 0.4,
            wobble=0.1,
            soft=1.5,
            share=0.8,
        )
        c.oval(side * 0.34, 0.04, 0.08, 0.13, t.gray, angle=side * 0.2, wobble=0.15, soft=2, share=0.75)
        c.oval(side * 0.12, 0.08, 0.09, 0.09, 0.5 * (t.gray + t.white), wobble=0.15, soft=2, share=0.8)
        horn = [
            (0.015, -0.18),
            (0.12 + 0.08 * own, -0.24 - 0.05 * own),
            (0.1 + 0.08 * own, -0.14),
            (0.02, -0.04),
        ]
        shape = curve(np.asarray(horn) * (side, 1))
        if t.swelling > t.white:
            c.fill(grown(shape, rng.uniform(0.01, 0.05)), t.swelling, soft=1.5, share=rng.uniform(0.2, 0.8))
        c.fill(shape, t.fluid, "fluid_space", soft=0.5)
        c.oval(side * 0.4, 0.34, 0.05 * own, 0.016, t.fluid, "fluid_space", angle=side * 0.3, soft=0.5)
        edge = np.abs(brain[:, 0]).max()
        path = jitter(rng, [(0.68, 0.07), (0.6, 0.05), (0.52, 0.05), (0.47, 0.0), (0.48, -0.1)], 0.02) * (
            side,
            1,
        )
        mouth = [(side * edge, 0.0), tuple(path[1]), (side * edge, rng.uniform(0.04, 0.12))]
        c.fill(curve(mouth), t.fluid, soft=0.8, share=rng.uniform(0.4, 1))
        c.line(path, rng.uniform(0.01, 0.03), t.fluid, soft=0.8, share=rng.uniform(0.4, 0.9))
        insula = jitter(rng, [(0.5, 0.05), (0.47, 0.11), (0.48, 0.18), (0.53, 0.22)], 0.015) * (side, 1)
        c.line(insula, rng.uniform(0.01, 0.025), t.fluid, soft=0.8, share=rng.uniform(0.2, 0.8))
    w = 0.012 + 0.02 * v
    c.oval(0, 0.1, w, 0.12, t.fluid, "fluid_space", soft=0.5)
    # The fossa between the cavernous sinuses, over the sphenoid sinus.
    assert s.sella is not None
    x, y = s.sella
    c.fill(
        curve([(-0.24, 0.42), (0.24, 0.42), (0.22, 0.56), (-0.22, 0.56)]),
        t.plexus * 0.7,
        "soft_tissue",
        soft=0.7,
    )
    c.oval(x, 0.62, rng.uniform(0.14, 0.22), 0.09, min(t.bone, 0.03), "air", wobble=0.12)
    c.oval(x, y + 0.05, 0.09, 0.045, t.plexus * 0.85, wobble=0.1, soft=0.5)
    c.line([(x, y), (x, y - 0.1)], 0.02, t.plexus * 0.8)
    c.line([(x - 0.09, y - 0.12), (x + 0.09, y - 0.12)], 0.03, t.white)  # chiasm
    for side in SIDES:
        c.oval(x + side * 0.15, y + 0.06, 0.035, 0.035, t.vein if t.vein < 0.3 else t.bone, "vessel")


def _behind(c: Canvas, s: Sites, brain: Points) -> None:
    rng, t, v = c.rng, c.t, s.vents
    upper = brain.copy()
    roof = np.interp(np.abs(upper[:, 0]), [0, 0.35, 0.7], [0.08, 0.22, 0.34])
    upper[:, 1] = np.minimum(upper[:, 1], roof)
    cortex(c, c.mask(upper), white_share=rng.uniform(0.6, 1))
    _falx(c, s, 0.1)
    lower = brain[brain[:, 1] > 0.3] * 0.96
    lower = lower[np.argsort(np.arctan2(lower[:, 1] - 0.4, lower[:, 0]))]
    top = [(-0.64, 0.36), (-0.3, 0.235), (0, 0.12), (0.3, 0.235), (0.64, 0.36)]
    leaves(c, np.concatenate([lower, top]), across=rng.uniform(-0.2, 0.2))
    for side in SIDES:
        roofline = jitter(
            rng, [(0, 0.12), (side * 0.2, 0.17), (side * 0.42, 0.26), (side * 0.68, 0.36)], 0.015
        )
        c.line(roofline, rng.uniform(0.006, 0.02), t.fluid, soft=0.6, share=rng.uniform(0.3, 0.8))
        c.oval(side * 0.68, 0.38, 0.05, 0.035, t.vein, "vessel", soft=0.5)
        if rng.uniform() < 0.75:
            own = v * rng.uniform(0.8, 1.2)
            c.oval(
                side * 0.3,
                -0.02,
                0.05 * own,
                0.07 * own,
                t.fluid,
                "fluid_space",
                angle=side * 0.4,
                wobble=0.1,
            )
            c.oval(side * 0.3, 0.0, 0.025, 0.035, t.plexus, "vessel", wobble=0.2)
    c.oval(0, 0.1, 0.025, 0.025, t.vein, "vessel")
    c.oval(0, 0.48, 0.05 * v, 0.04 * v, t.fluid, "fluid_space", wobble=0.2)
    c.line([(0, 0.2), (0, 0.45), (0, 0.75)], 0.05, t.white, "white_matter", soft=1, share=0.6)
