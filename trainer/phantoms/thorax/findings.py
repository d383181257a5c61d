"""What illness does to a lung in cross section."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from trainer.phantoms.drawing import SIDE, Gray, Rng, X, Y, outline, polygon, texture
from trainer.phantoms.thorax.frame import AIR, FLUID
from trainer.phantoms.thorax.lesion import Lesion
from trainer.phantoms.thorax.vessels import Segment, grow, paint

LESIONS = (
    "none",
    "ground glass at the edges",
    "consolidation",
    "mixed with lines",
    "nodules",
    "effusion",
    "emphysema",
    "ground glass everywhere",
    "fibrosis",
    "buds",
    "collapse",
)


def _grain(rng: Rng) -> Gray:
    return np.asarray(1 + rng.uniform(0.05, 0.3) * texture(rng, rng.uniform(1, 2.5)), np.float32)


def _net(rng: Rng, pitch: float, wall: float) -> Gray:
    """Walls of irregular cells, as interlobular septa and honeycombs have them."""
    cells = int(SIDE / pitch) + 1
    seeds = np.stack(np.meshgrid(np.arange(cells), np.arange(cells)), -1) + rng.uniform(
        0.1, 0.9, (cells, cells, 2)
    )
    free = np.full((SIDE, SIDE), 255, np.uint8)
    at = np.clip(seeds.reshape(-1, 2) * pitch, 0, SIDE - 1).astype(np.intp)
    free[at[:, 1], at[:, 0]] = 0
    _, names = cv2.distanceTransformWithLabels(free, cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL)
    walls = np.zeros((SIDE, SIDE), np.float32)
    walls[:-1] = names[1:] != names[:-1]
    walls[:, :-1] = np.maximum(walls[:, :-1], names[:, 1:] != names[:, :-1])
    return np.asarray(np.clip(cv2.GaussianBlur(walls, (0, 0), wall) * (1 + wall), 0, 1), np.float32)


def _patches(rng: Rng, f: Lesion, low: float = 2.0) -> Gray:
    """Mask of patches, from a single small one to half a lung."""
    count = int(rng.choice([1, 2, 4, 8, 14]))
    size = rng.uniform(5, 24) if count < 5 else rng.uniform(5, 16)
    edge = bool(rng.uniform() < 0.8)
    mask = np.zeros((SIDE, SIDE), np.float32)
    field_ = f.torn(rng) * np.float32(rng.uniform(0.15, 0.45))
    soft = rng.uniform(0.2, 0.8)
    for x, y in f.places(rng, f.sides(rng), count, edge=edge, low=low):
        rx = size * rng.uniform(0.6, 1.5)
        f.spot(mask, field_, x, y, rx, rx * rng.uniform(0.4, 1.0), rng.uniform(0, np.pi), soft)
    return mask


def _ground_glass(rng: Rng, f: Lesion) -> None:
    share = np.clip(rng.uniform(0.16, 0.5) * _grain(rng), 0, 0.75)
    f.haze(_patches(rng, f), share, "hazy_opacity")


def _dense(rng: Rng, f: Lesion, mask: Gray) -> None:
    f.haze(mask, rng.uniform(0.85, 1.0), "dense_opacity")
    if rng.uniform() < 0.7:  # air in bronchi
        inside = np.flatnonzero(mask > 0.8)
        if len(inside) < 400:
            return
        canvas = np.zeros((SIDE, SIDE), np.uint8)
        for at in rng.choice(inside, int(rng.integers(1, 4))):
            y, x = divmod(int(at), SIDE)
            root = (float(x), float(y), rng.uniform(0, 6.28), rng.uniform(1.2, 3.2))
            paint(canvas, grow(rng, mask * 9, [root], margin=5, gap=0.1, most=18, shrink=0.8), faint=0.4)
        f.s.d.lay(np.asarray(canvas / 255 * mask, np.float32), rng.uniform(-0.95, -0.5))


def _consolidation(rng: Rng, f: Lesion) -> None:
    count = int(rng.choice([1, 1, 2, 4]))
    for x, y in f.places(rng, f.sides(rng), count, edge=bool(rng.uniform() < 0.7), low=2.0):
        rx = rng.uniform(9, 40) / count**0.5
        ry = rx * rng.uniform(0.5, 1.1)
        if rng.uniform() < 0.6:
            halo = f.geography(rng, x, y, rx * 1.5, ry * 1.5, 0.3, 0.5)
            f.haze(halo, rng.uniform(0.15, 0.45), "hazy_opacity")
        _dense(rng, f, f.geography(rng, x, y, rx, ry, rng.uniform(0.1, 0.3), rng.uniform(0.08, 0.3)))


def _mixed(rng: Rng, f: Lesion) -> None:
    """Haze with a net in it, and cores that are solid."""
    share, net = rng.uniform(0.15, 0.45), _net(rng, rng.uniform(5, 11), rng.uniform(0.4, 0.8))
    mask = _patches(rng, f)
    f.haze(mask, share * _grain(rng), "hazy_opacity")
    f.haze(np.asarray(mask * net, np.float32), rng.uniform(0.3, 0.6), "lines_and_dots")
    if rng.uniform() < 0.45:
        core = np.clip((mask + 0.35 * texture(rng, 2.5) - 0.75) * 4, 0, 1) * mask
        f.haze(np.asarray(core, np.float32), rng.uniform(0.6, 0.95), "dense_opacity")
    f.s.d.note(mask, "lines_and_dots")


def _nodules(rng: Rng, f: Lesion) -> None:
    count = int(rng.choice([1, 1, 2, 5, 12]))
    scale = f.s.frame.scale
    spiked, hollow = rng.uniform() < 0.35, rng.uniform() < 0.2
    for x, y in f.places(rng, f.sides(rng), count, edge=bool(rng.uniform() < 0.5)):
        size = (rng.uniform(5, 22) if count < 3 else rng.uniform(3.5, 9)) * scale
        mask = polygon(outline(rng, x, y, size, size * rng.uniform(0.8, 1.1), 0, 0.12), 0.5)
        if spiked:
            rays: list[Segment] = []
            for turn in np.arange(0, 6.28, rng.uniform(0.35, 0.8)) + rng.uniform(0, 1):
                far = size * rng.uniform(1.2, 1.9)
                rays.append((0.9, x, y, float(x + far * np.cos(turn)), float(y + far * np.sin(turn))))
            canvas = np.zeros((SIDE, SIDE), np.uint8)
            paint(canvas, rays)
            mask = np.maximum(mask, canvas / 255 * 0.7)
        mask = np.asarray(mask * f.both, np.float32)
        f.haze(mask, rng.uniform(0.85, 1.0), "nodule")
        if hollow and size > 5:
            hole = polygon(
                outline(
                    rng, x, y + rng.normal(0, 0.1 * size), size * rng.uniform(0.3, 0.7), size * 0.5, 0, 0.15
                ),
                0.5,
            )
            f.s.d.lay(np.asarray(hole * f.both, np.float32), AIR)


def _effusion(rng: Rng, f: Lesion) -> None:
    which = (f.s.lungs[:1], f.s.lungs[1:], f.s.lungs)[int(rng.integers(3))]
    for lung in which:
        rows = np.flatnonzero(lung.max(1) > 0.5)
        if len(rows) < 20:
            continue
        height = len(rows)
        up = rng.uniform(0.13, 0.45) * height
        middle = float((lung * X).sum() / lung.sum())
        slide = (SIDE / 2 - middle) * rng.uniform(0.0, 0.25)
        move = np.array([[1, 0, slide], [0, 1, -up]])
        rest = cv2.warpAffine(lung, move, (SIDE, SIDE))
        back = np.clip((Y - (rows[0] + rng.uniform(0.3, 0.6) * height)) / (0.12 * height), 0, 1)
        mask = np.asarray(lung * (1 - rest) * back, np.float32)
        f.haze(mask, 1.0, "effusion")
        if rng.uniform() < 0.5:  # lung pressed together above the fluid
            wide = cv2.blur(mask, (15, 15)) * lung * (1 - mask)
            f.s.d.image += np.clip(wide * 2, 0, 1) * rng.uniform(0.2, 0.8) * (FLUID - f.s.d.image)


def _emphysema(rng: Rng, f: Lesion) -> None:
    where = f.sides(rng) if rng.uniform() < 0.3 else f.both
    edge = bool(rng.uniform() < 0.4)
    walls = rng.uniform(0, 0.5)
    size = rng.uniform(1.8, 6)
    holes, rims = np.zeros((SIDE, SIDE), np.uint8), np.zeros((SIDE, SIDE), np.uint8)
    for x, y in f.places(rng, where, int(rng.uniform(40, 400) / size**1.2) + 6, edge=edge, low=0.7):
        r = size * rng.uniform(0.5, 1.8)
        shape = np.round(outline(rng, x, y, r, r * rng.uniform(0.6, 1), rng.uniform(0, 3), 0.2) * 16).astype(
            np.int32
        )
        cv2.polylines(rims, [shape], True, 255, 1, cv2.LINE_AA, 4)
        cv2.fillPoly(holes, [shape], 255, cv2.LINE_AA, 4)
    lung = f.both * where / 255
    f.s.d.lay(np.asarray(holes * lung * 0.9, np.float32), AIR + 0.01, "air")
    f.s.d.add(np.asarray(rims * lung, np.float32), walls)
    f.mask = np.maximum(f.mask, holes * lung)


def _everywhere(rng: Rng, f: Lesion) -> None:
    """Haze of both lungs: even, in a mosaic, or more at the back."""
    field_ = texture(rng, rng.uniform(2, 3.5), rng.uniform(1, 2.5)) * rng.uniform(0.1, 1.2) + rng.uniform(
        0.2, 1
    )
    if rng.uniform() < 0.4:
        field_ = field_ + (Y - SIDE / 2) / SIDE * rng.uniform(1, 3)
    if rng.uniform() < 0.25:  # the border is spared
        field_ = field_ * np.clip(f.depth / rng.uniform(6, 14), 0, 1)
    mask = np.asarray(np.clip(field_ * rng.uniform(1, 3), 0, 1) * f.both, np.float32)
    f.haze(mask, np.clip(rng.uniform(0.2, 0.65) * _grain(rng), 0, 0.85), "hazy_opacity")


def _fibrosis(rng: Rng, f: Lesion) -> None:
    """Lines at the border of the lungs, which may become a honeycomb of thick walls."""
    reach = rng.uniform(5, 18)
    band = np.exp(-((f.depth / reach) ** 2)) + 0.25 * texture(rng, 2.5, 1.5)
    band = band + rng.uniform(0, 0.4) * (Y - SIDE / 2) / SIDE
    mask = np.asarray(np.clip((band - 0.45) * 3, 0, 1) * f.both, np.float32)
    f.mask = np.maximum(f.mask, mask)
    f.s.d.image += mask * rng.uniform(0.0, 0.3) * (FLUID - f.s.d.image)
    thick = rng.uniform(0.5, 1.0)
    net = np.asarray(_net(rng, rng.uniform(4.5, 8), thick) * mask, np.float32)
    f.haze(net, rng.uniform(0.45, 0.9), "lines_and_dots")
    if thick > 0.75:
        f.s.d.image += mask * (1 - net) * 0.5 * (AIR - f.s.d.image)
    f.s.d.note(mask, "lines_and_dots")


def _buds(rng: Rng, f: Lesion) -> None:
    """Small dots in groups on twigs, as filled bronchioles look."""
    canvas = np.zeros((SIDE, SIDE), np.uint8)
    for x, y in f.places(rng, f.sides(rng), int(rng.integers(3, 14)), edge=True):
        turn = rng.uniform(0, 6.28)
        paint(
            canvas, grow(rng, f.depth, [(x, y, turn, 1.3)], margin=1.5, gap=0, most=8, twigs=0.8), faint=0.5
        )
        for _ in range(int(rng.integers(4, 14))):
            u, v = x + rng.normal(0, 6), y + rng.normal(0, 6)
            cv2.circle(canvas, (int(u * 16), int(v * 16)), int(rng.uniform(14, 30)), 255, -1, cv2.LINE_AA, 4)
    mask = np.asarray(canvas / 255 * f.both, np.float32)
    f.haze(mask, rng.uniform(0.6, 0.95), "lines_and_dots")
    near = np.asarray(cv2.blur(mask, (9, 9)) > 0.12, np.float32) * f.both
    f.s.d.note(np.asarray(near, np.float32), "lines_and_dots")


def _collapse(rng: Rng, f: Lesion) -> None:
    """Bands of airless lung that run to the pleura."""
    for x, y in f.places(rng, f.sides(rng), int(rng.integers(1, 4)), edge=True, low=2.5):
        turn, far = rng.uniform(-0.6, 0.6) + rng.choice([0.0, np.pi]), rng.uniform(14, 45)
        u = np.linspace(0, 1, 10)
        wide = rng.uniform(1.2, 5) * (1 - 0.6 * u)
        inward = np.sign(SIDE / 2 - x)
        mx, my = (
            x - inward * 5 + inward * far * u * np.cos(turn),
            y + far * u * np.sin(turn) + rng.normal(0, 4) * u**2,
        )
        points = np.concatenate([np.stack([mx, my - wide], 1), np.stack([mx, my + wide], 1)[::-1]])
        f.haze(np.asarray(polygon(points, 0.5) * f.both, np.float32), rng.uniform(0.75, 1.0), "dense_opacity")


DRAW: dict[int, Callable[[Rng, Lesion], None]] = {
    1: _ground_glass, 2: _consolidation, 3: _mixed, 4: _nodules, 5: _effusion, 6: _emphysema, 7: _everywhere,
    8: _fibrosis, 9: _buds, 10: _collapse,
}  # fmt: skip
"""By position in LESIONS."""
