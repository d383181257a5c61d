"""Run the cases of text in a room through the box's own camera room, and judge what leaves."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import cache

import cv2
import numpy as np

from edge.anonymize.detectors import Detectors
from edge.imaging.frames import Pixels
from support.leak import bedside, blind, judge
from support.leak.canvas import Ink
from support.leak.outcome import CaseResult
from support.leak.parallel import in_order
from support.leak.room_cases import DRAWN, RoomCase
from support.leak.room_clip import PAN, RoomCompositor
from support.leak.rooms import rooms
from support.leak.video_cases import COLUMNS, ROWS

_SEEN = 0.5
"""A code of whose ink less is in the frame is no code yet."""


def _legible(pixels: Pixels, line: Ink) -> float:
    return judge.legible(judge.unfilled(pixels, line), line)


def _share(pixels: Pixels, code: Ink) -> float:
    return float(judge.unfilled(pixels, code).mean())


def _away(pixels: Pixels, lines: Sequence[Ink]) -> float:
    """Masked share of what is more than the height of a line from any ink."""
    near = np.zeros(pixels.shape[:2], np.uint8)
    for ink in lines:
        inside = (ink.ys >= 0) & (ink.ys < ROWS) & (ink.xs >= 0) & (ink.xs < COLUMNS)
        near[ink.ys[inside], ink.xs[inside]] = 1
    side = 2 * round(max((ink.size for ink in lines), default=0.0)) + 1
    rest = pixels[cv2.dilate(near, np.ones((side, side), np.uint8)) == 0]
    return float((rest == 0).all(axis=1).mean()) if rest.size else 0.0


_TEXT = bedside.Rules[Ink](
    _legible, judge.READABLE, lambda raw, line: _legible(raw, line) > judge.READABLE, _away
)
_CODES = bedside.Rules[Ink](_share, judge.CODE, lambda raw, code: _share(raw, code) >= _SEEN, _away)


@cache
def compositor() -> RoomCompositor:
    """Makes the clips."""
    return RoomCompositor(rooms(ROWS + PAN, COLUMNS + PAN, drawn=DRAWN))


@cache
def detectors(*, faces: bool) -> Detectors:
    """The box's own; without ``faces``, those are looked for in the self-test alone."""
    found = bedside.loaded()
    return found if faces else blind.without_faces(found)


def run_case(case: RoomCase, faces: bool = True) -> CaseResult:
    """One clip through the camera room."""
    rules = _CODES if case.script == "code" else _TEXT
    result = CaseResult(case.number, case.source)
    return bedside.judge(result, compositor().clip(case), rules, detectors(faces=faces))


def run_all(
    cases: Sequence[RoomCase], *, faces: bool = True, jobs: int | None = None
) -> Iterator[CaseResult]:
    """All cases, in order, with a line of progress now and then."""
    arguments = [(case, faces) for case in cases]
    return in_order(run_case, arguments, "clips of text", jobs or os.cpu_count() or 1)


def raw_and_emitted(case: RoomCase, wanted: int) -> tuple[Pixels, Pixels | None]:
    """One frame of a case, raw, and as it left; None if it was held back. For the pictures."""
    clip = (pixels for pixels, _ in compositor().clip(case))
    return bedside.raw_and_emitted(clip, detectors(faces=True), wanted)
