"""A contact sheet: frames of cases, raw above and as they left below. For looking at; never committed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from support.leak.run_video import CaseResult, emitted_and_raw
from support.leak.video_cases import FRAMES, VideoCase

_WIDTH, _ACROSS = 320, 4


def write(
    path: Path, cases: Sequence[VideoCase], results: Sequence[CaseResult], data: str, count: int = 16
) -> None:
    """Cases that leak first, then others at even steps."""
    order = sorted(range(len(cases)), key=lambda i: -results[i].leaking)
    leaking = [i for i in order if results[i].leaking][: count // 2]
    calm = [i for i in order if not results[i].leaking]
    step = max(1, len(calm) // max(1, count - len(leaking)))
    chosen = [*leaking, *calm[::step]][:count]
    cells = []
    for i in chosen:
        frame = results[i].worst_frame if results[i].leaking else FRAMES // 2
        raw, clean = emitted_and_raw(cases[i], data, frame)
        pair = np.vstack([raw, np.zeros_like(raw) if clean is None else clean])
        cells.append(cv2.resize(pair, (_WIDTH, _WIDTH * 9 * 2 // 16), interpolation=cv2.INTER_AREA))
    while len(cells) % _ACROSS:
        cells.append(np.zeros_like(cells[0]))
    sheet = np.vstack([np.hstack(cells[i : i + _ACROSS]) for i in range(0, len(cells), _ACROSS)])
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), sheet[:, :, ::-1])
