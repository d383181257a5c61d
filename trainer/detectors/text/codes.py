"""Ink that names a patient without letters: bar codes and matrix codes, as on wristbands and labels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trainer.detectors.picture import Rng

Ink = NDArray[np.float32]
"""(rows, columns), 0 to 1: how much of a pixel is inked."""


def bars(rng: Rng, height: int) -> Ink:
    """A row of bars of one to four modules, as in Code 128 (ISO/IEC 15417)."""
    module = max(2, round(height * rng.uniform(0.02, 0.08)))
    widths = rng.integers(1, 5, int(rng.integers(20, 70))) * module
    ink = np.repeat(np.arange(widths.size) % 2 == 0, widths)
    return np.repeat(ink[None].astype(np.float32), height, axis=0)


def matrix(rng: Rng, height: int) -> Ink:
    """A square of modules with the finders of QR (ISO/IEC 18004) or the edges of Data Matrix (16022)."""
    count = int(rng.integers(10, 34))
    modules = (rng.random((count, count)) < 0.5).astype(np.float32)
    if rng.random() < 0.5 and count >= 21:
        finder = np.ones((7, 7), np.float32)
        finder[1:6, 1:6], finder[2:5, 2:5] = 0, 1
        modules[:7, :7], modules[:7, -7:], modules[-7:, :7] = finder, finder, finder
    else:
        modules[:, 0], modules[-1] = 1, 1
        modules[0], modules[:-1, -1] = np.arange(count) % 2, np.arange(count - 1) % 2
    module = max(2, round(height / count))
    return np.kron(modules, np.ones((module, module), np.float32))
