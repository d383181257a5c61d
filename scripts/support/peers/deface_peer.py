"""deface 1.5.0: CenterFace on every frame, as it is; a frame without a find passes."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from support.peers import environment


class Deface:
    """deface's own detection and masking, over frames.

    Args:
        size: width and height at which it looks, or None for the frames' own, its default.
    """

    def __init__(self, size: tuple[int, int] | None = None) -> None:
        python = environment.ready("deface") / "python"
        worker = [str(python), str(Path(__file__).with_name("deface_worker.py"))]
        self._folder = TemporaryDirectory(prefix="deface-")
        self._process = subprocess.Popen(
            worker + ([f"{size[0]}x{size[1]}"] if size else []),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._folder.cleanup()

    def mask(self, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Frames (n, rows, columns, 3), RGB, as deface lets them out; faces filled with 0."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        path = Path(self._folder.name) / "frames.npy"
        np.save(path, frames)
        self._process.stdin.write(f"{path}\n")
        self._process.stdin.flush()
        for line in self._process.stdout:  # it says on which device it runs, too
            if line.strip() == "done":
                return np.asarray(np.load(path), np.uint8)
        raise RuntimeError("deface ended; see above")


def frames_per_second(video: Path, frames: int) -> float:
    """Of deface's own command with its defaults on a video of so many frames, its start not counted."""
    command = environment.ready("deface") / "deface"
    with TemporaryDirectory(prefix="deface-") as folder:
        started = time.monotonic()
        subprocess.run([str(command), "--help"], capture_output=True, check=True)
        start = time.monotonic() - started
        started = time.monotonic()
        out = ["--output", str(Path(folder) / "out.mp4")]
        subprocess.run([str(command), str(video), *out], capture_output=True, check=True)
        return frames / (time.monotonic() - started - start)
