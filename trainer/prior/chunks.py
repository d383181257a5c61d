"""Procedural images on disk, a thousand to a file, so that pretraining reads instead of drawing again.

Each file depends on the seed and its own number alone: how many processes drew, and where a run was
broken off, makes no difference.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from trainer.phantoms import procedural
from trainer.phantoms.drawing import PART_SIDE, PARTS, SIDE
from trainer.progress import progress

CHUNK = 1000
VERSION = 5
"""Counted up when a generator changes: files of another version are drawn again."""


@dataclass(frozen=True)
class Chunk:
    """``images`` (N, 224, 224), ``labels`` (N, tasks), -1 for none, ``parts`` (N, parts, 28, 28)."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int8]
    parts: NDArray[np.uint8]


def draw(style: str, seed: int, number: int, count: int = CHUNK) -> Chunk:
    """The images of one chunk, of one of `procedural.STYLES`."""
    rng = np.random.default_rng((seed, number))
    names = list(procedural.TASKS)
    chunk = Chunk(
        np.zeros((count, SIDE, SIDE), np.uint8),
        np.full((count, len(names)), -1, np.int8),
        np.zeros((count, len(PARTS), PART_SIDE, PART_SIDE), np.uint8),
    )
    for row in range(count):
        image, labels, parts = procedural.sample(rng, style)
        chunk.images[row], chunk.parts[row] = image, parts
        for name, value in labels.items():
            chunk.labels[row, names.index(name)] = value
    return chunk


def _path(folder: Path, style: str, seed: int, number: int, count: int) -> Path:
    return folder / f"v{VERSION}-{style}-{seed}-{number:04d}-{count}.npz"


def _write(folder: Path, style: str, seed: int, number: int, count: int) -> None:
    cv2.setNumThreads(1)
    path = _path(folder, style, seed, number, count)
    chunk = draw(style, seed, number, count)
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        np.savez(file, images=chunk.images, labels=chunk.labels, parts=chunk.parts)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def _sizes(images: int) -> list[int]:
    return [min(CHUNK, images - start) for start in range(0, images, CHUNK)]


def to_draw(folder: Path, style: str, seed: int, images: int) -> int:
    """Bytes that `ensure` would write."""
    each = SIDE * SIDE + len(PARTS) * PART_SIDE * PART_SIDE + len(procedural.TASKS)
    sizes = enumerate(_sizes(images))
    return sum(each * n for number, n in sizes if not _path(folder, style, seed, number, n).is_file())


def ensure(folder: Path, style: str, seed: int, images: int) -> list[Path]:
    """Draw what is missing, on all cores, and return the files in order.

    Raises:
        OSError: the disk is full; what was drawn so far is kept and used by the next call.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sizes = _sizes(images)
    paths = [_path(folder, style, seed, number, size) for number, size in enumerate(sizes)]
    missing = [number for number, path in enumerate(paths) if not path.is_file()]
    if missing:
        # Threads of torch do not survive a fork.
        workers = ProcessPoolExecutor(os.cpu_count() or 1, mp_context=get_context("spawn"))
        with progress(f"drawing {style} phantoms", len(missing)) as advance, workers:
            jobs = [workers.submit(_write, folder, style, seed, number, sizes[number]) for number in missing]
            for job in as_completed(jobs):
                job.result()
                advance("")
    return paths


def load(path: Path) -> Chunk:
    """Read one file."""
    with np.load(path, allow_pickle=False) as arrays:
        return Chunk(arrays["images"], arrays["labels"], arrays["parts"])


def batches(chunk: Chunk, size: int, rng: np.random.Generator) -> Iterator[NDArray[np.intp]]:
    """Rows of a chunk in random batches; the last, short one is left out."""
    order = rng.permutation(len(chunk.images))
    for start in range(0, len(order) - size + 1, size):
        yield np.sort(order[start : start + size])
