"""Screens as vendors lay them out: a scanner's image, an invented patient's label, text of the device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from edge.imaging.frames import Region
from support.leak.canvas import STEP, Canvas, Picture, Screen, Style, rendered, turned
from support.leak.words import DEVICE

Draw = Callable[[Canvas, Picture, list[str]], Screen]


def _device(canvas: Canvas, places: list[tuple[int, int]]) -> None:
    style = Style(canvas.style.font, 12, (80, 200), canvas.style.smooth)
    for x, y in places:
        text = DEVICE[int(canvas.rng.integers(len(DEVICE)))](canvas.rng)
        canvas.write(text, x, y, style)


def _radiograph(canvas: Canvas, picture: Picture, texts: list[str]) -> Screen:
    """Labels in a corner over the image, and a letter of lead."""
    rows, columns = canvas.pixels.shape[:2]
    canvas.image(picture, 0, 0, columns, rows)
    corner, side = canvas.rng.integers(4), 12
    x = (side, columns // 3)[int(corner % 2)]
    y = side if corner < 2 else rows - side - int(3.5 * STEP * canvas.style.size)
    canvas.label(texts, x, max(side, y), columns - side, rows - side, ("left", "right")[int(corner % 2)])
    lead = Style(canvas.style.font, 30, (140, 220), smooth=True)
    across = columns - 70 if corner % 2 == 0 else 40
    marker = canvas.write("LR"[int(canvas.rng.integers(2))], across, rows // 2, lead)
    return canvas.done(marker)


def _flash(canvas: Canvas, picture: Picture, texts: list[str]) -> Screen:
    """A film's identity plate, flashed in at a quarter turn and a little askew."""
    rows, columns = canvas.pixels.shape[:2]
    canvas.image(picture, 0, 0, columns, rows)
    angle = float((90, 180, 270)[int(canvas.rng.integers(3))] + canvas.rng.uniform(-4, 4))
    style = canvas.style
    limit = 0.85 * min(rows, columns)
    text = next((t for t in texts if canvas.width(t) <= limit), None) or canvas.cut(texts[0], int(limit))
    flat = rendered(text, style)
    opacity = turned(np.pad(flat, 2), angle, cv2.INTER_LINEAR if style.smooth else cv2.INTER_NEAREST)
    plate = turned(np.full(np.array(flat.shape) + style.size, 255, np.uint8), angle, cv2.INTER_NEAREST)
    x = int(canvas.rng.integers(0, max(1, columns - plate.shape[1])))
    y = int(canvas.rng.integers(0, max(1, rows - plate.shape[0])))
    window = canvas.pixels[y : y + plate.shape[0], x : x + plate.shape[1]]
    window[plate[: window.shape[0], : window.shape[1]] > 127] = canvas.rng.choice((25, 190, 235))
    dy, dx = ((np.array(plate.shape) - opacity.shape) // 2).tolist()
    canvas.lines.append(canvas.ink(opacity, x + max(0, dx), y + max(0, dy), style, angle))
    return canvas.done()


def _console(canvas: Canvas, picture: Picture, texts: list[str]) -> Screen:
    """A slice with small text in all four corners."""
    rows, columns = canvas.pixels.shape[:2]
    canvas.image(picture, 0, 0, columns, rows)
    _device(canvas, [(6, rows - 22), (6, rows - 40), (columns - 110, rows - 22)])
    side = ("left", "right")[int(canvas.rng.integers(2))]
    canvas.label(texts, 6, 6, columns - 6, rows - 48, side)
    return canvas.done()


def _slice(canvas: Canvas, picture: Picture, texts: list[str]) -> Screen:
    """A small slice with a line or two above or below the head."""
    rows, columns = canvas.pixels.shape[:2]
    canvas.image(picture, 0, 0, columns, rows)
    step = int(STEP * canvas.style.size)
    y = 4 if canvas.rng.random() < 0.5 else rows - 4 - step * min(2, len(texts))
    canvas.label(texts[:2], 4, y, columns - 4, rows, "left")
    return canvas.done()


def _ultrasound(canvas: Canvas, picture: Picture) -> Region:
    rows, columns = canvas.pixels.shape[:2]
    canvas.pixels[:] = canvas.rng.choice((0, 12, 40))
    region = Region(70, 100, columns - 60, rows - 40)
    canvas.image(picture, region.left, region.top, region.right, region.bottom)
    _device(canvas, [(columns - 200, rows - 30), (4, rows - 30)])
    return region


def _banner(canvas: Canvas, picture: Picture, texts: list[str]) -> Screen:
    """The patient in the bar above the image, whose region the header declares."""
    region = _ultrasound(canvas, picture)
    canvas.pixels[:96] = canvas.rng.choice((0, 30, 90, 200))
    canvas.label(texts, 10, 4, canvas.pixels.shape[1] - 10, 96)
    return canvas.done(region=region)


def _annotated(canvas: Canvas, picture: Picture, texts: list[str]) -> Screen:
    """The patient typed over the image, inside of the region."""
    region = _ultrasound(canvas, picture)
    lowest = region.bottom - 2 * int(STEP * canvas.style.size)
    y = int(canvas.rng.integers(region.top + 4, max(region.top + 5, lowest)))
    canvas.label(texts[:2], region.left + 6, y, region.right - 6, region.bottom - 4)
    return canvas.done(region=region)


def _undeclared(canvas: Canvas, picture: Picture, texts: list[str]) -> Screen:
    """The same screen, of which the header tells no region."""
    screen = _banner(canvas, picture, texts)
    return Screen(screen.pixels, screen.lines, None, None)


@dataclass(frozen=True)
class Layout:
    """One way to lay out a screen, and the object that it comes in."""

    draw: Draw
    modality: str
    rows: int
    columns: int
    shows: str
    """Kind of image: xray, ct, mri or us."""
    kept: str
    """What our rules keep of it: by what text must go."""


LAYOUTS = {
    "x-ray corner": Layout(_radiograph, "DX", 512, 608, "xray", "whole frame"),
    "x-ray, large": Layout(_radiograph, "DX", 2048, 1792, "xray", "whole frame"),
    "film plate": Layout(_flash, "CR", 512, 608, "xray", "whole frame"),
    "CT console": Layout(_console, "CT", 512, 512, "ct", "whole frame"),
    "MR slice": Layout(_slice, "MR", 320, 320, "mri", "whole frame"),
    "ultrasound bar": Layout(_banner, "US", 480, 640, "us", "declared region"),
    "ultrasound note": Layout(_annotated, "US", 480, 640, "us", "declared region, text inside"),
    "picture": Layout(_console, "", 512, 608, "xray", "whole frame"),
    "ultrasound, undeclared": Layout(_undeclared, "US", 480, 640, "us", "nothing: unknown"),
    "screen capture": Layout(_console, "SC", 512, 608, "ct", "nothing: unknown"),
}  # fmt: skip
DETECTOR_DECIDES = ("whole frame", "declared region, text inside")
"""Where nothing but the text detector stands between a name and the outside."""
