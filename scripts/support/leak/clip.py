"""The compositor: frames of a case, and where in each the eyes-to-mouth box of each identity is.

The truth is where the portrait was pasted; no detector is asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from support.leak import sensor
from support.leak.covers import covered
from support.leak.video_cases import COLUMNS, FRAMES, ROWS, VideoCase
from trainer.detectors.faces import cutout
from trainer.detectors.faces.portraits import REACH, Portrait

Picture = NDArray[np.uint8]
_PAD = 0.15
"""The box around eyes and corners of the mouth, wider by so many of their distances."""
_SEEN = 0.25
"""A face of whose box less is in sight, inside the frame and bare, is nobody yet."""


@dataclass(frozen=True, repr=False)
class Truth:
    """The box of one identity in one frame: its bare pixels as a mask in a window of the frame."""

    identity: str
    left: int
    top: int
    bare: NDArray[np.bool_]
    whole: int
    """Pixels of the box if all of it were bare and in sight."""

    @property
    def judged(self) -> bool:
        """Whether enough is in sight for anybody to know the face."""
        return bool(self.bare.sum() >= _SEEN * self.whole)


class _Actor:
    """One person of a clip, upright, and the path of the face."""

    def __init__(
        self, portrait: Portrait, matte: cutout.Matte, case: VideoCase, rng: np.random.Generator, angle: float
    ) -> None:
        self.identity = portrait.name
        self.pixels, self.hidden = covered(portrait, case.cover, rng)
        kind = rng.random()
        self.matte = matte if kind < 0.5 else (
            cutout.head(portrait, 1.3) if kind < 0.85 else cutout.picture(portrait))  # fmt: skip
        self.points, self.centre = portrait.points, portrait.centre
        self.scale = case.height / (2 * REACH * portrait.distance)
        self.pad = _PAD * portrait.distance
        self.angle, self.turn = angle, rng.uniform(-1.0, 1.0)
        width = 2.2 / 3.0 * case.height
        heading = rng.uniform(0, 2 * np.pi)
        self.step = case.step * width * np.array([np.cos(heading), np.sin(heading)])
        room = case.height * 0.6
        middle = np.array([rng.uniform(room, COLUMNS - room), rng.uniform(room, ROWS - room)])
        self.start = middle - self.step * rng.integers(0, FRAMES)

    def matrix(self, frame: int) -> NDArray[np.float64]:
        """Portrait to frame, (2, 3)."""
        turn = np.deg2rad(self.angle + frame * self.turn)
        linear = self.scale * np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        at = self.start + frame * self.step - linear @ self.centre
        return np.concatenate([linear, at[:, None]], axis=1)

    def paste(self, scene: Picture, frame: int, light: float) -> Truth:
        """Paste into ``scene`` and say where the box is."""
        to_frame = self.matrix(frame)
        pixels, matte, hidden, to_small = _smaller(self.pixels, self.matte, self.hidden, self.scale)
        moved = to_frame @ np.linalg.inv(to_small)
        rows, columns = pixels.shape[:2]
        corners = np.array([[0, 0, 1], [columns, 0, 1], [0, rows, 1], [columns, rows, 1]]) @ moved.T
        x0, y0 = np.floor(corners.min(0)).astype(int).tolist()
        x1, y1 = np.ceil(corners.max(0)).astype(int).tolist()
        local = moved - np.array([[0, 0, x0], [0, 0, y0]])
        size = (x1 - x0, y1 - y0)
        drawn = cv2.warpAffine(pixels, local, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        share = cv2.warpAffine(matte, local, size)[:, :, None]
        away = cv2.warpAffine(hidden, local, size) > 127
        inside = np.zeros((size[1], size[0]), bool)
        left, top, right, bottom = max(0, x0), max(0, y0), min(COLUMNS, x1), min(ROWS, y1)
        if left < right and top < bottom:
            cut = np.s_[top - y0 : bottom - y0, left - x0 : right - x0]
            window = scene[top:bottom, left:right]
            window[:] = window * (1 - share[cut]) + light * drawn[cut] * share[cut]
            inside[cut] = True
        box = np.zeros((size[1], size[0]), np.uint8)
        cv2.fillConvexPoly(box, np.round(self._corners() @ to_frame.T - (x0, y0)).astype(np.int32), 1)
        return Truth(self.identity, x0, y0, (box > 0) & inside & ~away, max(1, int(box.sum())))

    def _corners(self) -> NDArray[np.float64]:
        (left, top), (right, bottom) = self.points.min(0) - self.pad, self.points.max(0) + self.pad
        return np.array([[left, top, 1], [right, top, 1], [right, bottom, 1], [left, bottom, 1]])


def _smaller(
    pixels: Picture, matte: NDArray[np.float32], hidden: NDArray[np.uint8], scale: float
) -> tuple[Picture, NDArray[np.float32], NDArray[np.uint8], NDArray[np.float64]]:
    """The portrait at about the size in which it is pasted, averaged as a lens would, and the way there."""
    less = min(1.0, 1.5 * scale)
    size = (max(4, round(pixels.shape[1] * less)), max(4, round(pixels.shape[0] * less)))
    way = np.diag([size[0] / pixels.shape[1], size[1] / pixels.shape[0], 1.0])
    small = (cv2.resize(each, size, interpolation=cv2.INTER_AREA) for each in (pixels, matte, hidden))
    return (*small, way)  # type: ignore[return-value]


class Compositor:
    """Makes clips from identities and rooms.

    Args:
        portraits: who may be planted, by name.
        rooms: pictures (ROWS, COLUMNS, 3).
    """

    def __init__(self, portraits: Mapping[str, Portrait], rooms: Sequence[Picture]) -> None:
        self._portraits, self._rooms = portraits, rooms
        self._mattes: dict[str, cutout.Matte] = {}
        self._sensor = sensor.Sensor()

    def clip(self, case: VideoCase) -> Iterator[tuple[Picture, list[Truth]]]:
        """Frames (ROWS, COLUMNS, 3) of a case, each with its truths."""
        rng = np.random.default_rng(case.seed)
        room = self._rooms[int(rng.integers(len(self._rooms)))]
        angles = (case.angle, *rng.uniform(0, 360, len(case.others)).tolist())
        actors = _apart([
            _Actor(self._portraits[name], self._matte(name), case, rng, angle)
            for name, angle in zip((case.identity, *case.others), angles, strict=True)
        ])  # fmt: skip
        gain = sensor.gain(case.light, rng)
        faces = rng.uniform(0.3, 0.5) if case.light == "backlit" else 1.0
        back = np.asarray(cv2.convertScaleAbs(room, alpha=gain), np.uint8)
        for frame in range(FRAMES):
            scene = back.copy()
            truths = [actor.paste(scene, frame, gain * faces) for actor in actors]
            yield self._sensor.frame(scene, case.light, rng), truths

    def _matte(self, name: str) -> cutout.Matte:
        if name not in self._mattes:
            self._mattes[name] = cutout.person(self._portraits[name], 1)
        return self._mattes[name]


def _apart(actors: list[_Actor]) -> list[_Actor]:
    """Those whose pictures never hide each other's faces: nobody pasted over is a leak."""
    kept: list[_Actor] = []
    for actor in actors:
        reach = 2.2 * actor.scale * 225
        paths = [actor.start + f * actor.step for f in range(FRAMES)]
        others = [[o.start + f * o.step for f in range(FRAMES)] for o in kept]
        if all(np.linalg.norm(a - b) > reach for path in others for a, b in zip(paths, path, strict=True)):
            kept.append(actor)
    return kept
