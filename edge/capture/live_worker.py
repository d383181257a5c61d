"""A process that reads one live source: a camera or a video file.

Started by `edge.capture.live_source` as ``python -m edge.capture.live_worker FD PARENT OPTIONS``. It
reads only while the daemon is attached: nobody looks while nobody can anonymize.

Camera and video at their own pace: the newest frame wins. While the daemon holds all slots, one
frame waits; a newer one takes its place and the drop is counted. Video at fast pace: waits for a
slot, drops nothing.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import cbor2
import cv2

from edge.capture import link
from edge.capture.backoff import Backoff
from edge.capture.camera import Camera
from edge.capture.confine import confine_worker
from edge.capture.grabber import Grabbed, Grabber, SourceGone
from edge.capture.ring import RingWriter
from edge.capture.video import Video

_RING_BYTES = 96 << 20
_MIN_SLOTS, _MAX_SLOTS = 6, 32


@dataclass
class _Progress:
    state: str = "waiting"
    frames: int = 0
    dropped: int = 0
    last_ns: int | None = None


@dataclass
class LiveWorker:
    """Runs one grabber while attached. ``fast``: wait for a slot rather than drop."""

    end: link.Link
    grabber: Grabber
    fast: bool = False
    backoff: Backoff = field(default_factory=lambda: Backoff(0.25, 10.0))
    _attached: threading.Event = field(default_factory=threading.Event)
    _gone: threading.Event = field(default_factory=threading.Event)
    _turn: threading.Condition = field(default_factory=threading.Condition)
    """Guards ring, generation and the waiting frame; told when a slot comes back."""
    _ring: RingWriter | None = None
    generation: int = 0
    """Number of the last ring; each new one is greater, also across restarts of this process."""
    _pending: Grabbed | None = None
    _progress: _Progress = field(default_factory=_Progress)

    def run(self) -> None:
        """Serve until the other end is gone."""
        listener = threading.Thread(target=self._listen, name="listen", daemon=True)
        listener.start()
        try:
            while not self._gone.is_set():
                self._tell("waiting")
                while not self._attached.wait(0.5) and not self._gone.is_set():
                    self._tell("waiting")
                if not self._gone.is_set() and self._read_while_attached():
                    self._finish()
                    return
        except link.LinkClosed:
            return
        finally:
            self.grabber.close()

    def _read_while_attached(self) -> bool:
        """True when the source is at its end."""
        while self._attached.is_set() and not self._gone.is_set():
            try:
                self.grabber.open()
                if self._progress.state != "running":
                    self._tell("starting")
                ended = self._grab_all()
            except SourceGone as gone:
                self.grabber.close()
                self._tell("failed" if gone.for_good else "waiting")
                self._gone.wait(self.backoff.next())
                continue
            if ended:
                return True
        self.grabber.close()
        return False

    def _grab_all(self) -> bool:
        """Hand over frames until detached (False) or at the end (True)."""
        told = 0.0
        while self._attached.is_set() and not self._gone.is_set():
            grabbed = self.grabber.grab()
            if grabbed is None:
                return True
            self.backoff.reset()
            self._progress.frames += 1
            self._progress.dropped += grabbed.skipped
            self._progress.last_ns = time.monotonic_ns()
            self._offer(grabbed)
            if time.monotonic() - told > 0.25 or self._progress.state != "running":
                self._tell("running")
                told = time.monotonic()
        return False

    def _offer(self, grabbed: Grabbed) -> None:
        with self._turn:
            if self.fast:
                while self._attached.is_set() and not self._gone.is_set() and not self._hand_over(grabbed):
                    self._turn.wait(0.2)
                return
            if self._pending is not None:
                self._progress.dropped += 1
            self._pending = grabbed
            self._flush_locked()

    def _flush_locked(self) -> None:
        """Send the waiting frame if a slot is free. Needs the turn."""
        if self._pending is not None and self._attached.is_set() and self._hand_over(self._pending):
            self._pending = None

    def _hand_over(self, grabbed: Grabbed) -> bool:
        """Copy a frame into a free slot and send word of it. Needs the turn."""
        ring = self._ring_for(grabbed)
        slot = ring.take()
        if slot is None:
            return False
        # BGR to RGB straight into the slot: the one pass over the pixels in this process.
        view = ring.view(slot, grabbed.bgr.shape)
        if grabbed.bgr.ndim == 3:
            cv2.cvtColor(grabbed.bgr, cv2.COLOR_BGR2RGB, dst=view)
        else:
            view[:] = grabbed.bgr
        self.end.send({
            "t": "frame", "g": ring.generation, "slot": slot, "shape": list(grabbed.bgr.shape),
            "i": grabbed.index, "ns": grabbed.captured_ns, "ms": grabbed.captured_ms,
        })  # fmt: skip
        return True

    def _ring_for(self, grabbed: Grabbed) -> RingWriter:
        """The current ring; a new one after attachment or when frames grew."""
        ring = self._ring
        if ring is not None and ring.generation == self.generation and grabbed.bgr.nbytes <= ring.slot_bytes:
            return ring
        if ring is not None:
            ring.close()
            self.generation += 1
        slots = min(_MAX_SLOTS, max(_MIN_SLOTS, _RING_BYTES // grabbed.bgr.nbytes))
        ring = self._ring = RingWriter(self.generation, slots, grabbed.bgr.nbytes)
        self.end.send({"t": "ring", "g": ring.generation, "slots": slots, "size": ring.slot_bytes}, ring.fd)
        return ring

    def _listen(self) -> None:
        try:
            while True:
                message, fd = self.end.receive()
                if fd is not None:
                    os.close(fd)
                self._on(message)
        except link.LinkClosed:
            self._gone.set()
            self._attached.set()  # wake who waits

    def _on(self, message: link.Message) -> None:
        if message["t"] == "release":
            with self._turn:
                if self._ring is not None and message.get("g") == self._ring.generation:
                    self._ring.give_back(int(message["slot"]))
                    self._flush_locked()
                    self._turn.notify()
        elif message["t"] == "attach":
            with self._turn:
                # A new ring: the frames of the old one may still be in use there.
                self.generation += 1
                self._pending = None
            self._attached.set()
        elif message["t"] == "detach":
            self._attached.clear()

    def _tell(self, state: str) -> None:
        self._progress.state = state
        progress = self._progress
        self.end.send({"t": "progress", "state": state, "frames": progress.frames,
                       "dropped": progress.dropped, "last_ns": progress.last_ns})  # fmt: skip

    def _finish(self) -> None:
        """The last frame waits for its slot; then the state is final."""
        until = time.monotonic() + 10
        while self._pending is not None and self._attached.is_set() and time.monotonic() < until:
            if self._gone.wait(0.02):
                return
        self._tell("finished")
        while not self._gone.wait(0.5):
            pass


def make_grabber(options: dict[str, Any]) -> Grabber:
    """The grabber that a source's settings ask for."""
    if options["kind"] == "camera":
        return Camera(
            options["path"], options["width"], options["height"], options["rate"], options["max_pixels"]
        )
    return Video(
        options["path"],
        real_time=options["pace"] == "real",
        loop=options["loop"],
        max_pixels=options["max_pixels"],
    )


def main(make: Callable[[dict[str, Any]], Grabber] = make_grabber) -> int:
    """Arguments: descriptor of the socket, parent's process id, options as hexadecimal CBOR."""
    fd, parent, options = int(sys.argv[1]), int(sys.argv[2]), cbor2.loads(bytes.fromhex(sys.argv[3]))
    confine_worker(parent, options["memory"], 1 << 40)
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 1)
    os.dup2(sink, 2)  # native decoders write there, file names included
    cv2.setNumThreads(1)
    fast = options["kind"] == "video" and options["pace"] == "fast"
    LiveWorker(
        link.Link(socket.socket(fileno=fd)), make(options), fast, generation=options["generation"]
    ).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
