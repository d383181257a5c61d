"""One video to its anonymized copy: each frame by the camera's rules; sound and metadata go."""

from __future__ import annotations

import errno
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edge.anonymize.camera.anonymizer import CameraAnonymizer
from edge.anonymize.detectors import Detectors
from edge.anonymize.files.report import FileHeld, FileReport
from edge.anonymize.files.staged import OutputFailed
from edge.anonymize.gate import Held
from edge.imaging.frames import Acquisition, CleanFrame, Pixels, RawFrame
from edge.settings import Anonymize, Source

_LITTLE_ROOM = 1 << 20
"""Bytes; with less left, the disk is taken to be full."""


def anonymize(
    original: str,
    copy: Path,
    report: FileReport,
    source: Source,
    settings: Anonymize,
    detectors: Detectors,
    beat: Callable[[], None],
) -> None:
    """Write ``copy`` and fill in ``report``; frames that may not leave are left out and counted.

    Args:
        original: path for OpenCV.
        copy: path of the copy, ending in .mp4.
        report: counts of frames, faces and texts are set.
        source: how the video is looked at; its keep-region.
        settings: the section ``[anonymize]``.
        detectors: what looks.
        beat: called after each frame, to show that work goes on.

    Raises:
        FileHeld: no frame could be written.
        OutputFailed: the file system took less than was written.
    """
    with ExitStack() as stack:
        reader = cv2.VideoCapture(original)
        stack.callback(reader.release)
        rate = reader.get(cv2.CAP_PROP_FPS) or 25.0
        camera = CameraAnonymizer(source, settings, detectors, realtime=False)
        stack.callback(camera.close)
        writer = _Writer(copy, rate)
        stack.callback(writer.release)
        held: Counter[str] = Counter()
        masked = 0.0
        for item in _cleaned(reader, camera, rate):
            beat()
            if isinstance(item, Held):
                held[item.reason] += 1
                continue
            writer.write(item.pixels)
            report.frames += 1
            report.faces = max(report.faces, item.receipt.faces)
            report.texts = max(report.texts, item.receipt.texts)
            masked += item.receipt.masked_share
    report.frames_held = dict(held)
    report.masked_share = masked / max(1, report.frames)
    if report.frames == 0:
        raise FileHeld(held.most_common(1)[0][0] if held else "unreadable")
    _check_whole(copy, report.frames, beat)


def _cleaned(reader: Any, camera: CameraAnonymizer, rate: float) -> Iterator[CleanFrame | Held]:
    index = 0
    while True:
        more, frame = reader.read()
        if not more:
            break
        image: Pixels = np.asarray(frame[:, :, ::-1], np.uint8)
        raw = RawFrame(image, "file", index, int(index * 1e9 / rate), 0, Acquisition())
        yield from camera.push(raw)
        index += 1
    yield from camera.flush()


class _Writer:
    """A video of frames of the size of the first; OpenCV says nothing of its own if it cannot write."""

    def __init__(self, path: Path, rate: float) -> None:
        self._path, self._rate = path, rate
        self._writer: Any = None

    def write(self, pixels: Pixels) -> None:
        if self._writer is None:
            rows, columns = pixels.shape[:2]
            code = cv2.VideoWriter.fourcc(*"mp4v")
            self._writer = cv2.VideoWriter(str(self._path), code, self._rate, (columns, rows))
            if not self._writer.isOpened():
                raise FileHeld("cannot_write_video")
        self._writer.write(np.ascontiguousarray(pixels[:, :, ::-1]))

    def release(self) -> None:
        if self._writer is not None:
            self._writer.release()


def _check_whole(copy: Path, frames: int, beat: Callable[[], None]) -> None:
    """Count the frames of what was written: OpenCV does not say that the disk was full."""
    reader = cv2.VideoCapture(str(copy))
    found = 0
    while reader.grab():
        found += 1
        beat()
    reader.release()
    if found != frames:
        room = os.statvfs(copy.parent)
        if room.f_bavail * room.f_frsize < _LITTLE_ROOM:
            raise OutputFailed(errno.ENOSPC)
        raise FileHeld("cannot_write_video")
