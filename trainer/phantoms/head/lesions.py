"""What grows in a head: where a lesion of each kind sits, and how it is drawn on the anatomy around it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from trainer.phantoms.drawing import SIDE, Gray, Rng, X, Y
from trainer.phantoms.head.canvas import Canvas, Points, Push, grain
from trainer.phantoms.head.sites import Sites

RADII = ((7.5, 10.0), (10.5, 17.0), (17.5, 32.0))
"""Radius in pixels by size, of all but lesions at the base, which are smaller."""
BASE_RADII = ((6.0, 7.2), (7.5, 11.0), (11.5, 18.0))
LARGEST = 0.42
"""Largest radius in half lengths of a brain."""


@dataclass(frozen=True)
class Plan:
    """One lesion before anything is drawn: kind, pixel, radius, size, and at the border the way inwards."""

    kind: int
    x: float
    y: float
    radius: float
    size: int
    inward: tuple[float, float] = (0.0, -1.0)
    upright: bool = False

    def push(self, rng: Rng) -> Push:
        """What the mass does to what is around it."""
        strength = {5: rng.uniform(0, 0.2), 6: 0.0}.get(self.kind, rng.uniform(0.1, 0.55))
        nx, ny = self.inward if self.kind == 3 else (0.0, 0.0)
        deep = 0.4 * self.radius
        return Push(self.x + nx * deep, self.y + ny * deep, self.radius, float(strength))


def _on_dura(rng: Rng, c: Canvas, s: Sites) -> tuple[float, float, tuple[float, float]]:
    """A pixel on the dura and the direction away from it into the brain."""
    shares = np.array([share for _, share in s.dura])
    line: Points = s.dura[int(rng.choice(len(shares), p=shares / shares.sum()))][0]
    at = int(rng.integers(1, len(line) - 1))
    before, here, after = c.to(line[[at - 1, at, at + 1]], pushed=False)
    along = (after - before) / (np.sqrt(((after - before) ** 2).sum()) + 1e-6)
    normal = np.array([-along[1], along[0]])
    middle = np.array(c.at(*s.inner[:2]))
    if abs(float(normal @ (middle - here))) < 0.25 * c.scale:  # the falx has a brain on both sides
        normal = normal * rng.choice([-1, 1])
    elif normal @ (middle - here) < 0:
        normal = -normal
    return float(here[0]), float(here[1]), (float(normal[0]), float(normal[1]))


def plan(rng: Rng, c: Canvas, s: Sites, view: int, kind: int) -> Plan:
    """Place a lesion where the picture shows it."""
    table = BASE_RADII if kind == 4 else RADII
    radius = min(rng.uniform(*table[int(rng.integers(3))]), LARGEST * c.scale)
    size = int(radius > table[1][0] - 0.25) + int(radius > table[2][0] - 0.25)
    x, y, inward = SIDE / 2, SIDE / 2, (0.0, -1.0)
    for _ in range(20):
        if kind == 4:
            assert s.sella is not None
            x, y = c.at(*s.sella)
        elif kind == 3:
            x, y, inward = _on_dura(rng, c, s)
        else:
            turn, far = rng.uniform(0, 6.28), rng.uniform(0.2, 1) ** 0.5
            cx, cy, rx, ry = s.inner
            x, y = c.at(cx + far * rx * np.cos(turn), cy + far * ry * np.sin(turn))
        deep = 0.5 * radius if kind == 3 else 0.0
        if 14 < x + inward[0] * deep < SIDE - 14 and 14 < y + inward[1] * deep < SIDE - 14:
            break
    return Plan(kind, x, y, radius, size, inward, view != 3)


@dataclass(frozen=True)
class _Lesion:
    """Slice, plan, the head's cavity as a mask, and the mass's gray level with its texture."""

    c: Canvas
    p: Plan
    cavity: Gray
    level: Gray

    def shape(self, rng: Rng, rx: float, ry: float, turn: float, rough: float) -> Gray:
        """Signed field, 1 in the centre and 0 on the outline, of an organic shape."""
        dx, dy = X - np.float32(self.p.x), Y - np.float32(self.p.y)
        co, si = np.float32(np.cos(turn)), np.float32(np.sin(turn))
        far = np.sqrt(((dx * co + dy * si) / rx) ** 2 + ((dy * co - dx * si) / ry) ** 2)
        stretch = float(np.clip(90 / (rx + ry), 1.0, 3.0))
        return np.asarray(1 - far + rough * grain(rng, 3, 4.2 / stretch), np.float32)


def _edge(field: Gray, width: float, soft: float = 1.0) -> Gray:
    """Mask of where a field is above zero; ``width`` is how many pixels one unit of it spans."""
    return np.asarray(np.clip(field * (width / soft) + 0.5, 0, 1), np.float32)


def _swelling(rng: Rng, v: _Lesion, reach: float, share: float, cortex: float = 0.12) -> None:
    """Oedema spreads along the white matter, in fingers, and spares the cortex."""
    field = v.shape(
        rng, v.p.radius * reach, v.p.radius * reach * rng.uniform(0.7, 1.2), rng.uniform(0, 3), 0.3
    )
    white = v.c.d.parts.get("white_matter", v.c.brain)
    mask = (
        _edge(field, v.p.radius * reach, rng.uniform(3, 8)) * np.clip(white * 1.1 + cortex, 0, 1) * v.c.brain
    )
    t = v.c.t
    wet = min(t.swelling, 0.74 * t.white) if t.swelling < t.white else max(t.swelling, 1.28 * t.white)
    level = np.asarray(wet * (1 + 0.06 * grain(rng, 2)), np.float32)
    v.c.lay(np.asarray(mask * share, np.float32), level, "swelling")


def _solid(rng: Rng, v: _Lesion, *, ring: bool = False) -> None:
    r = v.p.radius
    if rng.uniform() < (0.85 if ring else 0.6):
        _swelling(rng, v, rng.uniform(1.4, 2.4), rng.uniform(0.5, 1))
    field = v.shape(rng, r, r * rng.uniform(0.65, 1.05), rng.uniform(0, 3.1), rng.uniform(0.1, 0.3))
    mask = _edge(field, r, 1.0 if ring else rng.uniform(1, 4)) * v.c.brain
    v.c.lay(mask, v.level, "mass_inside")
    if ring:  # dead tissue within, under a rim of uneven thickness
        rim = np.clip(rng.uniform(2.2, 5) / r, 0.1, 0.4) * (1 + 0.5 * grain(rng, 3, 2))
        hole = _edge(np.asarray(field - rim, np.float32), r, 1.2) * v.c.brain
        dead = v.c.t.dead * (1 + 0.12 * grain(rng, 2))
        v.c.d.lay(hole, np.asarray(dead, np.float32))
    elif rng.uniform() < 0.3:
        spots = np.clip((grain(rng, 2.5, 2) - 0.7) * 4, 0, 1) * mask
        v.c.d.lay(np.asarray(spots, np.float32), v.c.t.dead)


def _ring(rng: Rng, v: _Lesion) -> None:
    _solid(rng, v, ring=True)


def _border(rng: Rng, v: _Lesion) -> None:
    r, (nx, ny) = v.p.radius, v.p.inward
    if rng.uniform() < 0.45:
        _swelling(rng, v, rng.uniform(1.4, 2.2), rng.uniform(0.4, 1))
    turn = float(np.arctan2(nx, -ny))
    deep, wide = r * rng.uniform(0.75, 1.1), r * rng.uniform(0.9, 1.25)
    # Its base lies on the dura: the centre is inside by less than its height.
    inside = deep * rng.uniform(0.1, 0.75)
    moved = Plan(v.p.kind, v.p.x + nx * inside, v.p.y + ny * inside, r, v.p.size)
    field = _Lesion(v.c, moved, v.cavity, v.level).shape(
        rng, wide, deep, turn, rng.choice([0.03, 0.06, 0.14])
    )
    behind = (X - np.float32(v.p.x)) * np.float32(nx) + (Y - np.float32(v.p.y)) * np.float32(ny)
    room = v.cavity * np.clip(behind + 1.5, 0, 1)
    cleft = _edge(np.asarray(field + rng.uniform(1, 2.5) / r, np.float32), r) * room
    v.c.d.lay(np.asarray(cleft * rng.uniform(0, 1), np.float32), v.c.t.fluid)
    if rng.uniform() < 0.5:  # dura thickens beside it
        far = (0.1 + rng.uniform(0.1, 0.4)) * r
        tail = _edge(_Lesion(v.c, v.p, v.cavity, v.level).shape(rng, wide + far, 2.2, turn, 0.0), 3) * room
        v.c.d.lay(tail, v.level)
    mask = _edge(field, r, rng.uniform(0.8, 1.6)) * room
    v.c.lay(np.asarray(mask, np.float32), v.level, "mass_at_the_border")
    if rng.uniform() < 0.15:
        chalk = np.clip((grain(rng, 2, 1.5) - 1) * 4, 0, 1) * mask
        v.c.d.lay(np.asarray(chalk, np.float32), v.c.t.bone)


def _base(rng: Rng, v: _Lesion) -> None:
    """From the fossa upwards; a waist where it passes the diaphragm makes a figure of eight."""
    c, r, style = v.c, v.p.radius, int(rng.integers(3))
    up = np.array([c.move[0, 1], c.move[1, 1]]) * -1.0
    up = up / np.sqrt((up**2).sum()) * float(v.p.upright)
    turn = float(np.arctan2(up[0], -up[1])) if v.p.upright else rng.uniform(0, 3)
    lift = r * rng.uniform(0, 0.45)
    low = Plan(v.p.kind, v.p.x + float(up[0]) * lift, v.p.y + float(up[1]) * lift, r, v.p.size)
    body = _Lesion(c, low, v.cavity, v.level)
    tall = (0.8, 1.05, 1.25)[style] * rng.uniform(0.9, 1.1)
    field = body.shape(rng, r * rng.uniform(0.85, 1.15), r * tall, turn, rng.uniform(0.02, 0.12))
    if style == 2 and v.p.upright:
        top = Plan(v.p.kind, low.x + up[0] * r * 1.1, low.y + up[1] * r * 1.1, r, v.p.size)
        other = _Lesion(c, top, v.cavity, v.level).shape(rng, r * 0.85, r * 0.75, turn, 0.06)
        field = np.maximum(field, other)
    rim = _edge(np.asarray(field + 1.5 / r, np.float32), r)
    c.d.lay(np.asarray(rim * rng.uniform(0, 0.8), np.float32), rng.choice([c.t.fluid, min(c.t.bone, 0.05)]))
    mask = _edge(field, r, rng.uniform(0.8, 1.6))
    c.lay(mask, v.level, "mass_at_the_base")
    if rng.uniform() < 0.3:
        hole = _edge(body.shape(rng, r * 0.5, r * 0.5 * tall, turn, 0.15), r * 0.5, 1.2)
        c.d.lay(hole, c.t.dead)


def _diffuse(rng: Rng, v: _Lesion) -> None:
    _swelling(rng, v, rng.uniform(1.5, 2.2), rng.uniform(0.8, 1), rng.uniform(0.3, 0.8))


def _several(rng: Rng, v: _Lesion) -> None:
    ys, xs = np.nonzero(v.c.brain[14:-14, 14:-14] > 0.9)
    for _ in range(int(rng.integers(3, 8))):
        pick = int(rng.integers(len(xs)))
        r = rng.uniform(3, 7.5)
        one = Plan(6, float(xs[pick] + 14), float(ys[pick] + 14), r, 0)
        spot = _Lesion(v.c, one, v.cavity, v.level)
        if rng.uniform() < 0.6:
            _swelling(rng, spot, 2.0, rng.uniform(0.5, 1))
        field = spot.shape(rng, r, r * rng.uniform(0.8, 1), 0.0, 0.08)
        v.c.lay(_edge(field, r) * v.c.brain, v.level, "mass_inside")
        if r > 5 and rng.uniform() < 0.4:
            v.c.d.lay(_edge(np.asarray(field - 0.45, np.float32), r) * v.c.brain, v.c.t.dead)


LESIONS: tuple[tuple[str, Callable[[Rng, _Lesion], None] | None], ...] = (
    ("none", None),
    ("inside, ring", _ring),
    ("inside, solid", _solid),
    ("at the border", _border),
    ("at the base", _base),
    ("diffuse", _diffuse),
    ("several small", _several),
)
IN_A_QUADRANT = {1, 2, 3, 5}


def draw_lesion(rng: Rng, c: Canvas, s: Sites, p: Plan) -> None:
    """Draw the planned lesion; its size, and its quadrant if it has one, become labels."""
    t = c.t
    level = t.lesion * rng.uniform(0.85, 1.15)
    if p.kind == 4:  # less vivid than a meningioma
        level = level + rng.uniform(0, 0.5) * (t.gray - level)
    if rng.uniform() < (0.08 if p.kind == 4 else 0.18) and p.kind != 6:  # some take up no agent
        level = t.gray * rng.uniform(0.6, 1.25)
    # What is labelled can be seen.
    r, least = int(1.4 * p.radius), 0.28 * t.gray
    box = c.d.image[max(0, int(p.y) - r) : int(p.y) + r, max(0, int(p.x) - r) : int(p.x) + r]
    around = float(np.median(box)) if box.size else t.gray
    for ground in (t.gray, around):
        if abs(level - ground) < least:
            level = ground + least * (1 if level > ground or ground < 1.5 * least else -1)
    rough = rng.uniform(0.02, 0.06) if p.kind in (3, 4) else rng.uniform(0.04, 0.2)
    core = np.asarray(level * (1 + rough * grain(rng, rng.uniform(1.5, 3))), np.float32)
    draw = LESIONS[p.kind][1]
    assert draw is not None
    draw(rng, _Lesion(c, p, c.mask(s.cavity, pushed=False), core))
    if p.kind != 6:
        c.d.labels["head_lesion_size"] = p.size
    x, y = np.array([p.x, p.y]) + (np.array(p.inward) * p.radius * 0.5 if p.kind == 3 else 0.0) - c.at(0, 0)
    if p.kind in IN_A_QUADRANT and min(abs(x), abs(y)) > 5:
        c.d.labels["head_quadrant"] = int(x > 0) + 2 * int(y > 0)
