"""How much of drawn text the detector covers, and how often it sees text in nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edge.anonymize.geometry import paint
from edge.anonymize.models import Weights
from edge.anonymize.text.any_script import AnyScriptDetector
from trainer.detectors import backgrounds
from trainer.detectors.text import composite
from trainer.detectors.text.writing import Writing


def measure(
    model: Path, writing: Writing, seed: int, pictures: int = 400, size: int = 256
) -> dict[str, float]:
    """Shares covered: of the pixels of text, of pictures with text wholly, of what is no text.

    Args:
        model: the ONNX file.
        writing: words and fonts.
        seed: draws the pictures, apart from those of the training.
        pictures: how many.
        size: their side in pixels.
    """
    detector = AnyScriptDetector(Weights("text", b"", model.read_bytes()))
    places = backgrounds.Places(backgrounds.photographs(), [], [])
    covered = text = whole = with_text = spilled = bare = 0
    for number in range(pictures):
        rng = np.random.default_rng((seed, 1 << 43, number))
        sample = composite.draw(writing, places.draw(rng), rng, size)
        mask = np.zeros((size, size), bool)
        paint(mask, detector.glance(sample.pixels, size))
        truth = sample.heights >= composite.LEGIBLE
        covered, text = covered + int((mask & truth).sum()), text + int(truth.sum())
        if truth.any():
            with_text += 1
            whole += (mask & truth).sum() >= 0.9 * truth.sum()
        spilled, bare = spilled + int((mask & ~truth).sum()), bare + int((~truth).sum())
    return {
        "of text covered": round(covered / max(1, text), 4),
        "pictures with nine tenths of their text covered": round(whole / max(1, with_text), 4),
        "of the rest covered": round(spilled / max(1, bare), 4),
    }
