"""Real videos of EDGE_DATA/faces through the camera room: signers before a camera, heads that turn and tilt.

Where the eyes-to-mouth boxes are stands in real_faces.csv, every fifth or eighth frame; between them the
boxes move in a line. They were drafted by CenterFace, which is not the camera's detector, and every one was
looked at. A second head in the background of some clips, seen from behind, is not judged.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from edge.anonymize.detectors import Detectors
from edge.anonymize.gate import Held
from edge.imaging.frames import Pixels
from support.leak import bedside, judge

_TABLE = Path(__file__).with_name("real_faces.csv")
Boxes = dict[int, tuple[float, float, float, float]]


@dataclass
class VideoResult:
    """What became of one video. ``shown``: faces in frames that left; ``leaking``: of them uncovered."""

    name: str
    height: float
    """Of the smallest eyes-to-mouth box, in pixels."""
    frames: int = 0
    emitted: int = 0
    shown: int = 0
    leaking: int = 0
    worst: float = 0.0
    masked: float = 0.0
    held: dict[str, int] = field(default_factory=dict)


def paths() -> dict[str, list[Boxes]]:
    """For each video the box of each person, by frame number."""
    found: dict[str, dict[int, Boxes]] = {}
    with _TABLE.open(encoding="ascii", newline="") as table:
        for row in csv.DictReader(table):
            box = tuple(float(row[side]) for side in ("left", "top", "right", "bottom"))
            found.setdefault(row["file"], {}).setdefault(int(row["person"]), {})[int(row["frame"])] = box  # type: ignore[assignment]
    return {name: list(people.values()) for name, people in found.items()}


def at(path: Boxes, frame: int) -> tuple[float, ...]:
    """The box in any frame of a video: in a line between those that are known, still before and after."""
    known = sorted(path)
    return tuple(float(np.interp(frame, known, [path[n][side] for n in known])) for side in range(4))


def run(folder: Path, detectors: Detectors) -> Iterator[VideoResult]:
    """Every video, as a replay. ``folder``: EDGE_DATA/faces/files."""
    for name, people in paths().items():
        smallest = min(box[3] - box[1] for path in people for box in path.values())
        result = VideoResult(name, smallest)
        frames, rate = _read(folder / name)
        result.frames = len(frames)
        for item in bedside.outcomes(frames, detectors, rate=rate):
            if isinstance(item, Held):
                result.held[item.reason] = result.held.get(item.reason, 0) + 1
                continue
            result.emitted += 1
            result.masked += item.receipt.masked_share
            _judge(item.pixels, [at(path, item.index) for path in people], result)
        result.masked /= max(1, result.emitted)
        yield result


def _judge(pixels: Pixels, boxes: list[tuple[float, ...]], result: VideoResult) -> None:
    for left, top, right, bottom in boxes:
        part = pixels[max(0, round(top)) : round(bottom), max(0, round(left)) : round(right)]
        share = float((part != 0).any(axis=2).mean())
        result.shown += 1
        result.leaking += share > judge.LEAK
        result.worst = max(result.worst, share)


def _read(path: Path) -> tuple[list[Pixels], float]:
    video = cv2.VideoCapture(str(path))
    if not video.isOpened():
        raise SystemExit(f"{path}: cannot be read as a video")
    frames = []
    while True:
        read, frame = video.read()
        if not read:
            break
        # At least 1 everywhere, so that a pixel of 0 in what leaves was filled.
        frames.append(np.maximum(np.ascontiguousarray(frame[:, :, ::-1]), 1))
    return frames, float(video.get(cv2.CAP_PROP_FPS))


def markdown(results: list[VideoResult]) -> str:
    """A row a video."""
    head = ["real video", "eyes to mouth", "frames", "left", "faces uncovered", "worst", "masked"]
    lines = [head, ["---"] * len(head)]
    lines += [
        [
            r.name, f"{r.height:.0f} px", str(r.frames), str(r.emitted), f"{r.leaking} of {r.shown}",
            f"{r.worst:.0%}", f"{r.masked:.1%}",
        ]
        for r in results
    ]  # fmt: skip
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
