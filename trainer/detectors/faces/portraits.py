"""Portraits with four points each, and which of them train, tune or judge.

``portraits.csv`` gives, for each of the 659 public-domain portraits of ``EDGE_DATA/faces``, the pixel
coordinates of both eyes and both corners of the mouth. They were drafted by CenterFace on the upright
originals, and every one was looked at. The order of the opaque names (a content digest each) divides
them, so that no identity that judges was ever seen in training or when a setting was chosen.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from trainer.detectors.picture import Picture

Role = Literal["train", "tune", "bench"]

TRAIN, TUNE = 130, 29
"""Identities that train, and that settings are chosen by; all others judge."""
REACH = 1.5
"""Radius of a face in distances of eyes and mouth: from the forehead to just below the chin."""


class PortraitsError(Exception):
    """The portraits cannot be read. The message says what was expected."""


@dataclass(frozen=True, repr=False)
class Portrait:
    """One identity: its picture (rows, columns, 3), RGB, upright, and its points in pixels (x, y)."""

    name: str
    pixels: Picture
    points: NDArray[np.float32]
    """(4, 2): eyes, then corners of the mouth, the picture's left one first."""

    @property
    def distance(self) -> float:
        """From the middle of the eyes to the middle of the mouth, in pixels."""
        return float(np.linalg.norm(self.points[:2].mean(0) - self.points[2:].mean(0)))

    @property
    def centre(self) -> NDArray[np.float32]:
        """Halfway between eyes and mouth (x, y)."""
        return np.asarray(self.points.mean(0), np.float32)


def names(role: Role) -> tuple[str, ...]:
    """Names of the portraits of a role, in order."""
    return tuple(sorted(_points()))[_PLACES[role]]


def load(folder: Path, role: Role) -> list[Portrait]:
    """Read the portraits of a role.

    Args:
        folder: ``EDGE_DATA/faces``, which holds ``portraits/``.
        role: who is wanted.

    Raises:
        PortraitsError: one is missing or is no picture.
    """
    known = _points()
    result = []
    for name in names(role):
        path = folder / "portraits" / f"{name}.jpg"
        pixels = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if pixels is None:
            raise PortraitsError(f"{path}: missing or no picture; expected the portraits of EDGE_DATA/faces")
        result.append(Portrait(name, np.ascontiguousarray(pixels[:, :, ::-1]), known[name]))
    return result


_PLACES = {
    "train": slice(0, TRAIN),
    "tune": slice(TRAIN, TRAIN + TUNE),
    "bench": slice(TRAIN + TUNE, None),
}


def _points() -> dict[str, NDArray[np.float32]]:
    text = (resources.files("trainer.detectors.faces") / "portraits.csv").read_text(encoding="ascii")
    rows = csv.reader(text.splitlines()[1:])
    return {name: np.array(numbers, np.float32).reshape(4, 2) for name, *numbers in rows}
