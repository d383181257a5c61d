"""Run the video cases through the box's own camera room, and judge what leaves."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import cv2

from edge.anonymize.camera.anonymizer import CameraAnonymizer
from edge.anonymize.detectors import Detectors, load_detectors
from edge.anonymize.gate import Held
from edge.anonymize.geometry import Box
from edge.imaging.frames import Acquisition, CleanFrame, Pixels, RawFrame
from edge.settings import Anonymize, Source
from support.leak import judge
from support.leak.clip import Compositor
from support.leak.parallel import in_order
from support.leak.rooms import rooms
from support.leak.video_cases import COLUMNS, RATE, ROWS, VideoCase
from trainer.detectors.faces import portraits

_SOURCE = Source(name="leak", kind="video", looks_at="scene", whole_scene=True)


class _NoText:
    """Finds the self-test's text and nothing else: a text mask must not hide a face that was missed."""

    def __init__(self, real: Any) -> None:
        self._real, self.name, self.sha256 = real, real.name, real.sha256

    def find(self, image: Pixels, within: list[Box] | None = None) -> list[Box]:
        return self._real.find(image, within) if max(image.shape) <= 320 else []

    def glance(self, image: Pixels, side: int) -> list[Box]:
        return self._real.glance(image, side) if max(image.shape) <= 320 else []


@dataclass
class CaseResult:
    """What became of a case. Shares are of bare pixels of the eyes-to-mouth box."""

    number: int
    identity: str
    worst: float = 0.0
    """Largest share uncovered in any frame that left."""
    worst_frame: int = -1
    control: float = 0.0
    """The same with anonymization off: how much of the box the raw frames show."""
    judged: int = 0
    """Faces in frames that left."""
    leaking: int = 0
    emitted: int = 0
    held: dict[str, int] = field(default_factory=dict)
    masked: float = 0.0
    """Mean masked share of the frames that left."""

    def add(self, frame: int, shares: Sequence[float]) -> None:
        """Count a frame that left, with how much of each of its faces is uncovered."""
        self.judged += len(shares)
        self.leaking += sum(share > judge.LEAK for share in shares)
        if shares and max(shares) > self.worst:
            self.worst, self.worst_frame = max(shares), frame


@cache
def compositor(data: str) -> Compositor:
    """Makes the clips of the bench's identities; ``data`` is EDGE_DATA."""
    cv2.setNumThreads(1)
    people = {each.name: each for each in portraits.load(Path(data) / "faces", "bench")}
    return Compositor(people, rooms(ROWS, COLUMNS))


@cache
def detectors() -> Detectors:
    """The box's own, with text looked for in the self-test alone."""
    found = load_detectors(Anonymize())
    if found.problems:
        raise SystemExit("; ".join(found.problems))
    return Detectors(found.faces, _NoText(found.text), found.second)


def run_case(case: VideoCase, data: str, settings: Anonymize | None = None) -> CaseResult:
    """One clip through the camera room, in its own time, as a replay."""
    camera = CameraAnonymizer(_SOURCE, settings or Anonymize(), detectors(), realtime=False)
    result = CaseResult(case.number, case.identity)
    truths, outcomes = {}, []
    for index, (pixels, truth) in enumerate(compositor(data).clip(case)):
        truths[index] = [each for each in truth if each.judged]
        seen = [judge.uncovered(pixels, each) for each in truths[index]]
        result.control = max([result.control, *seen])
        outcomes += camera.push(_raw(pixels, index))
    outcomes += camera.flush()
    camera.close()
    for item in outcomes:
        if isinstance(item, Held):
            result.held[item.reason] = result.held.get(item.reason, 0) + 1
            continue
        _judge(item, truths[item.index], result)
    result.masked /= max(1, result.emitted)
    return result


def _raw(pixels: Pixels, index: int) -> RawFrame:
    return RawFrame(pixels, "leak", index, int(index * 1e9 / RATE), 0, Acquisition())


def _judge(item: CleanFrame, truths: Sequence[Any], result: CaseResult) -> None:
    result.emitted += 1
    result.masked += item.receipt.masked_share
    result.add(item.index, [judge.uncovered(item.pixels, truth) for truth in truths])


def run_all(cases: Sequence[VideoCase], data: Path, jobs: int | None = None) -> Iterator[CaseResult]:
    """All cases, in order, with a line of progress now and then."""
    arguments = [(case, str(data)) for case in cases]
    return in_order(run_case, arguments, "video cases", jobs or os.cpu_count() or 1)


def leaked(result: CaseResult) -> bool:
    """Whether anything of the case left that should not."""
    return result.leaking > 0


def raw_and_emitted(case: VideoCase, data: str, wanted: int) -> tuple[Pixels, Pixels | None]:
    """One frame of a case, raw, and as it left; None if it was held back. For the pictures."""
    camera = CameraAnonymizer(_SOURCE, Anonymize(), detectors(), realtime=False)
    outcomes, kept = [], None
    for index, (pixels, _) in enumerate(compositor(data).clip(case)):
        kept = pixels if index == wanted else kept
        outcomes += camera.push(_raw(pixels, index))
    outcomes += camera.flush()
    camera.close()
    assert kept is not None
    clean = [item.pixels for item in outcomes if isinstance(item, CleanFrame) and item.index == wanted]
    return kept, clean[0] if clean else None
