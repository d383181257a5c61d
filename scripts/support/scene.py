"""A bedside video for demo and bench: a monitor that shows an image, a face that passes, a name on the wall.

Drawn frame by frame from a fixed seed; the truth (where the face is, where the name stands) comes
from the drawing, never from a detector.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from support.inputs import write_text

Image = NDArray[np.uint8]

MONITOR = (0.30, 0.12, 0.80, 0.86)
"""Left, top, right, bottom of the monitor in shares of the frame."""
_FACE_SHARE = 0.30
"""Height of the face picture in shares of the frame's height."""


def astronaut() -> Image:
    """A face: scikit-image's astronaut (NASA, public domain), cropped, BGR."""
    from skimage.data import astronaut as picture

    return np.ascontiguousarray(picture()[0:200, 130:320, ::-1])


def has_face(number: int, rate: int) -> bool:
    """Whether frame ``number`` shows the face: a little more than every other second."""
    return number % (2 * rate) >= rate - 2


def _background(width: int, height: int, name: str) -> Image:
    rng = np.random.default_rng(7)
    # A dim wall with a little structure, as in a reading room.
    coarse = rng.integers(40, 56, (height // 60 + 1, width // 60 + 1, 1), dtype=np.uint8).repeat(3, 2)
    scene = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return write_text(scene, name, (24, 60), height // 20, ink=20, ground=245)


def _monitor(scene: Image, image: Image) -> None:
    height, width = scene.shape[:2]
    left, top, right, bottom = (int(v * s) for v, s in zip(MONITOR, (width, height) * 2, strict=True))
    inset = int(0.02 * width)
    cv2.rectangle(scene, (left - inset, top - inset), (right + inset, bottom + inset), (8, 8, 8), -1)
    # Seen from a little aside, so that the box has a perspective to correct.
    corners = np.float32([(left, top + inset), (right, top), (right, bottom), (left, bottom - inset)])
    rows, columns = image.shape[:2]
    source = np.float32([(0, 0), (columns, 0), (columns, rows), (0, rows)])
    matrix = cv2.getPerspectiveTransform(source, corners)
    gray = cv2.cvtColor(np.maximum(image, 70), cv2.COLOR_GRAY2BGR)
    warped = cv2.warpPerspective(gray, matrix, (width, height))
    inside = cv2.warpPerspective(np.full(image.shape, 255, np.uint8), matrix, (width, height))
    scene[inside > 127] = warped[inside > 127]


def write(
    path: Path, image: Image, *, name: str, seconds: int, width: int = 1280, height: int = 720, rate: int = 30
) -> int:
    """Write the video (motion JPEG); return the number of frames.

    Args:
        path: an .avi file.
        image: gray image that the monitor shows, uint8 (rows, columns).
        name: the planted name on the wall.
        seconds: length.
        width: frame width in pixels.
        height: frame height in pixels.
        rate: frames a second.
    """
    still = _background(width, height, name)
    _monitor(still, image)
    size = int(_FACE_SHARE * height)
    face = cv2.resize(astronaut(), (int(size * 0.95), size), interpolation=cv2.INTER_AREA)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), rate, (width, height))
    if not writer.isOpened():
        raise OSError(f"{path}: OpenCV cannot write motion JPEG here")
    total = seconds * rate
    rng = np.random.default_rng(11)
    for number in range(total):
        frame = still.copy()
        if has_face(number, rate):
            # Calm motion across the monitor: about 2 % of the face's width a frame.
            phase = (number % (2 * rate) - rate) / rate
            left = int(0.34 * width + phase * 0.18 * width)
            top = int(0.34 * height + 0.05 * height * np.sin(phase * np.pi))
            frame[top : top + face.shape[0], left : left + face.shape[1]] = face
        grain = rng.integers(0, 5, (height // 4, width // 4, 1), dtype=np.uint8)
        frame = cv2.add(
            frame, cv2.resize(grain, (width, height), interpolation=cv2.INTER_NEAREST)[..., None].repeat(3, 2)
        )
        writer.write(frame)
    writer.release()
    return total
