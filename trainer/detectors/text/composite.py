"""A training picture: lines of text on labels, pages, screens and bare walls, and which pixels they cover.

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
from trainer.detectors.text.writing import Writing

SMALLEST, LARGEST = 6.0, 90.0
"""Heights of lines in pixels, ascenders and descenders included."""
LEGIBLE = 7.0
"""Below it nothing is asked of the network."""


@dataclass(frozen=True, repr=False)
class Sample:
    """A picture (size, size, 3), which pixels lines cover, and which of them are too small to judge."""

    pixels: Picture
    text: NDArray[np.uint8]
    unsure: NDArray[np.uint8]


def turned(sample: Sample, turns: int, *, mirrored: bool) -> Sample:
    """The sample turned by quarters and perhaps mirrored: strokes stay strokes."""

    def move(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        image = image[:, ::-1] if mirrored else image
        return np.ascontiguousarray(np.rot90(image, turns))

    return Sample(move(sample.pixels), move(sample.text), move(sample.unsure))


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
    scene = np.clip(scene * np.exp(rng.uniform(-0.8, 0.3)), 0, 255)
    text, unsure = np.zeros((size, size), np.uint8), np.zeros((size, size), np.uint8)
    for _ in range(int(rng.choice(5, p=(0.12, 0.38, 0.25, 0.15, 0.1)))):
        _block(scene, text, unsure, writing, rng)
    return Sample(camera.taken(np.asarray(scene, np.uint8), rng), text, unsure)


def _block(
    scene: NDArray[np.float32], text: NDArray[np.uint8], unsure: NDArray[np.uint8], writing: Writing, rng: Rng
) -> None:
    """Some lines below each other, on a plate or not, at an angle."""
    size = scene.shape[0]
    height = float(np.exp(rng.uniform(np.log(SMALLEST), np.log(LARGEST))))
    lines = [writing.line(rng) for _ in range(int(rng.integers(1, 2 if height > 40 else 6)))]
    # Drawn larger than it is shown, as a lens sees it.
    fonts = [writing.font(path, round(1.5 * height)) for _, path in lines]
    fine = fonts[0].size
    scale = height / fine
    step = rng.uniform(1.0, 1.7) * fine
    inks, areas, y, widest = [], [], 0.25 * fine, 0.0
    for (words, _), font in zip(lines, fonts, strict=True):
        x0, y0, x1, y1 = font.getbbox(words)
        inks.append((words, font, 0.25 * fine - x0, y - y0))
        areas.append((0.25 * fine, y, 0.25 * fine + x1 - x0, y + y1 - y0))
        widest = max(widest, x1 - x0)
        y += max(step, y1 - y0 + 1)
    plate = (max(4, int(widest + 0.5 * fine)), max(4, int(y + 0.25 * fine)))
    if plate[0] * scale > 4 * size or plate[0] * plate[1] > 4_000_000:
        return
    page = Image.new("L", plate, 0)
    pen = ImageDraw.Draw(page)
    for words, font, x, at in inks:
        pen.text((x, at), words, fill=255, font=font)
    ink = np.asarray(np.asarray(page, np.float32) / 255, np.float32)
    box = np.zeros(plate[::-1], np.uint8)
    for x0, y0, x1, y1 in areas:
        box[max(0, int(y0)) : int(y1) + 1, max(0, int(x0)) : int(x1) + 1] = 255
    _paste(scene, text if height >= LEGIBLE else unsure, ink, box, scale, rng)


def _paste(
    scene: NDArray[np.float32], marks: NDArray[np.uint8], ink: NDArray[np.float32], box: NDArray[np.uint8],
    scale: float, rng: Rng,
) -> None:  # fmt: skip
    size = scene.shape[0]
    angle = rng.normal(0, 0.15) if rng.random() < 0.6 else rng.uniform(0, 2 * np.pi)
    rows, columns = ink.shape
    linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = linear @ np.array([[1, rng.uniform(-0.3, 0.3)], [0, rng.uniform(0.75, 1.15)]])
    # Some point of the page lies at some point of the picture: pages are cut by its edges, too.
    moved = np.concatenate(
        [linear, (rng.uniform(0, size, 2) - linear @ (rng.random(2) * (columns, rows)))[:, None]], axis=1
    )
    how = cv2.INTER_LINEAR
    blur = max(0.0, 0.35 / scale - 0.35)
    smooth = cv2.GaussianBlur(ink, (0, 0), blur) if blur > 0.2 else ink
    strokes = cv2.warpAffine(smooth, moved, (size, size), flags=how)[:, :, None]
    where = cv2.warpAffine(box, moved, (size, size), flags=how) > 127
    dark, light = rng.uniform(0, 90, 3), rng.uniform(150, 255, 3)
    if rng.random() < 0.3:  # coloured on anything, as on a screen
        dark, light = rng.uniform(0, 255, 3), rng.uniform(0, 255, 3)
    if rng.random() < 0.45:
        dark, light = light, dark
    if rng.random() < 0.6:
        plate = cv2.warpAffine(np.ones((rows, columns), np.float32), moved, (size, size), flags=how)
        share = plate[:, :, None] * (1.0 if rng.random() < 0.8 else rng.uniform(0.3, 1.0))
        scene[:] = scene * (1 - share) + light * share
        marks[plate > 0.5] = 0
    under = scene[where].mean(axis=0) if where.any() else light
    if np.abs(under - dark).max() < 45:  # nobody could read it
        dark = np.where(under > 127, under - rng.uniform(60, 120), under + rng.uniform(60, 120))
    strength = strokes * rng.uniform(0.75, 1.0)
    scene[:] = np.clip(scene * (1 - strength) + dark * strength, 0, 255)
    marks[where] = 255
