"""A contact sheet: frames of cases, raw above and as they left below. For looking at; never committed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np

from edge.imaging.frames import Pixels

_WIDTH, _HEIGHT, _ACROSS = 320, 360, 4
COUNT = 16
"""Cases on a sheet."""


def chosen(leaking: Sequence[bool], count: int = COUNT) -> list[int]:
    """Numbers of cases to show: those that leak first, then others at even steps."""
    bad = [number for number, leaks in enumerate(leaking) if leaks][: count // 2]
    calm = [number for number, leaks in enumerate(leaking) if not leaks]
    step = max(1, len(calm) // max(1, count - len(bad)))
    return [*bad, *calm[::step]][:count]


def write(path: Path, pairs: Iterable[tuple[Pixels, Pixels | None]]) -> None:
    """Frames (rows, columns, 3), raw and as they left; black for one that was held back."""
    cells = []
    for raw, clean in pairs:
        pair = np.vstack([raw, np.zeros_like(raw) if clean is None else clean])
        cells.append(cv2.resize(pair, (_WIDTH, _HEIGHT), interpolation=cv2.INTER_AREA))
    while len(cells) % _ACROSS:
        cells.append(np.zeros_like(cells[0]))
    sheet = np.vstack([np.hstack(cells[i : i + _ACROSS]) for i in range(0, len(cells), _ACROSS)])
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), sheet[:, :, ::-1])
