"""A capture process as it runs on the box, in a directory of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pydicom
import pytest

from edge.capture.client import CaptureClient
from edge.imaging.frames import RawFrame
from edge.messages import SourceHealth
from edge.store.inbox import InboxReader
from edge.store.inbox_crypto import load_private, make_disk_key

FILES = Path(pydicom.__file__).parent / "data" / "test_files"


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def eventually(condition: Callable[[], object], seconds: float = 20.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.02)


def make_video(path: Path, frames: int, size: tuple[int, int] = (320, 240), rate: float = 30.0) -> None:
    """Frame n shows blue in its left half, and n as brightness in its right half."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), rate, size)
    assert writer.isOpened()
    for number in range(frames):
        frame = np.zeros((size[1], size[0], 3), np.uint8)
        frame[:, : size[0] // 2] = (255, 0, 0)  # BGR
        frame[:, size[0] // 2 :] = 40 + number * 2
        writer.write(frame)
    writer.release()


class Box:
    """Starts, kills and asks a capture process."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.state, self.runtime = root / "state", root / "run"
        self.state.mkdir()
        make_disk_key(self.state)
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.client: CaptureClient | None = None
        self.frames: list[RawFrame] = []
        self.sources: dict[str, SourceHealth] = {}
        self.inbox_notices = 0
        self.on_frame: Callable[[RawFrame], None] = self._keep_and_release
        self.log = root / "log"

    def _keep_and_release(self, frame: RawFrame) -> None:
        self.frames.append(frame)
        assert frame.release is not None
        frame.release()

    def settings(self, more: str = "", dicom: str = "", decode: str = "", inbox: str = "") -> Path:
        path = self.root / "edge.toml"
        path.write_text(
            f'[box]\nstate = "{self.state}"\nruntime = "{self.runtime}"\n'
            f"[dicom]\nport = {self.port}\n{dicom}\n[decode]\n{decode}\n"
            f'[inbox]\nmin_free = "1 MiB"\n{inbox}\n{more}\n'
        )
        return path

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "edge.capture_process", "--settings", self.root / "edge.toml"],
                stderr=log,
            )

    def connect(self) -> CaptureClient:
        self.client = CaptureClient(
            self.runtime / "capture.sock",
            self._on_frame,
            self._on_sources,
            self._on_inbox,
        )
        self.client.start()
        assert self.client.wait_connected(20), self.log.read_text()
        return self.client

    def _on_frame(self, frame: RawFrame) -> None:
        self.on_frame(frame)

    def _on_sources(self, sources: list[SourceHealth]) -> None:
        self.sources = {source.name: source for source in sources}

    def _on_inbox(self) -> None:
        self.inbox_notices += 1

    def state_of(self, name: str) -> str:
        return self.sources[name].state if name in self.sources else ""

    def listens(self) -> bool:
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def children(self) -> list[int]:
        assert self.process is not None
        tasks = Path(f"/proc/{self.process.pid}/task")
        return [int(pid) for task in tasks.iterdir() for pid in (task / "children").read_text().split()]

    def inbox(self) -> InboxReader:
        return InboxReader(self.state / "inbox", load_private(self.state / "keys" / "disk.key"))

    def close(self) -> None:
        if self.client is not None:
            self.client.stop()
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def box(tmp_path) -> Iterator[Box]:
    made = Box(tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> Iterator[Box]:
    """One box for the tests of a module that leave it as they found it."""
    made = Box(tmp_path_factory.mktemp("box"))
    yield made
    made.close()


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
