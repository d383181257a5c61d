"""Run the text cases through `edge anonymize`'s own code, and through presidio, and judge what leaves."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.anonymize.detectors import Detectors, load_detectors
from edge.anonymize.files.one_file import FileAnonymizer, How
from edge.anonymize.files.report import FileReport
from edge.anonymize.headers.options import Options
from edge.anonymize.text.evidence import Trust
from edge.settings import Anonymize, Source
from support.leak import canvas, fonts, judge, objects, screens, sources, words
from support.leak.outcome import FileResult, Outcome
from support.leak.parallel import in_order
from support.leak.text_cases import CONTRASTS, TextCase
from support.peers.presidio_peer import Peer

_MARKER = 0.5
"""A marker of whose ink less is left is lost."""
TRUSTED = "detectors alone"
"""Ours, were every script trusted: the proof of a script is made of it."""
_MANY = 20
"""Up to this size of font, in pixels, a label has four lines; larger ones have two."""


@dataclass(frozen=True)
class Plan:
    """Where everything is; the same for all cases."""

    data: str
    presidio: str | None
    """The interpreter of its environment; None where it cannot run."""


@dataclass(frozen=True, repr=False)
class Drawn:
    """A case as a file, with its truth."""

    screen: canvas.Screen
    data: bytes
    suffix: str


class _Blind(Trust):
    """Trust in whatever may be written there."""

    def covers(self, written: Iterable[str] = ()) -> bool:  # noqa: ARG002
        return True


@cache
def detectors() -> Detectors:
    """Ours, of one thread.

    Raises:
        SystemExit: one cannot be loaded.
    """
    cv2.setNumThreads(1)
    found = load_detectors(Anonymize())
    if found.problems:
        raise SystemExit("; ".join(found.problems))
    return found


@cache
def anonymizer(script: str, *, trusted: bool = False) -> FileAnonymizer:
    """Ours, as ``edge anonymize --script SCRIPT`` sets it up; or with a detector that is trusted with all."""
    source = Source(name="leak", looks_at="scene")
    how = How(bytes(range(32)), Anonymize(scripts=(script,)), Options(), source, most_bytes=1 << 30)
    return FileAnonymizer(how, detectors(), lambda: None, _Blind((), frozenset()) if trusted else None)


@cache
def _peer(presidio: str) -> Peer:
    return Peer(Path(presidio))


def draw(case: TextCase, data: Path) -> Drawn:
    """The object of a case."""
    rng = np.random.default_rng(case.seed)
    faces = fonts.FONTS[case.script][case.font]
    face = faces[int(rng.integers(len(faces)))]
    style = canvas.Style(
        lambda size: fonts.opened(face, size), case.size, CONTRASTS[case.contrast], case.strokes == "smooth"
    )
    layout = screens.LAYOUTS[case.layout]
    page = canvas.Canvas(layout.rows, layout.columns, style, rng)
    person = words.patient(case.script, rng)
    lines = person.lines(rng, 4 if case.size <= _MANY else 2)
    screen = layout.draw(page, sources.image(data, case.source), lines)
    file = objects.encoded(screen, layout, person, case.number)
    return Drawn(screen, file, ".dcm" if layout.modality else ".png")


def judged(emitted: NDArray[np.generic], original: NDArray[np.generic], screen: canvas.Screen) -> Outcome:
    """What left, held against the truth. Both frames hold stored values of one shape."""
    found = Outcome()
    if emitted.shape != original.shape:
        raise ValueError(f"a frame of another shape left: {emitted.shape} for {original.shape}")
    found.worst = max(judge.legible(judge.bare(emitted, original, ink), ink) for ink in screen.lines)
    found.leaking = found.worst > judge.READABLE
    if screen.marker is not None:
        kept = judge.bare(emitted, original, screen.marker)
        found.marker_lost = bool(kept.mean() < _MARKER)
    return found


def run_case(case: TextCase, plan: Plan) -> FileResult:
    """One object, by every tool."""
    drawn = draw(case, Path(plan.data))
    original = objects.stored(drawn.data)
    result = FileResult(case.number, case.source, judged(original, original, drawn.screen).leaking)
    found = result.outcomes["edge"] = _timed(anonymizer(case.script), drawn, original)
    alone = found.held == "unproved_script"
    result.outcomes[TRUSTED] = (
        _timed(anonymizer(case.script, trusted=True), drawn, original) if alone else replace(found)
    )
    redacted = _peer(plan.presidio).redact(drawn.data, drawn.suffix) if plan.presidio else {}
    for name, found in redacted.items():
        if "held" in found:
            result.outcomes[name] = Outcome(held=found["held"])
            continue
        outcome = judged(found["pixels"], original, drawn.screen)
        outcome.masked, outcome.seconds = found["masked"], found["seconds"]
        result.outcomes[name] = outcome
    return result


def anonymized(ours: FileAnonymizer, data: bytes, suffix: str) -> tuple[FileReport, bytes | None]:
    """Our report on a file, and the bytes of the copy if one was written."""
    with tempfile.TemporaryDirectory(prefix="edge-leak-") as folder:
        path, copy = Path(folder) / f"original{suffix}", Path(folder) / "copy"
        path.write_bytes(data)
        report = ours.run(path, 1, copy)
        return report, copy.read_bytes() if report.output is not None else None


def _timed(ours: FileAnonymizer, drawn: Drawn, original: NDArray[np.generic]) -> Outcome:
    started = time.process_time()
    report, emitted = anonymized(ours, drawn.data, drawn.suffix)
    spent = time.process_time() - started
    return replace(_ours(report, emitted, original, drawn.screen), seconds=spent)


def _ours(
    report: FileReport, emitted: bytes | None, original: NDArray[np.generic], screen: canvas.Screen
) -> Outcome:
    if emitted is None:
        return Outcome(held=report.reason or report.outcome)
    outcome = judged(objects.stored(emitted), original, screen)
    outcome.masked = report.masked_share
    return outcome


def run_all(cases: Sequence[TextCase], plan: Plan, jobs: int | None = None) -> Iterator[FileResult]:
    """All cases, in order, with a line of progress now and then."""
    return in_order(run_case, [(case, plan) for case in cases], "text cases", jobs or os.cpu_count() or 1)


def raw_and_emitted(case: TextCase, data: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    """A case as it came, and as the detectors would let it leave, (rows, columns, 3); None if it was held."""
    drawn = draw(case, Path(data))
    _, emitted = anonymized(anonymizer(case.script, trusted=True), drawn.data, drawn.suffix)
    raw = objects.shown(objects.stored(drawn.data))
    return raw, None if emitted is None else objects.shown(objects.stored(emitted))
