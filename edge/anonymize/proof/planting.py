"""Draws canaries: the known face and a made-up name, each time another, into a copy of a frame.

Everything about a canary follows from a key and a number, so that none is like the one before and each can be
drawn again. The face is the self-test's, turned, mirrored, sized, lit and blurred anew; the text is random.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.anonymize.faces.finder import rgb
from edge.anonymize.geometry import Box
from edge.anonymize.self_test import face_picture
from edge.imaging.frames import Pixels

Mask = NDArray[np.uint8]
"""(rows, columns), 255 where the thing lies."""

_ROWS = 720
"""Sizes are for a frame of so many rows."""
EYES_TO_MOUTH = (20.0, 90.0)
"""Height of the box from eyes to mouth, in pixels at 720 rows."""
_IN_PICTURE = np.array([[58, 52], [102, 52], [102, 112], [58, 112]], np.float32)
"""That box in the picture, (x, y)."""
_HEAD = ((80, 76), (58, 70))
"""The ellipse of the picture that is pasted: centre and half axes."""
_LETTERS = (22.0, 40.0)
"""Height of a capital letter, in pixels at 720 rows."""
_LEAST = 14.0
"""Height of a capital letter in pixels, at least: in a small frame it would be nobody's to read."""
_FONTS = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_COMPLEX)
_TRIES = 60
_ROOM = 12
"""Pixels between what is planted and what is masked already."""
_COVERED = 0.9
"""Share that must be filled. A face is known from less than the whole; see `scripts/bench leak`."""


@dataclass(frozen=True, repr=False)
class Planted:
    """A frame with canaries (rows, columns, 3), and where they are; None: there was no room."""

    pixels: Pixels
    face: Mask | None
    text: Mask | None


def generator(key: int, number: int) -> np.random.Generator:
    """The stream of random numbers that canary ``number`` is drawn from (Philox, keyed by counter)."""
    return np.random.Generator(np.random.Philox(key=key, counter=[0, 0, 0, number]))


def plant(
    pixels: Pixels,
    area: NDArray[np.float32],
    taken: Iterable[Box],
    draw: np.random.Generator,
    *,
    faces: bool = True,
    texts: bool = True,
) -> Planted:
    """A copy of a frame with a face and a text where nothing is masked.

    Args:
        pixels: (rows, columns[, 3]).
        area: corners of the part that is kept, (4, 2), x and y in pixels; convex.
        taken: masks of the frame: what is planted below one would be covered without being found.
        draw: see `generator`.
        faces: whether a face is planted.
        texts: whether a text is.

    Raises:
        DetectorUnavailable: the known face is missing from the installation.
    """
    scene = rgb(pixels).copy()
    unit = scene.shape[0] / _ROWS
    near = [box.padded(_ROOM, _ROOM) for box in taken]
    face = text = None
    place = _somewhere(area, near, draw, lambda _: _head(unit, draw)) if faces else None
    if place is not None:
        near.append(place.box.padded(_ROOM, _ROOM))
        face = place.paste(scene)
    place = _somewhere(area, near, draw, lambda tight: _name(unit, draw, tight=tight)) if texts else None
    if place is not None:
        text = place.paste(scene)
    return Planted(scene, face, text)


def covered(mask: Mask, clean: Pixels) -> bool:
    """Whether what lies under ``mask`` is filled (0) in the cleaned frame, but for a tenth."""
    shown = clean if clean.ndim == 2 else clean.max(axis=2)
    return bool((shown[mask > 127] == 0).mean() >= _COVERED)


@dataclass(frozen=True)
class _Thing:
    """A small picture, how much of each pixel is pasted (0 to 1), and what of it must be covered."""

    picture: NDArray[np.float32]
    opacity: NDArray[np.float32]
    vital: Mask
    place: NDArray[np.float32]
    """From its pixels to the frame's about the origin, (2, 3)."""
    box: Box
    """About the origin."""

    def at(self, x: float, y: float) -> _Thing:
        return _Thing(
            self.picture,
            self.opacity,
            self.vital,
            self.place + np.array([[0, 0, x], [0, 0, y]], np.float32),
            self.box.shifted(x, y),
        )

    def paste(self, scene: Pixels) -> Mask:
        size = (scene.shape[1], scene.shape[0])
        left, top = int(self.box.left), int(self.box.top)
        right, bottom = int(self.box.right) + 1, int(self.box.bottom) + 1
        part = np.s_[max(0, top) : bottom, max(0, left) : right]
        how = cv2.INTER_LINEAR  # pictures are made no larger than they come out
        picture = cv2.warpAffine(self.picture, self.place, size, flags=how)[part]
        opacity = cv2.warpAffine(self.opacity, self.place, size, flags=how)[part][..., None]
        mixed = opacity * picture + (1 - opacity) * scene[part]
        # Never quite black: that is the fill's own colour.
        scene[part] = np.clip(mixed + 0.5, 1, 255).astype(np.uint8)
        return np.asarray(cv2.warpAffine(self.vital, self.place, size, flags=how), np.uint8)


def _somewhere(
    area: NDArray[np.float32], near: list[Box], draw: np.random.Generator, make: Callable[[bool], _Thing]
) -> _Thing | None:
    """A thing at a place inside of ``area`` that is clear of all boxes, or None if there is none.

    ``make`` is told whether room is tight: half of the tries were in vain.
    """
    outline = np.ascontiguousarray(area, np.float32)
    low, high = outline.min(axis=0), outline.max(axis=0)
    for attempt in range(_TRIES):
        thing = make(2 * attempt >= _TRIES)
        thing = thing.at(*(float(v) for v in draw.uniform(low, high)))
        box = thing.box
        corners = ((box.left, box.top), (box.right, box.top), (box.right, box.bottom), (box.left, box.bottom))
        inside = all(cv2.pointPolygonTest(outline, corner, measureDist=False) >= 0 for corner in corners)
        if inside and not any(box.touches(other) for other in near):
            return thing
    return None


def _around(place: NDArray[np.float32], rows: int, columns: int) -> Box:
    corners = np.array([[0, 0, 1], [columns, 0, 1], [columns, rows, 1], [0, rows, 1]], np.float32)
    points = corners @ place.T
    return Box(*points.min(axis=0).tolist(), *points.max(axis=0).tolist())


def _head(unit: float, draw: np.random.Generator) -> _Thing:
    picture = face_picture()
    if draw.random() < 0.5:
        picture = np.ascontiguousarray(picture[:, ::-1])  # the box from eyes to mouth lies in its middle
    height = float(np.exp(draw.uniform(*np.log(EYES_TO_MOUTH)))) * unit
    scale = height / (_IN_PICTURE[2, 1] - _IN_PICTURE[0, 1])
    light = draw.uniform(0.5, 1.2) * draw.uniform(0.92, 1.08, 3)
    lit = np.asarray(255 * (picture / 255.0) ** draw.uniform(0.8, 1.25) * light, np.float32)
    # Averaged first: a small head that is merely sampled has edges that no lens makes.
    lit = np.asarray(cv2.GaussianBlur(lit, (0, 0), max(0.3, 0.45 / scale + draw.uniform(0, 0.6))))
    lit += draw.normal(0, draw.uniform(0, 5), lit.shape)
    rows, columns = picture.shape[:2]
    head = np.zeros((rows, columns), np.float32)
    cv2.ellipse(head, *_HEAD, 0, 0, 360, 1.0, -1, cv2.LINE_8)
    opacity = np.asarray(cv2.GaussianBlur(head, (0, 0), 3), np.float32)
    vital = np.zeros((rows, columns), np.uint8)
    cv2.fillConvexPoly(vital, _IN_PICTURE.astype(np.int32), 255)
    turn = cv2.getRotationMatrix2D((columns / 2, rows / 2), float(draw.uniform(0, 360)), scale)
    turn -= np.array([[0, 0, columns / 2], [0, 0, rows / 2]])
    place = turn.astype(np.float32)
    return _Thing(
        np.clip(lit, 1, 255).astype(np.float32), opacity, vital, place, _around(place, rows, columns)
    )


def _name(unit: float, draw: np.random.Generator, *, tight: bool) -> _Thing:
    letters, digits = list(string.ascii_uppercase), list(string.digits)
    words = "^".join("".join(draw.choice(letters, draw.integers(4, 9))) for _ in range(2))
    line = words[:5] if tight else f"{words} {''.join(draw.choice(digits, 4))}"
    height = max(_LEAST, (_LETTERS[0] if tight else draw.uniform(*_LETTERS)) * unit)
    font = _FONTS[int(draw.integers(len(_FONTS)))]
    scale = height / 22.0  # a capital of the Hershey fonts is 21 to 22 pixels high at scale 1
    thick = max(1, round(height / draw.uniform(8, 13)))
    (width, _), below = cv2.getTextSize(line, font, scale, thick)
    pad = round(0.6 * height)
    rows, columns = round(height) + below + 2 * pad, width + 2 * pad
    ink = np.zeros((rows, columns), np.uint8)
    cv2.putText(ink, line, (pad, pad + round(height)), font, scale, 255, thick, cv2.LINE_AA)
    dark, bright = draw.uniform(5, 80, 3), draw.uniform(160, 250, 3)
    card, pen = (dark, bright) if draw.random() < 0.5 else (bright, dark)
    share = ink[..., None] / 255.0
    picture = (card * (1 - share) + pen * share).astype(np.float32)
    turn = cv2.getRotationMatrix2D((columns / 2, rows / 2), float(draw.uniform(-8, 8)), 1.0)
    turn -= np.array([[0, 0, columns / 2], [0, 0, rows / 2]])
    place = turn.astype(np.float32)
    return _Thing(picture, np.ones((rows, columns), np.float32), ink, place, _around(place, rows, columns))
