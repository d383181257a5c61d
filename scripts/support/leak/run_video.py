"""Run the video cases through the box's own camera room, and judge what leaves."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import cv2

from edge.anonymize.detectors import Detectors
from edge.imaging.frames import Pixels
from edge.settings import Anonymize
from support.leak import bedside, blind, judge
from support.leak.clip import Compositor, Truth
from support.leak.outcome import CaseResult
from support.leak.parallel import in_order
from support.leak.rooms import rooms
from support.leak.video_cases import COLUMNS, ROWS, VideoCase
from trainer.detectors.faces import portraits

_RULES = bedside.Rules[Truth](judge.uncovered, judge.LEAK, lambda _, truth: truth.judged)


@cache
def compositor(data: str) -> Compositor:
    """Makes the clips of the bench's identities; ``data`` is EDGE_DATA."""
    cv2.setNumThreads(1)
    people = {each.name: each for each in portraits.load(Path(data) / "faces", "bench")}
    return Compositor(people, rooms(ROWS, COLUMNS))


@cache
def detectors() -> Detectors:
    """The box's own, with text looked for in the self-test alone."""
    return blind.without_text(bedside.loaded())


def run_case(case: VideoCase, data: str, settings: Anonymize | None = None) -> CaseResult:
    """One clip through the camera room, in its own time, as a replay."""
    result = CaseResult(case.number, case.identity)
    return bedside.judge(result, compositor(data).clip(case), _RULES, detectors(), settings)


def run_all(cases: Sequence[VideoCase], data: Path, jobs: int | None = None) -> Iterator[CaseResult]:
    """All cases, in order, with a line of progress now and then."""
    arguments = [(case, str(data)) for case in cases]
    return in_order(run_case, arguments, "video cases", jobs or os.cpu_count() or 1)


def raw_and_emitted(case: VideoCase, data: str, wanted: int) -> tuple[Pixels, Pixels | None]:
    """One frame of a case, raw, and as it left; None if it was held back. For the pictures."""
    return bedside.raw_and_emitted((p for p, _ in compositor(data).clip(case)), detectors(), wanted)
