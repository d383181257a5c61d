"""A canvas for screens: a scanner's image, labels over it, and where their ink is.

The truth is where ink was drawn. Nothing looks for text here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from edge.imaging.frames import Region

Picture = NDArray[np.uint8]
INK = 96
"""From this opacity on, of 255, a pixel is ink."""
_VISIBLE = 24
"""Gray levels by which ink differs from what was there, at least, for anybody to see it."""
STEP = 1.35
"""From line to line, in sizes of the font."""


@dataclass(frozen=True, repr=False)
class Ink:
    """Ink of one line in a frame: its pixels, and how far along the line each is."""

    ys: NDArray[np.int64]
    xs: NDArray[np.int64]
    along: NDArray[np.float64]
    size: float
    """Pixels an em: about two letters, or one ideograph."""


@dataclass(frozen=True, repr=False)
class Screen:
    """A frame (rows, columns, 3), what of it names the patient, and a laterality marker."""

    pixels: Picture
    lines: list[Ink]
    marker: Ink | None
    region: Region | None
    """Of the image, where the object's header tells it."""


@dataclass(frozen=True)
class Style:
    """How text is drawn."""

    font: Callable[[int], ImageFont.FreeTypeFont]
    """The face, by its size."""
    size: int
    contrast: tuple[int, int]
    smooth: bool


class Canvas:
    """A frame to draw on.

    Args:
        rows: height in pixels.
        columns: width in pixels.
        style: of the text.
        rng: draws all that is left to chance.
    """

    def __init__(self, rows: int, columns: int, style: Style, rng: np.random.Generator) -> None:
        self.pixels = np.zeros((rows, columns, 3), np.float32)
        self.style, self.rng = style, rng
        self.lines: list[Ink] = []

    def image(self, picture: Picture, left: int, top: int, right: int, bottom: int) -> None:
        """Fill a rectangle with a scanner's image, cut to its shape."""
        rows, columns = bottom - top, right - left
        scale = max(rows / picture.shape[0], columns / picture.shape[1])
        size = (int(np.ceil(picture.shape[1] * scale)), int(np.ceil(picture.shape[0] * scale)))
        how = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
        large = np.asarray(cv2.resize(picture, size, interpolation=how))
        self.pixels[top:bottom, left:right] = large[:rows, :columns].reshape(rows, columns, -1)

    def label(
        self, texts: list[str], left: int, top: int, right: int, bottom: int, side: str = "left"
    ) -> None:
        """Write lines that name the patient below each other, as far as they fit, one at least."""
        step = int(np.ceil(STEP * self.style.size))
        room = right - left
        fitting = [text for text in texts if self.width(text) <= room] or [self.cut(texts[0], room)]
        for count, text in enumerate(fitting):
            if count and top + (count + 1) * step > bottom:
                break
            x = left if side == "left" else right - self.width(text)
            self.lines.append(self.write(text, x, top + count * step))

    def width(self, text: str) -> int:
        """Pixels that a line takes."""
        return width(text, self.style)

    def cut(self, text: str, room: int) -> str:
        """As much of ``text`` as ``room`` pixels hold, two letters at least."""
        return cut(text, room, self.style)

    def write(self, text: str, x: int, y: int, style: Style | None = None) -> Ink:
        """Draw ``text`` with its ink from (x, y) on, and tell where it is."""
        style = style or self.style
        opacity = rendered(text, style)
        return self.ink(opacity, x, y, style)

    def ink(self, opacity: Picture, x: int, y: int, style: Style, angle: float = 0.0) -> Ink:
        """Paint with an opacity map whose line runs at ``angle`` degrees, counter-clockwise."""
        rows, columns = opacity.shape
        y, x = (max(0, min(v, whole - part)) for v, whole, part in
                ((y, self.pixels.shape[0], rows), (x, self.pixels.shape[1], columns)))  # fmt: skip
        window = self.pixels[y : y + rows, x : x + columns]
        opacity = opacity[: window.shape[0], : window.shape[1]]
        ground = window.mean(axis=2)
        middle, spread = float(np.median(ground)), float(ground.std())
        # Faint text on a lively ground is nobody's to read: there it is as strong as it must be.
        wanted = max(self.rng.uniform(*style.contrast), 2.5 * spread)
        sign = 1 if middle < 128 else -1
        colour = np.clip(middle + sign * wanted, 0, 255)
        share = opacity[:, :, None].astype(np.float32) / 255
        inked = window * (1 - share) + colour * share
        ys, xs = np.nonzero((opacity >= INK) & (np.abs(inked - window).mean(axis=2) >= _VISIBLE))
        window[:] = inked
        turn = np.deg2rad(angle)
        return Ink(ys + y, xs + x, xs * np.cos(turn) - ys * np.sin(turn), float(style.size))

    def done(self, marker: Ink | None = None, region: Region | None = None) -> Screen:
        """The frame and its truth."""
        pixels = np.asarray(np.clip(np.round(self.pixels), 0, 255), np.uint8)
        return Screen(pixels, self.lines, marker, region)


def width(text: str, style: Style) -> int:
    """Pixels that a line takes."""
    x0, _, x1, _ = style.font(style.size).getbbox(text)
    return int(np.ceil(x1 - x0)) + 2


def cut(text: str, room: int, style: Style) -> str:
    """As much of ``text`` as ``room`` pixels hold, two letters at least."""
    while len(text) > 2 and width(text, style) > room:
        text = text[:-1].rstrip()
    return text


def rendered(text: str, style: Style) -> Picture:
    """Opacity of a line, cut to its ink, with a rim of a pixel."""
    font = style.font(style.size)
    x0, y0, x1, y1 = font.getbbox(text)
    page = Image.new("L", (max(1, int(np.ceil(x1 - x0)) + 2), max(1, int(np.ceil(y1 - y0)) + 2)), 0)
    pen = ImageDraw.Draw(page)
    pen.fontmode = "L" if style.smooth else "1"
    pen.text((1 - x0, 1 - y0), text, fill=255, font=font)
    return np.asarray(page, np.uint8)


def turned(image: Picture, angle: float, how: int) -> Picture:
    """The image turned by ``angle`` degrees, counter-clockwise, on a page that holds all of it."""
    rows, columns = image.shape
    turn = np.deg2rad(angle)
    c, s = abs(np.cos(turn)), abs(np.sin(turn))
    size = (int(np.ceil(columns * c + rows * s)), int(np.ceil(columns * s + rows * c)))
    move = cv2.getRotationMatrix2D(((columns - 1) / 2, (rows - 1) / 2), angle, 1.0)
    move[:, 2] += (np.array(size) - (columns, rows)) / 2
    return np.asarray(cv2.warpAffine(image, move, size, flags=how), np.uint8)
