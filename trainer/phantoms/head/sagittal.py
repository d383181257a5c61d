"""Sagittal slices with the profile of the face: the midline, and a slice through one hemisphere."""

from __future__ import annotations

import numpy as np

from trainer.phantoms.head.canvas import Canvas, Points, curve, grain, jitter
from trainer.phantoms.head.cortex import cortex, grown, leaves, patchwork, scalp, skull
from trainer.phantoms.head.sites import Sites


def _profile(c: Canvas, s: Sites, view: int, over: float) -> Points:
    """Outline of head and neck: the profile is in front only where the slice cuts the nose."""
    rng = c.rng
    nose = rng.uniform(0.6, 1.2) if view == 4 else rng.uniform(0.0, 0.35)
    jaw = rng.normal(0, 0.05)
    face = [
        (-1.1, 0.1), (-1.11, 0.24), (-1.04, 0.38), (-1.08 - 0.12 * nose, 0.56), (-1.1 - 0.3 * nose, 0.76),
        (-1.1 - 0.1 * nose, 0.86), (-1.1 - 0.18 * nose, 0.96), (-1.08 - 0.06 * nose, 1.05),
        (-1.1 - 0.14 * nose, 1.14), (-1.05 - 0.04 * nose, 1.22), (-1.06 + jaw - 0.1 * nose, 1.36),
        (-0.95 + jaw, 1.5), (-0.6, 1.56), (-0.46, 1.78), (-0.46, 2.6),
    ]  # fmt: skip
    back = rng.uniform(-0.1, 0.12)
    nape = [(0.66 + back, 2.6), (0.68 + back, 1.8), (0.8 + back, 1.35), (0.98, 0.95)]
    top = s.cavity[(s.cavity[:, 1] < 0.05) | ((s.cavity[:, 0] > 0.8) & (s.cavity[:, 1] < 0.65))]
    top = top[np.argsort(-np.arctan2(-(top[:, 1] - 0.3), top[:, 0]) % (2 * np.pi))]
    around = np.arctan2(top[:, 1] - 0.25, top[:, 0])
    order = np.argsort(-((around + 1.2 * np.pi) % (2 * np.pi)))
    top = top[order] + over * np.stack([np.cos(around[order]), np.sin(around[order])], 1)
    points = np.concatenate([jitter(rng, face, 0.012), nape, top[:: max(1, len(top) // 12)]])
    return curve(points)


def sagittal(c: Canvas, s: Sites, view: int) -> None:
    """Draw the slice, facing left."""
    rng = c.rng
    fat = rng.uniform(0.025, 0.065)
    outside = _profile(c, s, view, rng.uniform(0.06, 0.08) + fat)
    patchwork(c, scalp(c, outside, fat))
    (_face if view == 4 else _cheek)(c)
    skull(c, s.cavity)
    (_middle if view == 4 else _beside)(c, s)


def _spine(c: Canvas) -> None:
    rng, t = c.rng, c.t
    lean = rng.normal(0, 0.08)

    def along(y: float, x: float) -> tuple[float, float]:
        return x + lean * (y - 1.0) + 0.06 * np.sin((y - 1) * 2), y

    ys = np.linspace(0.95, 2.6, 8)
    c.line([along(y, 0.27) for y in ys], 0.17, t.fluid, "fluid_space", pushed=False)
    c.line([along(y, 0.27) for y in ys], 0.085, 0.5 * (t.gray + t.white), pushed=False)
    c.line([along(y, 0.17) for y in ys], 0.02, t.bone, "bone", pushed=False)
    c.line([along(y, 0.37) for y in ys], 0.02, t.bone, pushed=False)
    marrow = min(t.marrow, 1.2) * rng.uniform(0.6, 1)
    pitch, y = rng.uniform(0.19, 0.24), 1.0
    for number in range(8):
        tall = pitch * (1.6 if number == 0 else 0.78)
        x = along(y + tall / 2, 0.06)[0]
        wide = 0.055 if number == 0 else 0.09
        box = [(x - wide, y), (x + wide, y + 0.01), (x + wide, y + tall), (x - wide, y + tall)]
        c.fill(jitter(rng, box, 0.008), marrow, "bone", soft=0.6, pushed=False)
        c.line([(x - wide, y + tall + 0.03), (x + wide, y + tall + 0.03)], 0.03, t.muscle * 0.5, pushed=False)
        spine = [(x + 0.36, y + tall), (x + 0.6, y + tall + 0.1)]
        c.line(spine, 0.09, t.marrow * 0.7, "bone", soft=0.8, pushed=False)
        y += tall + 0.05


def _face(c: Canvas) -> None:
    rng, t = c.rng, c.t
    dark = min(t.bone, 0.03)
    cavity = curve(
        jitter(
            rng, [(-1.1, 0.66), (-0.85, 0.46), (-0.5, 0.55), (-0.42, 0.8), (-0.7, 0.86), (-1.1, 0.84)], 0.02
        )
    )
    c.fill(cavity, dark, "air", soft=0.7, pushed=False)
    for y in (0.6, 0.72, 0.82):  # turbinates
        if rng.uniform() < 0.7:
            shelf = jitter(rng, [(-0.98, y), (-0.75, y - 0.03), (-0.5, y + 0.02)], 0.035)
            c.line(shelf, rng.uniform(0.02, 0.08), t.mucosa, soft=1, share=rng.uniform(0.3, 1))
    c.oval(-1.0, 0.24, 0.05, rng.uniform(0.04, 0.12), dark, "air", wobble=0.15)  # frontal sinus
    c.line([(-1.05, 0.92), (-0.8, 0.9), (-0.55, 0.92)], 0.05, t.marrow, "bone", soft=0.6)  # palate
    tongue = [
        (-1.02, 1.05),
        (-0.85, 0.97),
        (-0.6, 1.0),
        (-0.47, 1.15),
        (-0.5, 1.38),
        (-0.75, 1.42),
        (-1.0, 1.25),
    ]
    fibres = t.muscle * (1.1 + 0.15 * grain(rng, 2.0, 1.5))
    c.fill(curve(jitter(rng, tongue, 0.02)), np.asarray(fibres, np.float32), "soft_tissue", soft=0.7)
    c.line([(-1.02, 0.98), (-0.8, 0.94), (-0.55, 0.98)], rng.uniform(0.01, 0.04), dark, share=0.9)
    c.oval(-1.03, 1.36, 0.06, 0.09, t.marrow, "bone", angle=0.3)  # chin
    throat = [(-0.45, 0.75), (-0.36, 0.95), (-0.33, 1.2), (-0.36, 1.45), (-0.3, 1.7), (-0.26, 2.6)]
    c.line(jitter(rng, throat, 0.015), rng.uniform(0.05, 0.13), dark, "air", soft=0.7, pushed=False)
    c.oval(-0.4, 1.42, 0.03, 0.1, t.muscle, angle=-0.4, soft=0.6)  # epiglottis
    _spine(c)


def _cheek(c: Canvas) -> None:
    rng, t = c.rng, c.t
    dark = min(t.bone, 0.03)
    cone = [(-1.06, 0.26), (-1.08, 0.5), (-0.85, 0.58), (-0.5, 0.44), (-0.55, 0.36), (-0.85, 0.24)]
    c.fill(grown(curve(cone), 0.03), t.bone, "bone", pushed=False)
    c.fill(curve(cone), t.fat, "skin_or_fat", soft=0.6, pushed=False)
    for y in (0.3, 0.42, 0.53):
        c.line([(-0.5, 0.41), (-0.75, y), (-0.9, y)], 0.04, t.muscle)
    c.oval(-0.94, 0.41, 0.14, 0.135, 0.85 * t.fluid + 0.1 * t.gray, "fluid_space", soft=0.5)
    sinus = curve(jitter(rng, [(-1.0, 0.66), (-0.7, 0.64), (-0.55, 0.8), (-0.7, 1.0), (-0.95, 0.95)], 0.02))
    c.fill(sinus, dark, "air", soft=0.5, pushed=False)
    if rng.uniform() < 0.4:
        c.line(sinus[:20], 0.04, t.mucosa, soft=0.6)
    jaw = [(-0.3, 0.8), (-0.35, 1.1), (-0.5, 1.32), (-0.95, 1.4)]
    c.line(jitter(rng, jaw, 0.02), 0.1, t.bone, "bone")
    c.line(jaw, 0.06, t.marrow, soft=0.6)
    c.fill(curve([(-0.75, 0.8), (-0.5, 0.7), (-0.4, 1.0), (-0.6, 1.2)]), t.muscle * 1.1, soft=1, share=0.8)
    for x in (0.2, 0.38, 0.56):  # neck muscles with fat between
        c.line([(x, 0.95), (x - 0.05, 1.5), (x + 0.05, 2.6)], 0.13, t.muscle, soft=0.8, share=0.9)
    c.line([(-0.1, 0.85), (0.0, 1.3), (-0.1, 2.6)], 0.06, t.vein, "vessel", soft=0.8)


def _middle(c: Canvas, s: Sites) -> None:
    rng, t, v = c.rng, c.t, s.vents
    upper = s.cavity[s.cavity[:, 1] < 0.3]
    lower = [(-0.88, 0.26), (-0.6, 0.3), (-0.3, 0.32), (0.0, 0.28), (0.25, 0.16), (0.6, 0.2), (0.93, 0.34)]
    order = np.argsort(np.arctan2(upper[:, 1] - 0.25, upper[:, 0]))
    around = np.concatenate([grown(upper[order], 0.0) * 0.97, np.asarray(lower)[::-1]])
    furrows = cortex(c, c.mask(around), medial=rng.uniform(0.5, 0.9), white_share=rng.uniform(0.3, 0.9))
    del furrows
    c.line([(0.3, 0.19), (0.6, 0.27), (0.94, 0.38)], 0.025, t.fluid, share=0.9)
    straight = jitter(rng, [(0.42, 0.14), (0.7, 0.25), (0.96, 0.39)], 0.012)
    c.line(straight, rng.uniform(0.008, 0.025), t.vein, "vessel", soft=0.7, share=0.8)  # straight sinus
    _callosum(c, v)
    big = [(0.18, 0.36), (0.42, 0.28), (0.72, 0.4), (0.84, 0.6), (0.66, 0.82), (0.4, 0.86), (0.22, 0.62)]
    leaves(c, curve(jitter(rng, big, 0.015)), across=rng.uniform(0, 3))
    stem = [(0.0, 0.18), (0.16, 0.2), (0.2, 0.36), (0.22, 0.58), (0.28, 0.8), (0.31, 1.05), (0.2, 1.05),
            (0.14, 0.8), (0.02, 0.62), (-0.04, 0.46), (0.02, 0.36), (-0.06, 0.26)]  # fmt: skip
    c.fill(curve(jitter(rng, stem, 0.008)), 0.4 * t.gray + 0.6 * t.white, "white_matter", soft=0.7)
    fourth = [(0.21, 0.42), (0.31 + 0.05 * v, 0.55), (0.25, 0.72), (0.22, 0.56)]
    c.fill(curve(fourth), t.fluid, "fluid_space", soft=0.5)
    # Sella, sphenoid sinus, clivus.
    sinus = curve(
        jitter(rng, [(-0.48, 0.46), (-0.3, 0.52), (-0.22, 0.6), (-0.26, 0.74), (-0.46, 0.72)], 0.02)
    )
    c.fill(sinus, min(t.bone, 0.03), "air", soft=0.5, pushed=False)
    clivus = curve([(-0.12, 0.47), (-0.04, 0.64), (0.05, 0.9), (0.0, 0.94), (-0.14, 0.78), (-0.2, 0.62)])
    c.fill(clivus, t.bone, "bone", pushed=False)
    c.fill(grown(clivus, -0.02), t.marrow * 0.9, soft=0.8, pushed=False)
    assert s.sella is not None
    x, y = s.sella
    c.oval(x, y + 0.02, 0.06, 0.03, t.plexus * 0.8 + 0.2 * t.gray, wobble=0.1, soft=0.5)
    c.line([(x, y), (x - 0.02, y - 0.12)], 0.02, t.plexus * 0.8)
    ridge = s.cavity[s.cavity[:, 1] < 0.0]
    ridge = ridge[np.argsort(ridge[:, 0])] * 0.985
    if rng.uniform() < 0.6:
        c.line(ridge[:: max(1, len(ridge) // 8)], rng.uniform(0.02, 0.04), t.vein, "vessel", soft=0.6)


def _callosum(c: Canvas, v: float) -> None:
    """Corpus callosum with the septum, the third ventricle and the thalamus under it."""
    rng, t = c.rng, c.t
    under = [(-0.44, 0.08), (-0.34, -0.16), (0.0, -0.26), (0.3, -0.16), (0.36, 0.02), (0.1, 0.0), (-0.2, 0.1)]
    c.fill(curve(under), 0.35 * t.white + 0.65 * t.fluid, "fluid_space", soft=1, share=min(1, 0.5 + 0.3 * v))
    c.oval(0.08, 0.1, 0.16, 0.1, t.gray, soft=1.2)
    c.line([(-0.3, 0.1), (-0.1, -0.02), (0.05, -0.08), (0.3, -0.06)], 0.03, t.white, soft=0.6)  # fornix
    c.oval(-0.05, 0.2, 0.1, 0.035 * v, t.fluid, "fluid_space", angle=-0.6, soft=0.7)
    arc = [(-0.3, 0.16), (-0.46, 0.06), (-0.44, -0.12), (-0.26, -0.26), (0.02, -0.32), (0.28, -0.24),
           (0.42, -0.06), (0.36, 0.06)]  # fmt: skip
    path = jitter(rng, arc, 0.012)
    c.line(path, 0.11, t.fluid, share=rng.uniform(0.1, 0.6), soft=0.9)
    c.line(path, rng.uniform(0.06, 0.1), t.white, "white_matter", soft=0.6)
    c.oval(0.37, 0.02, 0.07, 0.06, t.white, "white_matter", soft=0.6)
    c.oval(0.24, 0.2, 0.06, 0.06, t.fluid, "fluid_space", wobble=0.2, soft=0.5)
    if rng.uniform() < 0.7:
        c.line([(0.1, -0.04), (0.3, 0.0), (0.4, 0.14)], rng.uniform(0.006, 0.02), t.vein, "vessel", soft=0.5)


def _beside(c: Canvas, s: Sites) -> None:
    rng, t, v = c.rng, c.t, s.vents
    lobes = grown(s.cavity, -rng.uniform(0.01, 0.04))
    cut = lobes.copy()
    line = np.interp(cut[:, 0], [-1, 0.0, 0.2, 0.95], [1.0, 0.6, 0.4, 0.38])
    cut[:, 1] = np.minimum(cut[:, 1], line)
    cortex(c, c.mask(cut), medial=rng.uniform(0, 0.4), white_share=rng.uniform(0.7, 1))
    c.oval(-0.02, -0.12, 0.55, 0.24, t.white, "white_matter", wobble=0.2, soft=5, share=0.8)
    c.oval(-0.05, 0.02, 0.2, 0.14, t.gray, wobble=0.1, soft=2)
    path = [(-0.5, 0.32), (-0.36, 0.24), (-0.1, 0.24), (0.2, 0.12)]
    c.line(jitter(rng, path, 0.015), rng.uniform(0.02, 0.06), t.fluid, soft=0.7, share=0.9)  # Sylvian
    if rng.uniform() < 0.7:
        body = [(-0.45, -0.08), (-0.1, -0.2), (0.25, -0.12), (0.42, 0.08), (0.3, 0.2)]
        c.line(jitter(rng, body, 0.02), 0.03 + 0.045 * v, t.fluid, "fluid_space", soft=0.7)
        if rng.uniform() < 0.7:
            c.oval(0.33, 0.06, 0.05, 0.025, t.plexus, "vessel", angle=1, wobble=0.2)
    part = [(0.2, 0.52), (0.5, 0.42), (0.82, 0.5), (0.84, 0.64), (0.6, 0.82), (0.34, 0.82)]
    leaves(c, curve(jitter(rng, part, 0.015)), across=rng.uniform(-0.4, 0.4))
    c.line(
        [(0.15, 0.46), (0.5, 0.37), (0.92, 0.44)], 0.02, t.fluid if rng.uniform() < 0.6 else t.vein, share=0.9
    )
    c.oval(0.9, 0.48, 0.03, 0.05, t.vein, "vessel", soft=0.5)  # transverse sinus
    wedge = curve([(-0.05, 0.66), (0.08, 0.6), (0.22, 0.7), (0.26, 0.9), (0.05, 0.86)])
    c.fill(wedge, t.bone, "bone", soft=0.6, pushed=False)
