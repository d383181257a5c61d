"""A training picture: lines of text and codes on labels, pages, screens and walls, and the pixels they cover.

The truth is the ink's own extent where it was drawn. Nothing looks for text here.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from trainer.detectors import camera
from trainer.detectors.backgrounds import SIDE
from trainer.detectors.picture import Picture, Rng
from trainer.detectors.text import codes, distractors
from trainer.detectors.text.writing import Writing

SMALLEST, LARGEST = 6.0, 90.0
"""Heights of lines in pixels, ascenders and descenders included."""
LEGIBLE = 7.0
"""Below it nothing is asked of the network."""
_CODES = 0.12
"""Of blocks that are a bar code or a matrix code."""
_BY_HAND = 0.25
"""Of blocks whose strokes waver."""

Heights = NDArray[np.float32]
"""(size, size): height in pixels of the line that covers a pixel; 0 where none does."""


@dataclass(frozen=True, repr=False)
class Sample:
    """A picture (size, size, 3), and the heights of the lines in it: some are too small to judge."""

    pixels: Picture
    heights: Heights


@dataclass(frozen=True, repr=False)
class _Page:
    """Ink as it was drawn, (rows, columns), 0 to 1; which of its pixels lines cover; how it is shown."""

    ink: NDArray[np.float32]
    box: NDArray[np.uint8]
    scale: float
    height: float


def turned(sample: Sample, turns: int, *, mirrored: bool) -> Sample:
    """The sample turned by quarters and perhaps mirrored: strokes stay strokes."""
    pixels, heights = sample.pixels, sample.heights
    if mirrored:
        pixels, heights = pixels[:, ::-1], heights[:, ::-1]
    return Sample(
        np.ascontiguousarray(np.rot90(pixels, turns)), np.ascontiguousarray(np.rot90(heights, turns))
    )


def draw(writing: Writing, place: Picture, rng: Rng, size: int) -> Sample:
    """One picture with no, one or several blocks of text.

    Args:
        writing: what is written, and in which fonts.
        place: background (SIDE, SIDE, 3).
        rng: draws everything.
        size: side of the picture in pixels, at most `SIDE`.
    """
    top, left = (int(v) for v in rng.integers(0, SIDE - size + 1, 2))
    scene = place[top : top + size, left : left + size].astype(np.float32)
    scene = np.ascontiguousarray(np.clip(scene * np.exp(rng.uniform(-0.8, 0.3)), 0, 255))
    for _ in range(int(rng.choice(4, p=(0.35, 0.35, 0.2, 0.1)))):
        distractors.draw(scene, rng)
    heights = np.zeros((size, size), np.float32)
    for _ in range(int(rng.choice(5, p=(0.14, 0.38, 0.25, 0.14, 0.09)))):
        page = _code(rng) if rng.random() < _CODES else _lines(writing, rng)
        if page.scale * max(page.ink.shape) <= 4 * size and page.ink.size <= 4_000_000:
            _paste(scene, heights, page, rng)
    return Sample(camera.taken(np.asarray(scene, np.uint8), rng), heights)


def _code(rng: Rng) -> _Page:
    """A bar code or a matrix code; it can be read from a smaller print than its height says."""
    height = float(np.exp(rng.uniform(np.log(14), np.log(LARGEST))))
    fine = round(2 * height)
    ink = np.pad((codes.bars if rng.random() < 0.6 else codes.matrix)(rng, fine), fine // 8)
    box = np.zeros(ink.shape, np.uint8)
    box[fine // 8 : -(fine // 8), fine // 8 : -(fine // 8)] = 255
    return _Page(ink, box, 0.5, height)


def _lines(writing: Writing, rng: Rng) -> _Page:
    """Some lines below each other, printed or as if by hand."""
    height = float(np.exp(rng.uniform(np.log(SMALLEST), np.log(LARGEST))))
    lines = [writing.line(rng) for _ in range(int(rng.integers(1, 2 if height > 40 else 6)))]
    # Drawn larger than it is shown, as a lens sees it.
    fonts = [writing.font(path, round(1.5 * height)) for _, path in lines]
    fine = fonts[0].size
    step = rng.uniform(1.0, 1.7) * fine
    inks, areas, y, widest = [], [], 0.25 * fine, 0.0
    for (words, _), font in zip(lines, fonts, strict=True):
        x0, y0, x1, y1 = font.getbbox(words)
        inks.append((words, font, 0.25 * fine - x0, y - y0))
        areas.append((0.25 * fine, y, 0.25 * fine + x1 - x0, y + y1 - y0))
        widest = max(widest, x1 - x0)
        y += max(step, y1 - y0 + 1)
    plate = (max(4, int(widest + 0.5 * fine)), max(4, int(y + 0.25 * fine)))
    page = Image.new("L", plate, 0)
    pen = ImageDraw.Draw(page)
    for words, font, x, at in inks:
        pen.text((x, at), words, fill=255, font=font)
    ink = np.asarray(np.asarray(page, np.float32) / 255, np.float32)
    box = np.zeros(plate[::-1], np.uint8)
    for x0, y0, x1, y1 in areas:
        box[max(0, int(y0)) : int(y1) + 1, max(0, int(x0)) : int(x1) + 1] = 255
    if rng.random() < _BY_HAND:
        ink, box = _wavering(ink, box, fine, rng)
    return _Page(ink, box, height / fine, height)


def _wavering(
    ink: NDArray[np.float32], box: NDArray[np.uint8], fine: float, rng: Rng
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Ink whose letters lean, stretch and rise as a hand's do, and the area that follows them."""
    rows, columns = ink.shape
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
    for reach, much in ((fine, 0.16), (0.4 * fine, 0.07)):
        cells = (max(2, round(rows / reach)), max(2, round(columns / reach)))
        for axis in (x, y):
            noise = rng.standard_normal(cells).astype(np.float32)
            smooth = cv2.resize(noise, (columns, rows), interpolation=cv2.INTER_CUBIC)
            np.add(axis, much * fine * smooth, out=axis)
    thick = int(rng.integers(1, max(2, round(fine / 12)) + 1))
    heavier = cv2.dilate(ink, np.ones((thick, thick), np.uint8))
    return (
        np.asarray(cv2.remap(heavier, x, y, cv2.INTER_LINEAR), np.float32),
        np.asarray(cv2.remap(box, x, y, cv2.INTER_NEAREST), np.uint8),
    )


def _paste(scene: NDArray[np.float32], heights: Heights, page: _Page, rng: Rng) -> None:
    """Lay a page into a scene, on a plate or not, at an angle."""
    size = scene.shape[0]
    angle = rng.normal(0, 0.15) if rng.random() < 0.6 else rng.uniform(0, 2 * np.pi)
    rows, columns = page.ink.shape
    linear = page.scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = linear @ np.array([[1, rng.uniform(-0.3, 0.3)], [0, rng.uniform(0.75, 1.15)]])
    # Some point of the page lies at some point of the picture: pages are cut by its edges, too.
    moved = np.concatenate(
        [linear, (rng.uniform(0, size, 2) - linear @ (rng.random(2) * (columns, rows)))[:, None]], axis=1
    )
    how = cv2.INTER_LINEAR
    blur = max(0.0, 0.35 / page.scale - 0.35)
    smooth = cv2.GaussianBlur(page.ink, (0, 0), blur) if blur > 0.2 else page.ink
    strokes = cv2.warpAffine(smooth, moved, (size, size), flags=how)[:, :, None]
    where = cv2.warpAffine(page.box, moved, (size, size), flags=how) > 127
    dark, light = rng.uniform(0, 90, 3), rng.uniform(150, 255, 3)
    if rng.random() < 0.3:  # coloured on anything, as on a screen
        dark, light = rng.uniform(0, 255, 3), rng.uniform(0, 255, 3)
    if rng.random() < 0.45:
        dark, light = light, dark
    if rng.random() < 0.6:
        plate = cv2.warpAffine(np.ones((rows, columns), np.float32), moved, (size, size), flags=how)
        share = plate[:, :, None] * (1.0 if rng.random() < 0.8 else rng.uniform(0.3, 1.0))
        scene[:] = scene * (1 - share) + light * share
        heights[plate > 0.5] = 0
    under = scene[where].mean(axis=0) if where.any() else light
    if np.abs(under - dark).max() < 45:  # nobody could read it
        dark = np.where(under > 127, under - rng.uniform(60, 120), under + rng.uniform(60, 120))
    strength = strokes * rng.uniform(0.75, 1.0)
    scene[:] = np.clip(scene * (1 - strength) + dark * strength, 0, 255)
    heights[where] = page.height
