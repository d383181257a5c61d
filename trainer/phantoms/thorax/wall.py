"""The wall of the thorax in cross section: fat, muscle, ribs, shoulder blades, sternum, vertebra."""

from __future__ import annotations

import numpy as np

from trainer.phantoms.drawing import SIDE, Gray, Rng, texture
from trainer.phantoms.thorax.frame import AIR, BONE, FAT, MUSCLE, Points, Section


def rim(rng: Rng, a: float, b: float) -> Points:
    """Outline of the cavity of the ribs: a rounded box, narrower in front."""
    turn = np.linspace(0, 2 * np.pi, 90, endpoint=False)
    power = 2 / rng.uniform(2.0, 2.7)
    x = a * np.sign(np.cos(turn)) * np.abs(np.cos(turn)) ** power
    y = b * np.sign(np.sin(turn)) * np.abs(np.sin(turn)) ** power
    x = x * (1 + rng.uniform(0.02, 0.2) * y / b) + rng.normal(0, 3)
    for k in (2, 3):
        y = y + rng.normal(0, 0.012 * b) * np.cos(k * turn + rng.uniform(0, 6.28))
    for k in range(4, 11):  # the ribs dent it
        wave = 1 + rng.normal(0, 0.006) * np.cos(k * turn + rng.uniform(0, 6.28))
        x, y = x * wave, y * wave
    return np.stack([x, y], 1)


def grown(points: Points, by: Points | float, down: float = 1.0) -> Points:
    """An outline around the origin, moved outward by millimetres."""
    length = np.linalg.norm(points, axis=1, keepdims=True)
    move = points / length * np.reshape(by, (-1, 1))
    move[:, 1] = move[:, 1] * down
    return np.asarray(points + move)


def body(rng: Rng, s: Section, fat: float) -> Gray:
    """Skin, fat and muscle; returns the mask of the body."""
    turn = np.arctan2(s.rim[:, 1], s.rim[:, 0])
    muscle = rng.uniform(14, 26) + rng.uniform(0, 12) * np.abs(np.cos(turn))
    muscle += rng.uniform(4, 14) * np.clip(2 * np.sin(turn) - 0.8, 0, 1)  # the muscles beside the spine
    if s.level == 0:
        muscle += rng.uniform(25, 60) * np.cos(turn) ** 4  # shoulders
    skin = muscle + fat * (1 + 0.4 * np.sin(turn * 2 + rng.uniform(0, 6.28)))
    if rng.uniform() < 0.3 and s.level:  # breasts
        at = rng.uniform(0.7, 1.0)
        for middle in (-np.pi / 2 - at, -np.pi / 2 + at):
            skin += rng.uniform(8, 38) * np.exp(-(((turn - middle) / 0.36) ** 2))
    outer = grown(s.rim, skin)
    mask = s.frame.fill(outer, 0.5)
    s.d.note(np.asarray(1 - mask, np.float32), "air")
    s.d.lay(mask, FAT + 0.012 * texture(rng, 2), "skin_or_fat")
    if rng.uniform() < 0.5:
        s.d.lay(s.frame.lines([np.vstack([outer, outer[:1]])], 2), 0.0)
    s.d.lay(s.frame.fill(grown(s.rim, muscle)), MUSCLE + 0.02 * texture(rng, 1.5), "soft_tissue")
    planes = []  # fat between the muscles
    for _ in range(int(rng.integers(4, 16))):
        start, length = int(rng.integers(90)), int(rng.integers(4, 16))
        pick = np.arange(start, start + length) % 90
        share = rng.uniform(0.5, 0.95) + np.linspace(0, rng.normal(0, 0.2), length)
        planes.append(grown(s.rim[pick], muscle[pick] * share))
    s.d.lay(s.frame.lines(planes, rng.uniform(1, 4)), FAT)
    return mask


def bones(rng: Rng, s: Section) -> None:
    """All bones of the wall, with marrow a little darker than the cortex."""
    level = BONE * rng.uniform(0.6, 1.6)
    frame = s.frame
    mask = np.zeros((SIDE, SIDE), np.float32)
    ribs = []
    step = 90 // int(rng.integers(7, 13))
    thick = rng.uniform(5, 8)
    for start in range(int(rng.integers(step)), 90, step):
        length = int(rng.integers(3, 2 + step))
        pick = np.arange(start, start + length) % 90
        if abs(s.rim[pick, 0]).min() < 0.22 * s.a or rng.uniform() < 0.12:
            continue
        out = 4 + np.linspace(0, rng.uniform(-2, 9), length)  # a rib runs through the slice obliquely
        ribs.append(grown(s.rim[pick], out))
    mask = np.maximum(mask, frame.lines(ribs, thick))
    for side in (-1, 1):
        if s.level <= 2 and rng.uniform() < 0.85:  # shoulder blade
            x, y = side * (s.a + rng.uniform(8, 20)), s.b * rng.uniform(0.25, 0.65)
            lean = rng.uniform(0.7, 1.3)
            u = np.linspace(-1, 1, 8) * rng.uniform(18, 42)
            bend = 0.006 * u**2
            path = np.stack([x - side * u * np.cos(lean) + side * bend, y + u * np.sin(lean)], 1)
            mask = np.maximum(mask, frame.lines([path], rng.uniform(3, 6)))
        if s.level == 0:  # collar bones and first ribs
            u = np.linspace(0, 1, 8)
            path = np.stack([side * (16 + 60 * u), -s.b * rng.uniform(0.6, 0.95) + 14 * u**2], 1)
            mask = np.maximum(mask, frame.lines([path], rng.uniform(8, 12)))
            if rng.uniform() < 0.4:
                mask = np.maximum(mask, frame.blob(rng, side * (s.a + 55), 5, 22, 24, wobble=0.06))
    if s.level:
        top = s.rim[:, 1].min() - 7
        mask = np.maximum(mask, frame.blob(rng, rng.normal(0, 3), top, rng.uniform(14, 24), 6, wobble=0.06))
    mask = np.asarray(np.maximum(mask, _vertebra(rng, s)) * (1 - s.both), np.float32)
    s.d.lay(mask, level, "bone")
    marrow = np.asarray(np.clip(texture(rng, 1.5) * 0.1 - 0.1, -0.25, 0.1), np.float32)
    s.d.add(mask * mask, marrow)


def _vertebra(rng: Rng, s: Section) -> Gray:
    frame, y = s.frame, spine(s)
    size = rng.uniform(0.9, 1.12)
    mask = frame.blob(rng, 0, y, 18 * size, 15 * size, wobble=0.05)
    arch = y + 25 * size
    mask = np.maximum(mask, frame.blob(rng, 0, arch, 15, 13))
    mask = np.maximum(mask, frame.blob(rng, 0, arch + rng.uniform(16, 26), 4, rng.uniform(10, 22)))
    for side in (-1, 1):
        if rng.uniform() < 0.75:
            path = np.array([[side * 10, arch], [side * 34, arch + rng.uniform(2, 14)]])
            mask = np.maximum(mask, frame.lines([path], rng.uniform(6, 10)))
        if rng.uniform() < 0.6:  # head of a rib
            path = np.array([[side * 17, y + 10], [side * 40, y + 26], [side * 62, s.b + 3]])
            mask = np.maximum(mask, frame.lines([path], rng.uniform(5, 8)))
    canal = frame.blob(rng, 0, y + 22 * size, 9, 8)
    return np.asarray(mask * (1 - canal), np.float32)


def spine(s: Section) -> float:
    """Where the middle of the vertebra lies, in millimetres."""
    return s.b * 0.58


def table(rng: Rng, s: Section, skin: Gray) -> None:
    """The table below the body, a blanket, a wire."""
    if s.frame.kind < 2 or rng.uniform() < 0.35:
        return
    u = np.linspace(-1, 1, 24)
    y = s.b + rng.uniform(48, 75)
    bend = rng.uniform(-5, 35)
    paths = [np.stack([u * 230, y + 14 * k - bend * u**2], 1) for k in range(int(rng.integers(1, 3)))]
    mask = s.frame.lines(paths, rng.uniform(1, 4)) * (1 - skin)
    s.d.lay(np.asarray(mask, np.float32), rng.uniform(AIR + 0.2, FAT), "device_or_text")
