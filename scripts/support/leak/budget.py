"""scripts/bench budget: what a look for faces costs and finds, by detector, width, rotations and interval.

Recall is measured on single frames of the tuning identities, so that the design may follow from it; the
identities of the leak cases stay unseen. Cost is the process's own CPU time, one thread.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from edge.anonymize import models
from edge.anonymize.faces.centerface import CenterFaceDetector
from edge.anonymize.faces.finder import FaceFinder
from edge.anonymize.faces.rotation_free import RotationFreeDetector
from edge.anonymize.faces.turned import ROTATIONS
from edge.anonymize.geometry import Box
from edge.imaging.frames import Pixels
from support.leak import page
from support.leak.clip import Compositor, Truth
from support.leak.grid import grid
from support.leak.rooms import rooms
from support.leak.video_cases import COLUMNS, HEIGHTS, RATE, ROWS, VideoCase, cases
from trainer.detectors.faces import portraits

INTERVALS = (1, 2, 3, 4, 6)
Frames = list[tuple[Pixels, list[Truth], VideoCase]]


@dataclass(frozen=True)
class Way:
    """One way to look."""

    name: str
    width: int
    rotations: int
    finder: FaceFinder
    frames: int
    """How many frames it is judged on; slow ones on fewer."""


def ways() -> list[Way]:
    """All that are compared."""
    own = RotationFreeDetector(models.load(models.ROTATION_FREE))
    weights = models.load(models.CENTERFACE)
    upright, turned = (CenterFaceDetector(weights, rotations=r) for r in ((0,), ROTATIONS))
    return [
        *(Way(own.name, width, 1, own, 600) for width in (320, 448, 640, 960, 1280)),
        *(
            Way("centerface", width, 1, upright, count)
            for width, count in ((320, 300), (640, 150), (1280, 60))
        ),
        *(Way("centerface", width, 4, turned, count) for width, count in ((320, 150), (640, 60))),
    ]


def frames(data: Path, count: int) -> Frames:
    """One frame of each of ``count`` cases, with the tuning identities."""
    people = {each.name: each for each in portraits.load(data / "faces", "tune")}
    compositor = Compositor(people, rooms(ROWS, COLUMNS))
    result: Frames = []
    for case in cases(tuple(people), seed=5):
        pixels, truths = next(compositor.clip(case))
        seen = [each for each in truths if each.judged]
        if seen:
            result.append((pixels, seen, case))
        if len(result) == count:
            break
    return result


def found(boxes: Sequence[Box], truth: Truth) -> bool:
    """Whether a find, grown by half as masks are, covers the box of eyes and mouth."""
    ys, xs = np.nonzero(truth.bare)
    ys, xs = ys + truth.top, xs + truth.left
    covered = np.zeros(ys.size, bool)
    for box in (each.grown(1.5) for each in boxes):
        covered |= (xs >= box.left) & (xs < box.right) & (ys >= box.top) & (ys < box.bottom)
    return bool(covered.mean() >= 0.9)


def measure(way: Way, on: Frames) -> dict[str, object]:
    """Cost of a look in ms, and recall by height of the face."""
    hits: dict[int, list[bool]] = {height: [] for height in HEIGHTS}
    extra, spent = 0, 0.0
    for pixels, truths, case in on[: way.frames]:
        started = time.process_time()
        boxes = way.finder.find(pixels, way.width)
        spent += time.process_time() - started
        for truth in truths:
            hits[case.size].append(found(boxes, truth))
        extra += max(0, len(boxes) - len(truths))
    return {
        "detector": way.name,
        "width": way.width,
        "rotations": way.rotations,
        "look_ms": round(1e3 * spent / min(way.frames, len(on)), 1),
        "recall": {height: round(float(np.mean(each)), 3) for height, each in hits.items() if each},
        "extra": round(extra / min(way.frames, len(on)), 2),
        "frames": min(way.frames, len(on)),
    }


def table(rows: Sequence[dict[str, object]]) -> str:
    """The budget as Markdown."""
    head = ["detector", "width", "passes", "a look", *(f"recall {h} px" for h in HEIGHTS), "false a frame",
            *(f"every {n}: cores, delay" for n in INTERVALS)]  # fmt: skip
    lines = []
    for row in rows:
        took = float(str(row["look_ms"])) / 1e3
        recall = row["recall"]
        assert isinstance(recall, dict)
        lines.append(
            [
                str(row["detector"]), str(row["width"]), str(row["rotations"]), f"{row['look_ms']} ms",
                *(f"{recall.get(h, float('nan')):.1%}" for h in HEIGHTS), str(row["extra"]),
                *(_rate(took, n) for n in INTERVALS),
            ]
        )  # fmt: skip
    return grid(head, lines)


def _rate(took: float, every: int) -> str:
    cores = took * RATE / every
    return f"{cores:.2f}, {1e3 * (every / RATE + took):.0f} ms" if cores < 1 else "too slow"


def main(data: Path, out: Path | None, say: Callable[[str], None] = print) -> int:
    """Measure all ways and print the table."""
    cv2.setNumThreads(1)
    compared = ways()
    on = frames(data, max(way.frames for way in compared))
    rows = []
    for way in compared:
        rows.append(measure(way, on))
        print(f"{way.name} {way.width} x{way.rotations}: {rows[-1]['look_ms']} ms", file=sys.stderr)
    say(table(rows))
    page.write("budget", table(rows))
    if out:
        out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return 0
