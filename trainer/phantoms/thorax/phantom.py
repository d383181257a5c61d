"""Cross sections of a thorax in a lung window, as computed tomography shows them.

Drawn in Hounsfield units, in millimetres, and then seen through a window and a frame.
From general knowledge of anatomy and from no image.
"""

from __future__ import annotations

import cv2
import numpy as np

from trainer.phantoms.drawing import SIDE, Drawing, Gray, Rng, X, Y, blank, texture
from trainer.phantoms.thorax.findings import DRAW, LESIONS
from trainer.phantoms.thorax.frame import AIR, FRAMES, Section, choose_frame
from trainer.phantoms.thorax.lesion import Lesion, severity, side
from trainer.phantoms.thorax.mediastinum import airways, lungs, parenchyma
from trainer.phantoms.thorax.vessels import vessels
from trainer.phantoms.thorax.wall import body, bones, rim, table

__all__ = ["FRAMES", "LESIONS", "LEVELS", "SEVERITIES", "SIDES", "thorax_ct"]

LEVELS = ("apex", "arch", "carina", "heart", "base")
SEVERITIES = ("none", "some", "a quarter", "more")
SIDES = ("left of the picture", "right of the picture", "both")
_SHARES = (0.26, 0.14, 0.1, 0.1, 0.09, 0.05, 0.06, 0.08, 0.06, 0.03, 0.03)
_WIDE = (0.72, 0.9, 0.97, 1.0, 1.0)
_TALL = (0.72, 0.85, 0.95, 1.0, 1.0)


def _section(rng: Rng) -> tuple[Section, Gray]:
    level = int(rng.choice(5, p=(0.12, 0.17, 0.23, 0.27, 0.21)))
    a, b = rng.uniform(115, 150), rng.uniform(78, 112)
    fat = float(rng.choice([rng.uniform(3, 12), rng.uniform(10, 36)]))
    near = rng.uniform(0.0, 0.9)  # a slice is framed by itself, or as the whole scan is
    share, high = _WIDE[level], _TALL[level]
    frame = choose_frame(rng, a * (1 - near + near * share), b * (1 - near + near * high), fat)
    a, b = a * share, b * high
    s = Section(blank(AIR), frame, level, a, b, rim(rng, a, b))
    skin = body(rng, s, fat)
    table(rng, s, skin)
    lungs(rng, s)
    bones(rng, s)
    parenchyma(rng, s)
    vessels(rng, s)
    airways(rng, s)
    return s, skin


def _beating(rng: Rng, s: Section) -> None:
    """A heart that moved, or a chest that breathed, during the scan: edges stand twice."""
    dx, dy = rng.normal(0, 2.0, 2)
    moved = cv2.warpAffine(s.d.image, np.array([[1, 0, dx], [0, 1, dy]]), (SIDE, SIDE), borderMode=1)
    where = s.frame.blob(rng, 15, -10, rng.uniform(60, 160), rng.uniform(50, 110), soft=9) * 0.5
    s.d.image += where * (moved - s.d.image)


def _choose_window(rng: Rng) -> tuple[float, float]:
    """The level that becomes black, and the width from there to white."""
    kind = rng.choice(4, p=(0.62, 0.14, 0.14, 0.1))
    middle, width = (
        (rng.uniform(-0.7, -0.45), rng.uniform(1.2, 1.7)),
        (rng.uniform(-0.45, -0.1), rng.uniform(1.7, 2.6)),  # bone is seen
        (rng.uniform(-0.75, -0.55), rng.uniform(0.7, 1.2)),  # the lung is gray
        (rng.uniform(-0.5, -0.25), rng.uniform(0.9, 1.3)),  # the lung is near black
    )[int(kind)]
    return middle - width / 2, width


def _seen(image: Gray, window: tuple[float, float]) -> Gray:
    return np.asarray(np.clip((image - window[0]) / window[1], 0, 1), np.float32)


def _background(rng: Rng, image: Gray, skin: Gray) -> None:
    """What lies outside of the body or of the scanner's field in an export."""
    draw = rng.uniform()
    if draw < 0.12:
        radius = rng.uniform(0.96, 1.12) * SIDE / 2
        outside = np.hypot(X - SIDE / 2, Y - SIDE / 2) > radius
        image[outside] = rng.choice([0.0, image.min(), rng.uniform(0, 0.5)])
    elif draw < 0.45:
        level = rng.choice([0.0, rng.uniform(0.0, 0.35), rng.uniform(0.6, 1.0)], p=(0.6, 0.28, 0.12))
        image += (1 - skin) * (level - image)


def _fall_ill(rng: Rng, s: Section, kind: int, window: tuple[float, float]) -> None:
    """Draw one kind of finding and note its labels; none is noted where none can be seen."""
    d, lesion = s.d, Lesion(s)
    d.labels |= {"ct_lesion": 0, "ct_severity": 0}
    if not kind:
        return
    healthy, parts, before = d.image.copy(), dict(d.parts), _seen(d.image, window)
    for _ in range(3):
        DRAW[kind](rng, lesion)
        change = cv2.absdiff(_seen(d.image, window), before)
        if (change > 0.075).sum() > 30:
            d.labels |= {"ct_lesion": kind, "ct_severity": severity(lesion), "ct_side": side(lesion)}
            return
        d.image, d.parts, lesion = healthy.copy(), dict(parts), Lesion(s)


def _marks(rng: Rng, d: Drawing) -> None:
    """Letters, arrows and margins of exports and figures, with or without a finding."""
    level = float(rng.choice([0.0, rng.uniform(0.5, 1.0), 1.0]))
    draw, mask = rng.uniform(), np.zeros((SIDE, SIDE), np.uint8)
    x, y = (int(each) for each in rng.uniform(8, 210, 2))
    if draw < 0.06:
        corner = (x, int(rng.choice([rng.uniform(10, 30), rng.uniform(205, 222)])))
        text = "".join(rng.choice(list("ABCDRLPHabcd0123456789"), int(rng.integers(1, 7))))
        cv2.putText(mask, text, corner, 0, rng.uniform(0.3, 1.0), 255, int(rng.integers(1, 3)), cv2.LINE_AA)
    elif draw < 0.1:
        for _ in range(int(rng.integers(1, 4))):
            x, y = (int(each) for each in rng.uniform(30, 194, 2))
            turn, far = rng.uniform(0, 6.28), rng.uniform(12, 26)
            tail = (int(x + far * np.cos(turn)), int(y + far * np.sin(turn)))
            cv2.arrowedLine(mask, tail, (x, y), 255, int(rng.integers(1, 4)), cv2.LINE_AA, 0, 0.4)
    elif draw < 0.14:
        for _ in range(int(rng.integers(1, 3))):
            wide = int(rng.integers(3, 26))
            band = np.rot90(mask, int(rng.integers(4)))
            band[:wide] = 255
    else:
        return
    d.lay(np.asarray(mask / 255, np.float32), level, "device_or_text")


def thorax_ct(rng: Rng) -> Drawing:
    """One cross section, with labels for its level, its frame, and the finding: kind, side, share."""
    s, skin = _section(rng)
    d = s.d
    d.labels = {"ct_level": s.level, "ct_frame": s.frame.kind}
    window = _choose_window(rng)
    _fall_ill(rng, s, int(rng.choice(len(LESIONS), p=_SHARES)), window)
    if rng.uniform() < 0.12:
        _beating(rng, s)
    d.image = np.asarray(cv2.GaussianBlur(d.image, (0, 0), rng.uniform(0.35, 0.8)), np.float32)
    d.image += (
        float(rng.choice([0.003, 0.007, 0.012])) * rng.uniform(0.5, 1.5) * texture(rng, rng.uniform(0.3, 1.4))
    )
    d.image = _seen(d.image, window)
    _background(rng, d.image, skin)
    _marks(rng, d)
    return d
