"""How many faces of the tuning identities the detector finds, by size, and how often it errs."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edge.anonymize.faces.rotation_free import RotationFreeDetector
from edge.anonymize.geometry import Box
from edge.anonymize.models import Weights
from trainer.detectors import backgrounds
from trainer.detectors.faces import composite, portraits
from trainer.detectors.faces.material import clothes
from trainer.detectors.faces.person import People

_SIZES = (5.0, 7.0, 10.0, 20.0, 40.0, 140.0)
"""Edges of the classes of radius, in pixels of the picture that is looked at."""


def measure(model: Path, folder: Path, seed: int, pictures: int = 600, size: int = 256) -> dict[str, float]:
    """Share of faces found per class of radius, at the score that counts, and false finds a picture.

    Args:
        model: the ONNX file.
        folder: ``EDGE_DATA/faces``.
        seed: draws the pictures, apart from those of the training.
        pictures: how many.
        size: their side in pixels.
    """
    detector = RotationFreeDetector(Weights("faces", b"", model.read_bytes()))
    people = portraits.load(folder, "tune")
    places = backgrounds.Places(backgrounds.photographs(), [], clothes(people))
    drawn, found = np.zeros(len(_SIZES) - 1, int), np.zeros(len(_SIZES) - 1, int)
    false = 0
    cast = People(people)
    for number in range(pictures):
        rng = np.random.default_rng((seed, 1 << 41, number))
        sample = composite.draw(cast, places.draw(rng), rng, size)
        (boxes,) = detector.candidates(sample.pixels[None])
        boxes = [box for box in boxes if box.score >= detector.sure]
        hit: set[int] = set()
        for face in sample.faces:
            near = {i for i, box in enumerate(boxes) if _away(box, face) < face.radius}
            hit |= near
            group = int(np.searchsorted(_SIZES, face.radius)) - 1
            if 0 <= group < drawn.size and 0 <= face.x < size and 0 <= face.y < size:
                drawn[group] += 1
                found[group] += bool(near)
        false += len(boxes) - len(hit)
    shares = {
        f"radius {low:g} to {high:g} px ({count})": round(float(hits / max(1, count)), 4)
        for low, high, count, hits in zip(_SIZES, _SIZES[1:], drawn.tolist(), found.tolist(), strict=False)
    }
    return {**shares, "false finds a picture": round(false / pictures, 3)}


def _away(box: Box, face: composite.Face) -> float:
    """From the middle of a find to that of a face, in pixels."""
    return float(np.hypot((box.left + box.right) / 2 - face.x, (box.top + box.bottom) / 2 - face.y))
