"""scripts/bench drawn: drawn scenes, raw above and as they leave the box below, for docs/anonymization.jpg.

Nobody is in them: heads, rooms and names are drawn. What is masked was found by the box's own detectors.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.anonymize.camera.anonymizer import CameraAnonymizer
from edge.anonymize.detectors import load_detectors
from edge.imaging.frames import Acquisition, CleanFrame, RawFrame
from edge.settings import Anonymize, Source
from support.leak.carriers import SKINS
from support.leak.rooms import rooms

Picture = NDArray[np.uint8]
_HAIRS = ((60, 40, 25), (25, 22, 20), (150, 110, 60), (150, 150, 150))
_SIDE = 400


def _head(rng: np.random.Generator) -> tuple[Picture, NDArray[np.float32]]:
    """A drawn head (400, 400, 3), upright, and how much of each pixel is head."""
    skin = np.array(SKINS[int(rng.integers(len(SKINS)))], float)
    hair = np.array(_HAIRS[int(rng.integers(len(_HAIRS)))], float)
    image = np.zeros((_SIDE, _SIDE, 3), np.float32)
    matte = np.zeros((_SIDE, _SIDE), np.float32)

    def oval(x: float, y: float, a: float, b: float, colour: NDArray[np.float64], soft: float = 1.5) -> None:
        part = np.zeros((_SIDE, _SIDE), np.float32)
        cv2.ellipse(part, ((200 + x, 200 + y), (2 * a, 2 * b), 0), 1.0, -1)
        part = cv2.GaussianBlur(part, (0, 0), soft)[:, :, None]
        image[:] = image * (1 - part) + np.asarray(colour, np.float32) * part
        np.maximum(matte, part[:, :, 0], out=matte)

    oval(0, -35, 112, 132, hair, 3)
    oval(0, 190, 130, 70, np.array(rng.uniform(40, 200, 3)), 4)
    oval(0, 120, 44, 60, skin * 0.8, 4)
    for side in (-1, 1):
        oval(side * 96, 5, 14, 28, skin * 0.85)
    oval(0, 0, 92, 122, skin, 2)
    oval(0, -105, 90, 42, hair, 6)
    for side in (-1, 1):
        oval(side * 38, -22, 26, 14, skin * 0.82, 5)
        oval(side * 38, -20, 19, 9, np.array((238.0, 236.0, 232.0)), 1.2)
        oval(side * 38, -20, 8, 8, hair * 0.6 + 10, 1)
        oval(side * 38, -42, 26, 5, hair * 0.9, 2)
        oval(side * 14, 38, 6, 4, skin * 0.55, 2)
        oval(side * 55, 35, 26, 20, skin * np.array((1.03, 0.93, 0.9)), 12)
    oval(0, 12, 9, 28, skin * 1.06, 6)
    oval(0, 36, 18, 9, skin * 0.9, 4)
    oval(0, 68, 34, 9, skin * np.array((0.85, 0.55, 0.55)), 2)
    oval(0, 66, 26, 2, skin * 0.4, 1)
    light = 1 + 0.22 * np.linspace(-1, 1, _SIDE)[None, :, None] * rng.choice((-1, 1))
    return np.asarray(np.clip(image * light, 1, 255), np.uint8), matte


def _scene(room: Picture, rng: np.random.Generator, *, lying: bool, name: str) -> Picture:
    """A room with one or two drawn persons and a written name."""
    result = room.astype(np.float32)
    rows, columns = room.shape[:2]
    for place in range(int(rng.integers(1, 3))):
        pixels, matte = _head(rng)
        height = rng.uniform(90, 230)
        angle = rng.uniform(70, 290) if lying else rng.uniform(-20, 20)
        x, y = columns * (0.28 + 0.42 * place) + rng.uniform(-60, 60), rows * rng.uniform(0.35, 0.65)
        move = cv2.getRotationMatrix2D((_SIDE / 2, _SIDE / 2), angle, height / 250)
        move[:, 2] += (x - _SIDE / 2, y - _SIDE / 2)
        share = cv2.warpAffine(matte, move, (columns, rows))[:, :, None]
        drawn = cv2.warpAffine(pixels, move, (columns, rows), borderMode=cv2.BORDER_REPLICATE)
        result = result * (1 - share) + drawn * share
    image = np.asarray(np.clip(result, 1, 255), np.uint8)
    left, top = int(columns * rng.uniform(0.05, 0.5)), int(rows * rng.uniform(0.82, 0.92))
    cv2.rectangle(image, (left - 16, top - 44), (left + 30 * len(name), top + 20), (240, 240, 236), -1)
    cv2.putText(image, name, (left, top), cv2.FONT_HERSHEY_SIMPLEX, 1.4, (30, 30, 60), 3, cv2.LINE_AA)
    return image


def main(out: Path) -> int:
    """Draw four scenes, run each through the camera room, and write raw above clean."""
    rng = np.random.default_rng(12)
    detectors = load_detectors(Anonymize())
    pairs = []
    for number, room in enumerate(rooms(720, 1280, seed=21, drawn=4)[:4]):
        raw = _scene(room, rng, lying=number % 2 == 1, name=("BED 4 DOE JANE", "MUSTERMANN M.")[number % 2])
        camera = CameraAnonymizer(
            Source(name="drawn", kind="video", looks_at="scene", whole_scene=True),
            Anonymize(),
            detectors,
            realtime=False,
        )
        left = [each for i in range(9) for each in camera.push(
            RawFrame(raw, "drawn", i, i * 33_333_333, 0, Acquisition()))] + camera.flush()  # fmt: skip
        camera.close()
        clean = next((each.pixels for each in left if isinstance(each, CleanFrame)), np.zeros_like(raw))
        pairs.append(
            np.vstack([cv2.resize(each, (400, 225), interpolation=cv2.INTER_AREA) for each in (raw, clean)])
        )
    cv2.imwrite(str(out), np.hstack(pairs)[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])
    return 0
