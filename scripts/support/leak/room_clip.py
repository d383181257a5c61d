"""The compositor of rooms with text: frames of a case, and where in each the ink of every line is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from support.leak import sensor
from support.leak.canvas import Ink, Picture
from support.leak.carriers import CARRIERS
from support.leak.plane import OVER, Plane
from support.leak.room_cases import FRAMES, RoomCase
from support.leak.video_cases import COLUMNS, ROWS

PAN = 240
"""Pixels that a room is larger than a frame, each way: the camera turns to and fro within."""
_UPRIGHT = 4.0
"""Degrees by which what hangs or stands is off the level, at most."""
_GLOW = 0.7
"""A monitor is at least so bright, of what it was drawn with, however dim the room."""
Path = NDArray[np.float64]


class RoomCompositor:
    """Makes clips from rooms.

    Args:
        rooms: pictures (ROWS + PAN, COLUMNS + PAN, 3).
    """

    def __init__(self, rooms: Sequence[Picture]) -> None:
        self._rooms = rooms
        self._sensor = sensor.Sensor()

    def clip(self, case: RoomCase) -> Iterator[tuple[Picture, list[Ink]]]:
        """Frames (ROWS, COLUMNS, 3) of a case, each with the ink of its lines."""
        rng = np.random.default_rng(case.seed)
        carrier = CARRIERS[case.carrier]
        plane = carrier.draw(case, rng).softened()
        angle = rng.uniform(0, 360) if carrier.held else rng.uniform(-_UPRIGHT, _UPRIGHT)
        corners = _corners(plane, carrier.askew, rng)
        views, places = _paths(case, carrier.held, _turned(corners, angle), rng)
        turn = rng.uniform(-1, 1) if carrier.held and case.step else 0.0
        gain = sensor.gain(case.light, rng)
        room = cv2.convertScaleAbs(self._rooms[case.room % len(self._rooms)], alpha=gain)
        for frame in range(FRAMES):
            x, y = views[frame].astype(int).tolist()
            scene = np.asarray(room[y : y + ROWS, x : x + COLUMNS].copy(), np.uint8)
            placed = _turned(corners, angle + frame * turn) + places[frame]
            light = max(gain, _GLOW) if plane.glows else gain
            lines = plane.paste(scene, _homography(plane, placed), light)
            yield self._sensor.frame(scene, case.light, rng), lines


def _corners(plane: Plane, askew: float, rng: np.random.Generator) -> Path:
    """Of the plane in the frame, around its middle, from the upper left one on clockwise."""
    half = np.array(plane.matte.shape[::-1]) / (2 * OVER)
    flat = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * half
    keystone, skew = rng.uniform(-askew, askew, 2), rng.uniform(-askew, askew)
    slim = 1 + flat[:, ::-1] / half[::-1] * keystone
    return np.asarray(flat * slim + flat[:, ::-1] * (skew, 0))


def _turned(corners: Path, angle: float) -> Path:
    """Counter-clockwise, in degrees."""
    turn = np.deg2rad(angle)
    return np.asarray(corners @ np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]))


def _homography(plane: Plane, placed: Path) -> Path:
    rows, columns = plane.matte.shape
    corners = np.array([[0, 0], [columns, 0], [columns, rows], [0, rows]], np.float32)
    return np.asarray(cv2.getPerspectiveTransform(corners, placed.astype(np.float32)))


def _paths(case: RoomCase, held: bool, corners: Path, rng: np.random.Generator) -> tuple[Path, Path]:
    """Of each frame, where in the room it looks, and where in it the thing's middle is, (FRAMES, 2).

    In one frame, drawn by chance, the thing is in sight as far as it fits.
    """
    half = np.minimum(np.abs(corners).max(0), (COLUMNS / 2, ROWS / 2))
    middle = rng.uniform(half, (COLUMNS, ROWS) - half)
    there = int(rng.integers(FRAMES))
    heading = rng.uniform(0, 2 * np.pi)
    way = np.outer(np.arange(FRAMES), case.step * np.array([np.cos(heading), np.sin(heading)]))
    start = rng.uniform(0, PAN, 2)
    if held:
        return np.repeat(start[None], FRAMES, 0), middle + way - way[there]
    views = np.floor(np.abs((start + way) % (2 * PAN) - PAN))
    return views, middle + views[there] - views
