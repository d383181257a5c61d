"""Clips through the box's own camera room, in their own time, as a replay, and what is left uncovered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import cv2

from edge.anonymize.camera.anonymizer import CameraAnonymizer
from edge.anonymize.detectors import Detectors, load_detectors
from edge.anonymize.gate import Held
from edge.imaging.frames import Acquisition, CleanFrame, Pixels, RawFrame
from edge.settings import Anonymize, Source
from support.leak.outcome import CaseResult
from support.leak.video_cases import RATE

Truth = TypeVar("Truth")


@dataclass(frozen=True)
class Rules(Generic[Truth]):
    """How what was planted is judged, in frames (rows, columns, 3)."""

    uncovered: Callable[[Pixels, Truth], float]
    """Which share of it a frame shows."""
    most: float
    """The share that may be uncovered."""
    in_sight: Callable[[Pixels, Truth], bool]
    """Whether the raw frame shows enough of it to judge."""
    away: Callable[[Pixels, Sequence[Truth]], float] | None = None
    """Masked share of what of a frame is nothing of it, nor near."""


def loaded() -> Detectors:
    """The box's own.

    Raises:
        SystemExit: a detector cannot be loaded.
    """
    cv2.setNumThreads(1)
    found = load_detectors(Anonymize())
    if found.problems:
        raise SystemExit("; ".join(found.problems))
    return found


def outcomes(
    frames: Iterable[Pixels], detectors: Detectors, settings: Anonymize | None = None, rate: float = RATE
) -> Iterator[CleanFrame | Held]:
    """What becomes of each frame of a whole scene; ``rate`` in frames a second."""
    source = Source(name="leak", kind="video", looks_at="scene", whole_scene=True, rate=rate)
    camera = CameraAnonymizer(source, settings or Anonymize(), detectors, realtime=False)
    try:
        for index, pixels in enumerate(frames):
            yield from camera.push(RawFrame(pixels, "leak", index, int(index * 1e9 / rate), 0, Acquisition()))
        yield from camera.flush()
    finally:
        camera.close()


def judge(
    result: CaseResult,
    clip: Iterable[tuple[Pixels, list[Truth]]],
    rules: Rules[Truth],
    detectors: Detectors,
    settings: Anonymize | None = None,
) -> CaseResult:
    """Run a clip, and write into ``result`` what became of it."""
    planted: dict[int, tuple[list[Truth], list[Truth]]] = {}

    def frames() -> Iterator[Pixels]:
        for index, (pixels, truths) in enumerate(clip):
            shown = [each for each in truths if rules.in_sight(pixels, each)]
            planted[index] = truths, shown
            result.control = max([result.control, *(rules.uncovered(pixels, each) for each in shown)])
            yield pixels

    for item in outcomes(frames(), detectors, settings):
        truths, shown = planted.pop(item.index)
        if isinstance(item, Held):
            result.held[item.reason] = result.held.get(item.reason, 0) + 1
            continue
        result.add(item.index, [rules.uncovered(item.pixels, each) for each in shown], rules.most)
        result.masked += (item.receipt.masked_share - result.masked) / result.emitted
        if rules.away is not None:
            before = result.away or 0.0
            result.away = before + (rules.away(item.pixels, truths) - before) / result.emitted
    return result


def raw_and_emitted(
    frames: Iterable[Pixels], detectors: Detectors, wanted: int
) -> tuple[Pixels, Pixels | None]:
    """One frame, raw, and as it left; None if it was held back. For the pictures."""
    clip = list(frames)
    left = (item for item in outcomes(clip, detectors) if item.index == wanted)
    return clip[wanted], next((item.pixels for item in left if isinstance(item, CleanFrame)), None)
