"""The search for planted names, the same for the run and for its control.

It looks where a leak could be: bytes of decrypted payloads, of tapped frames, of the box's disk, log and
temporary files, and words that an OCR (tesseract, which the product does not use) reads in tapped frames.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import NamedTemporaryFile

import cv2
import numpy as np
from numpy.typing import NDArray

Look = tuple[NDArray[np.uint8], NDArray[np.uint8]]
"""Where bright lettering is read, and where dark lettering is."""

_OCR_SIDE = 1200
"""Longer side, in pixels, to which small frames are enlarged before the OCR."""
_WINDOW = 6
"""So many characters of a planted word in a row count as found: half a name is a name."""


def _forms(word: str) -> list[bytes]:
    """The byte forms in which a name may hide."""
    return [
        form
        for text in {word, word.lower(), word.title()}
        for form in (text.encode(), text.encode("utf-16-le"))
    ]


def in_bytes(files: Iterable[Path], words: Iterable[str]) -> set[str]:
    """Planted words found in the raw bytes of files."""
    forms = [(word, _forms(word)) for word in words]
    found: set[str] = set()
    for file in files:
        try:
            data = file.read_bytes()
        except OSError:  # sockets, and files that went away
            continue
        # mosquitto_sub prints payloads in hex.
        data += _hex_payloads(data) if file.name == "observer.log" else b""
        found |= {word for word, variants in forms if any(form in data for form in variants)}
    return found


def _hex_payloads(log: bytes) -> bytes:
    rows = (row.rpartition(b"\t")[2] for row in log.splitlines())
    return b"\n".join(bytes.fromhex(row.decode()) for row in rows if re.fullmatch(rb"(?:[0-9a-f]{2})+", row))


def files_below(*roots: Path) -> list[Path]:
    """Every regular file below the folders."""
    return [path for root in roots for path in sorted(root.rglob("*")) if path.is_file()]


def _strokes(pixels: NDArray[np.uint8], operation: int) -> NDArray[np.uint8]:
    """Thin strokes, black on white: what lettering is made of, and anatomy is not."""
    scale = max(1.0, _OCR_SIDE / max(pixels.shape))
    large = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (21, 21))
    strokes = cv2.morphologyEx(large, operation, kernel)
    return 255 - cv2.threshold(strokes, 70, 255, cv2.THRESH_BINARY)[1]


def _read_aloud(look: Look, scratch: Path) -> str:
    """What tesseract reads: bright lettering in the one image, dark lettering in the other."""
    text = ""
    for pixels, operation in zip(look, (cv2.MORPH_TOPHAT, cv2.MORPH_BLACKHAT), strict=True):
        with NamedTemporaryFile(suffix=".png", dir=scratch) as picture:
            cv2.imwrite(picture.name, _strokes(pixels, operation))
            result = subprocess.run(
                ["tesseract", picture.name, "-", "--psm", "11"],
                capture_output=True, check=True, env={**os.environ, "OMP_THREAD_LIMIT": "1"},
            )  # fmt: skip
        text += result.stdout.decode(errors="replace").upper() + "\n"
    return re.sub(r"[^A-Z0-9\n]", "", text)


def single(frame: Path) -> Look:
    """One tapped frame (.npy, uint8 gray) as it is."""
    pixels = np.load(frame)
    return pixels, pixels


def seconds_of(frames: list[Path], rate: int = 30) -> Iterator[Look]:
    """Every frame of a video, a second at a time: brightest and darkest value of each pixel.

    Bright lettering that stands in any one frame stands in the first, dark lettering in the second; so no
    frame is left out, at a thirtieth of the OCR's time.
    """
    for start in range(0, len(frames), rate):
        some = [np.load(frame) for frame in frames[start : start + rate]]
        shape = min(pixels.shape for pixels in some)
        same = np.stack([cv2.resize(pixels, shape[::-1]) for pixels in some])
        yield same.max(axis=0), same.min(axis=0)


def in_pixels(looks: Iterable[Look], words: Iterable[str], scratch: Path) -> set[str]:
    """Planted words that the OCR reads."""
    words = list(words)
    found: set[str] = set()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        texts = pool.map(lambda look: _read_aloud(look, scratch), looks)
    for text in texts:
        for word in words:
            windows = (word[i : i + _WINDOW] for i in range(max(1, len(word) - _WINDOW + 1)))
            if any(window in text for window in windows):
                found.add(word)
    return found


def faces_in(frames: Iterable[Path]) -> int:
    """Frames in which OpenCV's cascade, which the product does not use, sees an upright face."""
    cascade = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_default.xml")
    seen = 0
    for frame in frames:
        pixels = np.load(frame)
        seen += len(cascade.detectMultiScale(pixels, 1.1, 6, minSize=(48, 48))) > 0
    return seen


def spread(frames: list[Path], most: int) -> list[Path]:
    """At most so many frames, evenly spread."""
    if len(frames) <= most:
        return frames
    return [frames[round(i * (len(frames) - 1) / (most - 1))] for i in range(most)]
