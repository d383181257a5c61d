"""Frontal chest radiographs: two builds, three framings, and seven kinds of opacity.

A radiograph is a shadow: parts add up along the beam instead of hiding one another. So densities are
added up first and turned into gray levels at the end. Drawn from general knowledge of anatomy and from
no image.
"""

from __future__ import annotations

import numpy as np

from trainer.phantoms.chest.bones import Bones, bones
from trainer.phantoms.chest.film import develop, field
from trainer.phantoms.chest.frame import BUILDS, FRAMES, Frame, choose
from trainer.phantoms.chest.lesions import LESIONS, ONE_SIDED, Finding, Lungs, find
from trainer.phantoms.chest.organs import Organs, around, mist, organs
from trainer.phantoms.chest.things import things, writing
from trainer.phantoms.drawing import Drawing, Gray, Labels, Rng, blank, texture

__all__ = ["BUILDS", "FRAMES", "HEARTS", "LESIONS", "SEVERITIES", "chest"]

HEARTS = ("small", "usual", "large")
SEVERITIES = ("none", "slight", "moderate", "severe")
_STEPS = (0.12, 0.32)
"""Shares of the lungs' air lost that part slight, moderate and severe."""
_LESION_SHARES = (0.25, 0.15, 0.12, 0.1, 0.1, 0.07, 0.11, 0.1)
_SHOWS_HEART = (0, 3, 5)
"""Findings that do not hide the border of the heart."""


def _air(rng: Rng, f: Frame, o: Organs) -> Gray:
    """Depth of air along the beam, 0 to 1: less at the edges and behind heart and diaphragm."""
    both = o.both
    depth = both * (0.72 + 0.28 * mist(both, 16 * f.scale))
    depth = depth * (1 - rng.uniform(0.6, 0.9) * o.heart) * (1 - rng.uniform(0.75, 0.95) * o.middle)
    return np.asarray(depth, np.float32)


def _density(rng: Rng, f: Frame, o: Organs, b: Bones, air: Gray, u: Gray, v: Gray, finding: Finding) -> Gray:
    clear = air * (1 - finding.fill)
    body = o.body * (0.55 + 0.45 * mist(o.body, 14 * f.scale)) * (1 + rng.uniform(-0.12, 0.12) * (v - 0.4))
    out = body * (1 + 0.02 * texture(rng, 3)) - rng.uniform(0.42, 0.68) * clear
    # A filled lung is as dense as the heart, so the border between them is lost.
    flesh = np.maximum(np.maximum(o.heart, o.middle), o.both * finding.fill**2)
    out += rng.uniform(0.02, 0.2) * flesh * o.body
    out += around(rng, f, o, u, v, np.asarray(o.both * (1 - finding.fill), np.float32))
    # Where more lies along the beam, less of each bone is seen.
    seen = 0.3 + 0.7 * air
    out += rng.uniform(0.04, 0.18) * b.ribs * seen * o.body
    out += rng.uniform(0.05, 0.2) * b.spine * o.body * (1 - rng.uniform(0.2, 0.8) * o.heart)
    out += rng.uniform(0.1, 0.3) * b.shoulders * o.body
    out -= rng.uniform(0.03, 0.18) * o.airway * o.body
    vessels = o.vessels * clear + 0.25 * o.vessels * mist(air, 8) * (1 - finding.fill)
    out += rng.uniform(0.1, 0.32) * vessels
    out += rng.uniform(0.0, 0.02) * texture(rng, rng.uniform(1.5, 2.5)) * clear
    return np.asarray(out + finding.added, np.float32)


def _labels(f: Frame, o: Organs, lesion: int, lost: float) -> Labels:
    labels = {"chest_lesion": lesion, "chest_build": f.build, "chest_frame": f.kind}
    severe = 0 if lesion == 0 else 1 + sum(lost > step for step in _STEPS)
    labels["chest_severity"] = severe
    if lesion in _SHOWS_HEART:
        labels["heart_size"] = o.heart_size
    return labels


def chest(rng: Rng) -> Drawing:
    """One radiograph, with labels for build, framing, heart, and kind, side and extent of its opacity."""
    lesion = int(rng.choice(len(LESIONS), p=_LESION_SHARES))
    f = choose(rng)
    o = organs(rng, f)
    b = bones(rng, f, o.wall, raised=o.raised)
    u, v = f.grid()
    air = _air(rng, f, o)
    finding, lost, side = Finding(), 0.0, int(rng.integers(2))
    if lesion:
        finding, lost = find(rng, Lungs(f, o, air, side, u, v), lesion)
    density = _density(rng, f, o, b, air, u, v, finding)
    extras = things(rng, f)
    density += extras * rng.uniform(0.25, 0.9)
    d = blank()
    d.image = develop(rng, density)
    met, outside = field(rng, f)
    d.lay(1 - met, outside)
    mask, level = writing(rng)
    d.lay(mask, level * rng.uniform(0.8, 1.0))
    d.labels = _labels(f, o, lesion, lost)
    if lesion in ONE_SIDED:
        d.labels["chest_side"] = side
    _masks(d, o, b, met, finding, np.asarray(np.maximum(mask, extras > 0.2), np.float32))
    return d


def _masks(d: Drawing, o: Organs, b: Bones, met: Gray, finding: Finding, written: Gray) -> None:
    """Note what is where."""
    flesh = np.maximum(o.heart, o.middle)
    where = {
        "air": 1 - o.body * met,
        "soft_tissue": o.body * met * (1 - o.both),
        "lung": o.both * met * (1 - 0.8 * flesh),
        "bone": np.clip(b.ribs * (0.2 + 1.1 * o.both) + 1.3 * b.shoulders, 0, 1) * o.body * met,
        "vessel": np.clip(o.vessels * 1.5, 0, 1) * o.both * met * (1 - finding.fill),
        "heart": o.heart * met,
        **{name: mask * met for name, mask in finding.parts.items()},
    }
    for name, mask in where.items():
        d.note(np.asarray(mask, np.float32), name)
    d.note(written, "device_or_text")
