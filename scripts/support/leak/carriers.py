"""What text in a room is on: wristbands, bed cards, whiteboards, monitors, labels. Drawn straight on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from support.leak import canvas, codes, fonts, words
from support.leak.canvas import Picture, Style
from support.leak.plane import OVER, Plane
from support.leak.room_cases import RoomCase

SKINS = ((236, 200, 175), (205, 160, 125), (150, 105, 75), (92, 62, 46))
_DARK = ((20, 20, 24), (40, 40, 48), (25, 30, 80))
_PENS = ((25, 25, 30), (30, 50, 150), (165, 25, 30), (20, 95, 50))
_BRIGHT = ((90, 235, 110), (245, 225, 90), (240, 240, 240), (110, 225, 240))
Colour = Sequence[float] | NDArray[np.float64]


class _Sheet:
    """Layers to draw on. Lengths are in the plane's own pixels."""

    def __init__(self, rows: int, columns: int, colour: Colour) -> None:
        self.picture = np.full((rows, columns, 3), colour, np.float32)
        self.matte = np.full((rows, columns), 255, np.uint8)
        self.opacity = np.zeros((rows, columns), np.uint8)
        self.line = np.zeros((rows, columns), np.uint8)

    def box(self, left: float, top: float, right: float, bottom: float, colour: Colour) -> None:
        corners = (int(left), int(top)), (int(right) - 1, int(bottom) - 1)
        cv2.rectangle(self.picture, *corners, np.asarray(colour, float).tolist(), -1)

    def rim(self, width: int, colour: Colour) -> None:
        rows, columns = self.matte.shape
        for box in ((0, 0, columns, width), (0, rows - width, columns, rows),
                    (0, 0, width, rows), (columns - width, 0, columns, rows)):  # fmt: skip
            self.box(*box, colour)

    def write(self, block: Picture, left: int, top: int, colour: Colour) -> None:
        place = np.s_[top : top + block.shape[0], left : left + block.shape[1]]
        share = block[:, :, None].astype(np.float32) / 255
        self.picture[place] = self.picture[place] * (1 - share) + np.asarray(colour, np.float32) * share
        self.opacity[place] = np.maximum(self.opacity[place], block)
        self.line[place] = self.line.max() + 1

    def plane(self, case: RoomCase, *, glows: bool = False) -> Plane:
        rows, columns = self.matte.shape
        along = np.repeat(np.arange(columns, dtype=np.float32)[None] / np.float32(OVER), rows, 0)
        picture = np.asarray(np.clip(self.picture, 0, 255), np.uint8)
        return Plane(picture, self.matte, self.opacity, self.line, along, float(case.size), glows)


@dataclass(frozen=True, repr=False)
class _Text:
    """Opacity of lines below each other."""

    blocks: list[Picture]
    em: int

    @property
    def columns(self) -> int:
        return int(max(block.shape[1] for block in self.blocks))

    @property
    def tops(self) -> list[int]:
        """Of each line and, last, where one more would begin."""
        step = canvas.STEP * self.em
        steps = [max(step, block.shape[0] + 0.25 * self.em) for block in self.blocks]
        return [0, *np.cumsum(steps).astype(int).tolist()]

    @property
    def rows(self) -> int:
        return int(self.tops[-2] + self.blocks[-1].shape[0])

    def onto(self, sheet: _Sheet, left: int, top: int, colours: Sequence[Colour]) -> None:
        """Write all, in the colours by turns."""
        for number, (block, y) in enumerate(zip(self.blocks, self.tops, strict=False)):
            sheet.write(block, left, top + y, colours[number % len(colours)])


def _text(case: RoomCase, rng: np.random.Generator, most: int, width: int, high: int = 1 << 16) -> _Text:
    """Up to ``most`` lines, none wider than ``width``, together no higher than ``high``, in the frame."""
    em = OVER * case.size
    if case.font is None:
        return _Text([_code(case, rng)], em)
    face = case.font
    style = Style(lambda size: fonts.opened(face, size), em, (0, 0), smooth=True)
    lines = words.patient(case.script, rng).lines(rng, most)
    blocks = [canvas.rendered(canvas.cut(line, OVER * width, style), style) for line in lines]
    found = _Text(blocks, em)
    fitting = sum(below <= OVER * high for below in found.tops[1:])
    return _Text(blocks[: max(1, fitting)], em)


def _code(case: RoomCase, rng: np.random.Generator) -> Picture:
    """Bars one and a half lines high, or a QR code of two and a half; neither finer than a camera sees."""
    number = str(rng.integers(10**7, 10**8))
    if rng.random() < 0.5:
        return codes.bars(number, OVER * max(codes.LEAST, case.size / 16), round(OVER * 1.5 * case.size))
    return codes.squares(number, OVER * max(codes.LEAST, case.size / 8.4))


def _handwritten(block: Picture, em: int, rng: np.random.Generator) -> Picture:
    """Slanted, and wavering as a hand does: no font here is handwriting."""
    edge = em // 3
    slant = rng.uniform(0.1, 0.35)
    lean = int(slant * block.shape[0])
    wide = np.pad(block, ((edge, edge), (edge, edge + lean)))
    rows, columns = wide.shape
    y, x = np.mgrid[:rows, :columns].astype(np.float32)
    coarse = (max(2, round(rows / (0.6 * em))), max(2, round(columns / (0.6 * em))))
    dx, dy = (
        cv2.resize(
            rng.normal(0, 0.055 * em, coarse).astype(np.float32),
            (columns, rows),
            interpolation=cv2.INTER_CUBIC,
        )
        for _ in range(2)
    )
    drift = 0.12 * em * np.sin(x / rng.uniform(4 * em, 12 * em) + rng.uniform(0, 6))
    moved = cv2.remap(wide, x - slant * (rows - edge - y) + dx, y + dy + drift, cv2.INTER_LINEAR)
    return np.asarray(moved, np.uint8)


def _wristband(case: RoomCase, rng: np.random.Generator) -> Plane:
    """Around a forearm: letters get narrow towards the sides."""
    text = _text(case, rng, 3 if case.size <= 24 else 2, 400)
    reach = rng.uniform(0.5, 1.0)
    columns = int(np.pi * max(text.columns / (2 * reach), text.rows))
    strip = text.rows + int(rng.uniform(0.8, 1.6) * text.em)
    arm = int(rng.uniform(0.15, 0.4) * columns)
    sheet = _Sheet(strip + 2 * arm, columns, np.array(SKINS[int(rng.integers(len(SKINS)))], float))
    sheet.picture *= 1 + 0.1 * np.linspace(-1, 1, strip + 2 * arm)[:, None, None]
    sheet.box(0, arm, columns, arm + strip, rng.uniform(205, 252, 3))
    left, top = (columns - text.columns) // 2, arm + (strip - text.rows) // 2
    text.onto(sheet, left, top, [_DARK[int(rng.integers(len(_DARK)))]])
    return sheet.plane(case).bent(float(rng.uniform(-0.25, 0.25)))


def _card(case: RoomCase, rng: np.random.Generator, lines: int, width: int) -> _Sheet:
    text = _text(case, rng, lines, width, 560)
    edge = int(rng.uniform(0.6, 1.4) * text.em)
    sheet = _Sheet(text.rows + 2 * edge, text.columns + 2 * edge, rng.uniform(205, 252, 3))
    text.onto(sheet, edge, edge, [_DARK[int(rng.integers(len(_DARK)))]])
    return sheet


def _bed_card(case: RoomCase, rng: np.random.Generator) -> Plane:
    """Printed, with a coloured rim."""
    sheet = _card(case, rng, 4, 800)
    sheet.rim(max(3, int(0.2 * OVER * case.size)), rng.uniform(30, 200, 3))
    return sheet.plane(case)


def _whiteboard(case: RoomCase, rng: np.random.Generator) -> Plane:
    """Lines by hand in pens of several colours, in a frame of aluminium."""
    text = _text(case, rng, 5, 850, 480)
    text = _Text([_handwritten(block, text.em, rng) for block in text.blocks], text.em)
    edge = int(rng.uniform(0.8, 1.6) * text.em)
    rows, columns = text.rows + 2 * edge, text.columns + 2 * edge + int(rng.uniform(0, 3) * text.em)
    sheet = _Sheet(rows, columns, rng.uniform(222, 250, 3))
    if rng.random() < 0.5:
        for top in text.tops[1:-1]:
            sheet.box(0, edge + top - 2, columns, edge + top, (190, 195, 200))
    pens = [_PENS[i] for i in rng.permutation(len(_PENS))]
    text.onto(sheet, edge, edge, pens[: int(rng.integers(1, 4))])
    sheet.rim(max(4, edge // 4), (150, 152, 158))
    return sheet.plane(case)


def _monitor(case: RoomCase, rng: np.random.Generator) -> Plane:
    """Light text on a dark screen, above or below its curves."""
    text = _text(case, rng, 2, 600)
    bezel, edge = max(8, text.em // 2), int(0.5 * text.em)
    curves = max(160, int(rng.uniform(0.5, 0.9) * text.columns))
    rows, columns = text.rows + 2 * edge + curves + 2 * bezel, text.columns + 2 * edge + 2 * bezel
    columns = max(columns, 2 * curves)
    sheet = _Sheet(rows, columns, rng.uniform(20, 90, 3))
    sheet.box(bezel, bezel, columns - bezel, rows - bezel, rng.uniform(2, 30, 3))
    below = rng.random() < 0.3
    top = bezel if below else bezel + text.rows + 2 * edge
    t = np.arange(bezel + 4, columns - bezel - 4)
    for trace in range(3):
        beat = rng.uniform(40, 110)
        wave = np.exp(-(((t % beat) - beat / 3) ** 2) / rng.uniform(4, 90)) * curves / 5
        points = np.stack([t, top + (0.3 + 0.3 * trace) * curves - wave], 1).astype(np.int32)
        cv2.polylines(sheet.picture, [points], False, _BRIGHT[trace], 3, cv2.LINE_AA)
    high = top + curves + edge if below else bezel + edge
    text.onto(sheet, bezel + edge, high, [_BRIGHT[int(rng.integers(len(_BRIGHT)))]])
    return sheet.plane(case, glows=True)


def _held_label(case: RoomCase, rng: np.random.Generator) -> Plane:
    """Between a thumb and the fingers behind, which stay off its writing."""
    card = _card(case, rng, 3, 480)
    rows, columns = card.matte.shape
    hand = int(max(0.3 * columns, 2.5 * OVER * case.size))
    sheet = _Sheet(rows + hand, max(columns, 2 * hand), card.picture.mean((0, 1)))
    left = (sheet.matte.shape[1] - columns) // 2
    place = np.s_[:rows, left : left + columns]
    sheet.matte[:] = 0
    skin = np.array(SKINS[int(rng.integers(len(SKINS)))], float)
    middle = left + int(rng.uniform(0.4, 0.6) * columns)
    for target, shown in ((sheet.picture, skin.tolist()), (sheet.matte, 255)):
        centre = (middle + hand // 4, rows + hand * 3 // 5)
        cv2.ellipse(target, centre, (hand // 2, hand * 3 // 4), 0, 0, 360, shown, -1, cv2.LINE_AA)
    sheet.matte[place] = 255
    for layer, own in (("picture", card.picture), ("opacity", card.opacity), ("line", card.line)):
        getattr(sheet, layer)[place] = own
    thick = max(4, hand // 5)
    # The margin is at least 1.2 sizes wide, in a plane's pixels.
    tip, root = (middle, rows + thick // 2 - case.size * 4 // 5), (middle + hand // 5, rows + hand)
    for target, shown in ((sheet.picture, (skin * 0.9).tolist()), (sheet.matte, 255)):
        cv2.line(target, tip, root, shown, thick, cv2.LINE_AA)
    return sheet.plane(case)


@dataclass(frozen=True)
class Carrier:
    """One thing that text is on."""

    draw: Callable[[RoomCase, np.random.Generator], Plane]
    held: bool
    """Whether it moves before the camera, at any angle; else it is upright, and the camera moves."""
    askew: float
    """How far its corners are off a rectangle's, in shares of its sides."""


CARRIERS = {
    "wristband": Carrier(_wristband, held=True, askew=0.12),
    "bed card": Carrier(_bed_card, held=False, askew=0.06),
    "whiteboard": Carrier(_whiteboard, held=False, askew=0.06),
    "monitor": Carrier(_monitor, held=False, askew=0.1),
    "held label": Carrier(_held_label, held=True, askew=0.1),
}
