"""Axial slices: the vertex, the ventricles, the basal ganglia, and the base with orbits and cerebellum."""

from __future__ import annotations

import numpy as np

from trainer.phantoms.head.canvas import Canvas, curve, grain, jitter
from trainer.phantoms.head.cortex import cortex, grown, leaves, patchwork, scalp, skull
from trainer.phantoms.head.sites import Sites

SIDES = (-1, 1)


def axial(c: Canvas, s: Sites, view: int) -> None:
    """Draw the slice."""
    rng = c.rng
    fat = rng.uniform(0.025, 0.065)
    turn = np.arctan2(s.cavity[:, 1], s.cavity[:, 0])
    uneven = fat * (
        1 + 0.3 * np.sin(turn * 2 + rng.uniform(0, 6.28)) + 0.25 * np.sin(turn + rng.uniform(0, 6.28))
    )
    outside = grown(s.cavity, rng.uniform(0.05, 0.075) + uneven)
    if view == 3:
        # At this height the nose and the ears may be cut.
        if rng.uniform() < 0.6:
            lift = np.exp(-((outside[:, 0] / 0.13) ** 2)) * (outside[:, 1] < 0) * rng.uniform(0.03, 0.2)
            outside = outside - np.stack([0 * lift, lift], 1)
        for side in SIDES:
            c.oval(side * (np.abs(outside[:, 0]).max() + 0.01), 0.2, 0.05, 0.16, c.t.fat * 0.6, "skin_or_fat")
    inside = scalp(c, outside, fat)
    if view == 3:
        patchwork(c, inside)
    skull(c, s.cavity)
    gap = rng.uniform(0.005, 0.04)
    if view == 3:
        _base(c, s, gap)
    else:
        furrow_share = rng.uniform(0.6, 1)
        medial = rng.uniform(0.1, 0.5) if view == 0 else rng.uniform(0, 0.25)
        cortex(c, c.mask(grown(s.cavity, -gap)), medial=medial, white_share=furrow_share)
        if view == 0:
            _vertex(c, s)
        else:
            _ventricles(c, s, view)
    if view < 3:
        _sinuses(c, s)


def _sinuses(c: Canvas, s: Sites) -> None:
    """The superior sagittal sinus, cut twice, as triangles on the dura."""
    rng = c.rng
    for end, share in ((1, 0.95), (-1, 0.6)):
        if rng.uniform() < share:
            y = end * np.abs(s.cavity[:, 1]).max()
            size = rng.uniform(0.02, 0.05)
            tip = [(-size, y), (size, y), (rng.normal(0, 0.01), y - end * size * 2)]
            c.fill(tip, c.t.vein, "vessel", soft=0.6)


def _midline(c: Canvas, s: Sites, front: float, back: float) -> None:
    rng, long = c.rng, float(np.abs(s.cavity[:, 1]).max())
    width = rng.uniform(0.012, 0.035)
    for start, stop in ((-long, front), (back, long)):
        path = np.stack([rng.normal(0, 0.008, 6), np.linspace(start, stop, 6)], 1)
        c.line(path, width, c.t.fluid, soft=0.6, share=rng.uniform(0.5, 1))
        if rng.uniform() < 0.4:  # the falx itself
            c.line(path, 0.008, c.t.vein if rng.uniform() < 0.5 else c.t.bone)


def _vertex(c: Canvas, s: Sites) -> None:
    _midline(c, s, 0.0, 0.0)
    for side in SIDES:  # the white matter of the semioval centre
        x, ry = side * c.rng.uniform(0.26, 0.34), c.rng.uniform(0.3, 0.5)
        c.oval(x, 0, 0.12, ry, c.t.white, "white_matter", wobble=0.2, soft=4, share=0.9)


def _ventricles(c: Canvas, s: Sites, view: int) -> None:
    rng, t, v = c.rng, c.t, s.vents
    _midline(c, s, -0.42, 0.45)
    c.oval(0, -0.3 - 0.05 * v, 0.3, 0.08, t.white, "white_matter", wobble=0.1, soft=2)
    c.oval(0, 0.36, 0.3, 0.08, t.white, "white_matter", wobble=0.1, soft=2)
    fluid = np.asarray(t.fluid * (1 + 0.04 * grain(rng, 2)), np.float32)
    for side in SIDES:
        v = s.vents * rng.uniform(0.8, 1.2)
        if view == 2:
            _deep_gray(c, side)
        front = [(0.02, -0.05), (0.03, -0.22), (0.09 + 0.06 * v, -0.3 - 0.08 * v), (0.09 + 0.12 * v, -0.3),
                 (0.06 + 0.04 * v, -0.15)]  # fmt: skip
        back = [(0.12, 0.1), (0.18 + 0.05 * v, 0.22), (0.24 + 0.05 * v, 0.34), (0.22, 0.42 + 0.08 * v),
                (0.14 + 0.01 / v, 0.36), (0.12, 0.22)]  # fmt: skip
        if view == 1:
            w = 0.05 + 0.06 * v
            whole = [(0.03, 0.2), (0.02, -0.2), (0.05 + w, -0.36 - 0.05 * v), (0.09 + w, -0.3),
                     (0.04 + w, -0.05), (0.06 + w, 0.1), (0.13 + w, 0.34),
                     (0.1 + w, 0.46 + 0.04 * v), (0.1, 0.34)]  # fmt: skip
            shapes = [whole]
        else:
            shapes = [front, back] if rng.uniform() < 0.7 else [front]
        for shape in shapes:
            bent = curve(jitter(rng, np.asarray(shape) * (side, 1), 0.01))
            if t.swelling > t.white:  # a thin bright rim, in old age a broad one
                c.fill(
                    grown(bent, rng.uniform(0.01, 0.05)), t.swelling, soft=1.5, share=rng.uniform(0.2, 0.8)
                )
            c.fill(bent, fluid, "fluid_space", soft=0.5)
        if rng.uniform() < 0.75:
            x = side * (0.16 + 0.05 * s.vents)
            c.oval(x, 0.3, 0.025, rng.uniform(0.03, 0.08), t.plexus, "vessel", angle=-side * 0.4, wobble=0.2)
    if view == 2:
        w = 0.012 + 0.02 * s.vents
        third = [(-w, -0.1), (w, -0.1), (w * 1.3, 0.02), (w, 0.14), (-w, 0.14), (-w * 1.3, 0.02)]
        c.fill(curve(third), fluid, "fluid_space", soft=0.5)
        c.oval(0, 0.33, 0.05, 0.04, t.fluid, "fluid_space", wobble=0.2)
        c.oval(0, 0.37, 0.02, 0.02, t.vein, "vessel")


def _deep_gray(c: Canvas, side: int) -> None:
    """Caudate, putamen, thalamus, and the Sylvian fissure with the insula."""
    rng, t = c.rng, c.t
    c.oval(side * 0.3, -0.04, 0.2, 0.34, t.white, "white_matter", soft=4)
    c.oval(side * 0.13, -0.2, 0.05, 0.1, t.gray, angle=-side * 0.3, soft=1)
    c.oval(side * 0.32, -0.08, 0.06, 0.16, t.gray, angle=-side * 0.25, wobble=0.08, soft=1)
    c.oval(side * 0.12, 0.1, 0.1, 0.13, 0.5 * (t.gray + t.white), wobble=0.06, soft=1)
    edge = 0.78
    mouth = [(side * edge, -0.24), (side * 0.6, -0.17), (side * edge, -0.2 + rng.uniform(0, 0.08))]
    c.fill(curve(jitter(rng, mouth, 0.01)), t.fluid, soft=0.8, share=rng.uniform(0.4, 1))
    half = [(0.64, -0.2), (0.56, -0.17), (0.48, -0.14), (0.46, 0.0), (0.49, 0.12), (0.56, 0.2)]
    path = jitter(rng, half, 0.02) * (side, 1)
    width = rng.uniform(0.01, 0.025)
    c.line(path[:4], width * 1.4, t.fluid, soft=0.8, share=rng.uniform(0.5, 0.9))
    c.line(path[2:], width, t.fluid, soft=0.8, share=rng.uniform(0.3, 0.9))


def _base(c: Canvas, s: Sites, gap: float) -> None:
    rng, t = c.rng, c.t
    c.fill(grown(s.cavity, -gap * 0.5), t.fluid, "fluid_space", pushed=False)
    for side in SIDES:
        if side == -1 or rng.uniform() < 0.95:
            _orbit(c, side)
    lobes = np.zeros_like(c.brain)
    front = [(-0.16, -0.5), (0.16, -0.5), (0.2, -0.88), (0, -0.95), (-0.2, -0.88)]
    if rng.uniform() < 0.5:  # ethmoid cells between the orbits, or the straight gyri above them
        c.fill(curve(front), t.mucosa * 0.7, "soft_tissue")
        cells = np.clip((grain(rng, 2, 1.3) + 0.3) * 4, 0, 1)
        c.fill(curve(front), t.bone * 0.5, "air", within=np.asarray(cells, np.float32))
    else:
        lobes = c.mask(curve(front))
    for side in SIDES:
        lobe = [(0.22, -0.28), (0.36, -0.46), (0.56, -0.46), (0.7, -0.25), (0.72, 0.05), (0.6, 0.24),
                (0.36, 0.14), (0.2, 0.0)]  # fmt: skip
        fit = (side * np.abs(s.cavity[:, 0]).max() / 0.75, 1)
        lobes = np.maximum(lobes, c.mask(curve(jitter(rng, np.asarray(lobe) * fit, 0.015))))
    cortex(c, lobes, medial=rng.uniform(0.4, 0.9), white_share=0.8)
    for side in SIDES:
        c.oval(side * 0.3, -0.02, 0.02, 0.08 * s.vents, t.fluid, "fluid_space", angle=side * 0.4, soft=0.5)
    half = [(0.06, 0.2), (0.26, 0.24), (0.52, 0.36), (0.6, 0.56), (0.46, 0.76), (0.2, 0.86), (0.03, 0.8)]
    low = np.concatenate([half, np.asarray(half)[::-1] * (-1, 1)])
    leaves(c, curve(jitter(rng, low, 0.012)), across=rng.uniform(-0.3, 0.3))
    for side in SIDES:
        ridge = [(0.12, 0.06), (0.3, 0.1), (0.55, 0.22), (0.72, 0.26), (0.7, 0.4), (0.5, 0.36), (0.3, 0.24)]
        wedge = curve(jitter(rng, np.asarray(ridge) * (side, 1), 0.015))
        c.fill(wedge, min(t.bone, 0.9), "bone", soft=0.6, pushed=False)
        air = np.asarray(np.clip(grain(rng, 2, 1) * 3, 0, 1), np.float32)
        c.fill(wedge, t.mucosa * 0.6, within=air, share=0.5, pushed=False)
        c.line([(side * 0.62, 0.5), (side * 0.72, 0.36)], 0.05, t.vein, "vessel", soft=0.7)
    stem = [(0, -0.08), (0.12, -0.06), (0.17, 0.06), (0.14, 0.2), (0.05, 0.27), (-0.05, 0.27), (-0.14, 0.2),
            (-0.17, 0.06), (-0.12, -0.06)]  # fmt: skip
    c.oval(0, -0.14, 0.2, 0.14, t.fluid, "fluid_space", wobble=0.2, soft=1)
    c.fill(curve(jitter(rng, stem, 0.008)), 0.5 * (t.gray + t.white), "white_matter", soft=0.6)
    fourth = [
        (0, 0.24),
        (0.05 + 0.03 * s.vents, 0.3),
        (0, 0.3 + 0.06 * s.vents),
        (-0.05 - 0.03 * s.vents, 0.3),
    ]
    c.fill(curve(fourth), t.fluid, "fluid_space", soft=0.5)
    c.oval(0, -0.1, 0.015, 0.015, t.vein if t.vein < 0.3 else t.lesion, "vessel")
    # The sella in front of the pons, a carotid on each side of it.
    assert s.sella is not None
    x, y = s.sella
    c.oval(x, y - 0.17, 0.1, 0.09, t.bone if t.bone < 1 else 0.02, "air", wobble=0.2)
    c.oval(x, y, 0.13, 0.06, t.mucosa * 0.8, "soft_tissue", wobble=0.15, soft=0.7)
    c.oval(x, y, 0.05, 0.04, t.plexus * 0.8, wobble=0.1)
    for side in SIDES:
        c.oval(x + side * 0.11, y, 0.025, 0.03, t.vein if t.vein < 0.3 else t.bone, "vessel")
    c.oval(0, 0.9, 0.035, 0.04, t.vein, "vessel")


def _orbit(c: Canvas, side: int) -> None:
    rng, t = c.rng, c.t
    cone = [
        (0.15, -0.34),
        (0.17, -0.6),
        (0.2, -0.8),
        (0.36, -0.87),
        (0.52, -0.78),
        (0.5, -0.6),
        (0.28, -0.38),
    ]
    c.fill(curve(jitter(rng, np.asarray(cone) * (side, 1), 0.01)), t.bone, "bone", pushed=False)
    inner = grown(curve(np.asarray(cone) * (side, 1)), -0.02)
    c.fill(inner, t.fat * rng.uniform(0.6, 1), "skin_or_fat", pushed=False)
    x, y = side * 0.35, -0.77
    for end in ((0.18, -0.6), (0.46, -0.6), (0.31, -0.6)):  # muscles and the nerve
        c.line([(side * 0.2, -0.38), (side * end[0], end[1]), (x, y)], 0.03, t.muscle, share=0.9)
    c.oval(x, y, 0.14, 0.13, t.muscle * 0.7)
    c.oval(x, y, 0.125, 0.115, 0.85 * t.fluid + 0.1 * t.gray, "fluid_space")
    c.oval(x, y - 0.09, 0.05, 0.025, t.gray * 0.6)
