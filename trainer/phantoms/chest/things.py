"""What lies on a patient or is written on a film: leads, tubes, wires, buttons, letters, boxes."""

from __future__ import annotations

import cv2
import numpy as np

from trainer.phantoms.chest.frame import SHIFT, Canvas, Frame, Points, canvas, fixed, gray
from trainer.phantoms.drawing import SIDE, Gray, Rng

_FONTS = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_PLAIN, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_COMPLEX)
_WORDS = ("AP", "PA", "PORTABLE", "SUPINE", "ERECT", "MOBILE", "SEMI UPRIGHT", "R", "L", "ICU", "BED")
_SIGNS = "ABCDEFGHIKLMNOPRSTUVWXYZ0123456789./:-"


def _curve(start: Points, bend: Points, end: Points) -> Points:
    t = np.linspace(0, 1, 18)[:, None]
    return np.asarray((1 - t) ** 2 * start + 2 * t * (1 - t) * bend + t**2 * end, np.float64)


def _draw(drawn: Canvas, path: Points, level: int, width: float) -> None:
    cv2.polylines(drawn, [fixed(path)], False, level, max(1, round(width)), cv2.LINE_AA, SHIFT)


def _lead(rng: Rng, f: Frame, drawn: Canvas) -> None:
    """A thin wire that ends in a round electrode."""
    end = np.array(f.at(rng.uniform(-1.0, 1.0), rng.uniform(-0.05, 1.15)))
    start = np.array([rng.uniform(0, SIDE), rng.choice([-4.0, SIDE + 4.0])])
    if rng.uniform() < 0.5:
        start = start[::-1]
    bend = (start + end) / 2 + rng.normal(0, 40, 2)
    _draw(drawn, _curve(start, bend, end), int(rng.integers(60, 170)), rng.choice([1, 1, 2]))
    size = rng.uniform(1.5, 4.5) * f.scale
    centre = (int(end[0] * 16), int(end[1] * 16))
    cv2.circle(drawn, centre, int(size * 16), int(rng.integers(110, 255)), -1, cv2.LINE_AA, SHIFT)
    if rng.uniform() < 0.5:
        cv2.circle(drawn, centre, int(size * 30), int(rng.integers(40, 110)), 1, cv2.LINE_AA, SHIFT)


def _tubes(rng: Rng, f: Frame, drawn: Canvas) -> None:
    """A tube in the windpipe, one to the stomach, a line to the great vein."""
    width, level = rng.choice([1, 1, 2, 3]), int(rng.integers(50, 150))
    x = f.turned * 0.6
    if rng.uniform() < 0.5:
        _draw(
            drawn, f.pixels(np.array([(x + 0.03, -0.5), (x, 0.0), (x, rng.uniform(0.1, 0.28))])), level, width
        )
    if rng.uniform() < 0.5:
        path = np.array([(x, -0.5), (x + 0.02, 0.3), (x + 0.04, 0.8), (x + 0.2, 1.1), (x + 0.4, 1.2)])
        _draw(drawn, f.pixels(path), level, width)
    if rng.uniform() < 0.5:
        side = int(rng.choice([-1, 1]))
        far = np.array([side * rng.uniform(0.2, 1.5), rng.uniform(-0.4, 0.1)])
        path = _curve(far, np.array([side * 0.1, 0.0]), np.array([-0.13 + x, rng.uniform(0.3, 0.5)]))
        _draw(drawn, f.pixels(path), level, 1)
    if rng.uniform() < 0.2:  # a drain through the wall
        side = int(rng.choice([-1, 1]))
        path = _curve(np.array([side * 1.3, 0.9]), np.array([side * 0.8, 0.6]), np.array([side * 0.5, 0.2]))
        _draw(drawn, f.pixels(path), level, 3)


def _implants(rng: Rng, f: Frame, drawn: Canvas) -> None:
    """A pacemaker with its wire, or loops of wire along the breastbone, or clips and buttons."""
    kind = int(rng.integers(4))
    x = f.turned
    if kind == 0:
        side = int(rng.choice([-1, 1, 1]))
        centre = np.array([side * rng.uniform(0.5, 0.75), rng.uniform(0.05, 0.25)])
        turn = np.linspace(0, 2 * np.pi, 20, endpoint=False)
        box = centre + np.stack([0.15 * np.sign(np.cos(turn)) * np.abs(np.cos(turn)) ** 0.5,
                                 0.09 * np.sign(np.sin(turn)) * np.abs(np.sin(turn)) ** 0.5], 1)  # fmt: skip
        cv2.fillPoly(drawn, [fixed(f.pixels(box))], int(rng.integers(170, 255)), cv2.LINE_AA, SHIFT)
        wire = np.concatenate([_curve(centre, np.array([x, 0.0]), np.array([x - 0.12, 0.5])),
                               _curve(np.array([x - 0.12, 0.5]), np.array([x - 0.05, 0.9]),
                                      np.array([x + 0.35, 0.85]))])  # fmt: skip
        _draw(drawn, f.pixels(wire), 200, 1)
    elif kind == 1:
        for y in np.linspace(0.15, 0.75, int(rng.integers(4, 8))):
            turn = np.linspace(0, rng.uniform(5, 7), 12)
            loop = np.stack([x + 0.045 * np.cos(turn), y + 0.022 * np.sin(turn)], 1)
            _draw(drawn, f.pixels(loop), 230, 1)
    elif kind == 2:  # buttons in a row, or a zip
        near = rng.uniform(-0.15, 0.15)
        teeth, size = ((25, 14), (int(rng.integers(3, 7)), 30))[int(rng.integers(2))]
        for y in np.linspace(-0.1, 1.2, teeth):
            px, py = f.at(near, y)
            cv2.circle(
                drawn, (int(px * 16), int(py * 16)), int(size * f.scale),
                int(rng.integers(130, 230)), -1 if size < 20 else 1, cv2.LINE_AA, SHIFT,
            )  # fmt: skip
    else:  # a shield over the lap, or a plate beside the chest
        y = rng.uniform(1.2, 1.5)
        half = rng.uniform(0.2, 0.6)
        plate = np.array([(-half, y), (half, y), (half * 1.3, y + 0.8), (-half * 1.3, y + 0.8)])
        plate[:, 0] += x
        cv2.fillPoly(drawn, [fixed(f.pixels(plate))], 255, cv2.LINE_AA, SHIFT)


def things(rng: Rng, f: Frame) -> Gray:
    """Density of everything that is not the patient."""
    drawn = canvas()
    if rng.uniform() < 0.35:
        for _ in range(int(rng.integers(1, 6))):
            _lead(rng, f, drawn)
    if rng.uniform() < 0.3:
        _tubes(rng, f, drawn)
    if rng.uniform() < 0.2:
        _implants(rng, f, drawn)
    return gray(drawn)


def writing(rng: Rng) -> tuple[Gray, Gray]:
    """Letters and boxes of the film: their mask and their level."""
    drawn = canvas()
    level: Canvas = np.full((SIDE, SIDE), 255, np.uint8)
    for _ in range(int(rng.choice([0, 1, 2, 3], p=(0.4, 0.34, 0.16, 0.1)))):
        how = rng.uniform()
        if how < 0.5:
            text, size = str(rng.choice(["L", "R"])), rng.uniform(0.4, 1.0)
        elif how < 0.75:
            text, size = str(rng.choice(_WORDS)), rng.uniform(0.25, 0.5)
        else:
            text = "".join(rng.choice(list(_SIGNS), int(rng.integers(3, 12))))
            size = rng.uniform(0.22, 0.45)
        font, thick = _FONTS[int(rng.integers(4))], 2 if size > 0.7 and rng.uniform() < 0.7 else 1
        (wide, tall), _base = cv2.getTextSize(text, font, size, thick)
        x = int(rng.choice([rng.uniform(2, 26), SIDE - wide - rng.uniform(2, 26)]))
        y = int(rng.choice([tall + rng.uniform(2, 34), SIDE - rng.uniform(3, 40)]))
        if rng.uniform() < 0.15:  # dark letters in a pale box
            corners = (x - 3, y - tall - 3), (x + wide + 3, y + 3)
            cv2.rectangle(drawn, *corners, 255, -1)
            cv2.putText(level, text, (x, y), font, size, 0, thick, cv2.LINE_AA)
        else:
            cv2.putText(drawn, text, (x, y), font, size, 255, thick, cv2.LINE_AA)
    return gray(drawn), gray(level)
