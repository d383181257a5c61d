"""Sample frames from stills and videos that a technician chose."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np

from edge.imaging import still
from edge.imaging.decoded import DecodeLimits, Undecodable
from edge.imaging.frames import Pixels

MOST = 24
"""Frames that are used; of more, as many evenly spread."""


class SampleError(Exception):
    """A sample cannot be read; the message names it by its number, from 1."""


def read(paths: Iterable[Path], most: int = MOST) -> list[Pixels]:
    """Frames of PNG, JPEG and video files, at most ``most`` evenly spread over each video and over all.

    Raises:
        SampleError: a file is neither, or holds no frame.
        OSError: a file cannot be read.
    """
    frames: list[Pixels] = []
    for number, path in enumerate(paths, 1):
        with path.open("rb") as file:
            is_still = still.looks_like_still(file.read(16))
        try:
            found = still.decode(path.read_bytes(), DecodeLimits()).frames if is_still else _video(path, most)
        except Undecodable as error:
            raise SampleError(f"sample {number} is {error.reason.replace('_', ' ')}") from None
        if not found:
            raise SampleError(f"sample {number} is no PNG, JPEG or video")
        frames += found
    return [frames[i] for i in _spread(len(frames), most)]


def _spread(count: int, most: int) -> list[int]:
    return sorted({round(i) for i in np.linspace(0, count - 1, min(count, most))}) if count else []


def _video(path: Path, most: int) -> list[Pixels]:
    """Every n-th frame; n doubles whenever there are too many, since a file's own count may be wrong."""
    kept: list[Pixels] = []
    every = 1
    for index, frame in enumerate(_frames(path)):
        if index % every == 0:
            kept.append(frame)
        if len(kept) > 2 * most:
            kept, every = kept[::2], 2 * every
    return [kept[i] for i in _spread(len(kept), most)]


def _frames(path: Path) -> Iterator[Pixels]:
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    limits = DecodeLimits()
    try:
        while True:
            good, bgr = capture.read()
            if not good or bgr is None:
                return
            if bgr.shape[0] * bgr.shape[1] > limits.max_pixels:
                raise Undecodable("too_large")
            yield np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)
    finally:
        capture.release()
