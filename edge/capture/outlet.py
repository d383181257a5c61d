"""Where a source's frames wait for the daemon's next stage."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable

from edge.imaging.frames import RawFrame

log = logging.getLogger("edge.capture.client")


class Outlet:
    """One thread that calls ``on_frame`` for one source. A slow callee holds up no other source.

    Live frames: at most ``waiting`` wait, the oldest gives way and is counted in ``dropped``.
    Others: all wait; their number is bounded by the slots of their ring.
    """

    def __init__(self, name: str, on_frame: Callable[[RawFrame], None], waiting: int) -> None:
        self._on_frame, self._limit = on_frame, waiting
        self._frames: deque[RawFrame] = deque()
        self._more = threading.Condition()
        self._stopped = False
        self.dropped = 0
        self._thread = threading.Thread(target=self._run, name=f"frames-{name}", daemon=True)
        self._thread.start()

    def put(self, frame: RawFrame, *, live: bool) -> None:
        """Hand over a frame; never waits."""
        stale = []
        with self._more:
            self._frames.append(frame)
            while live and len(self._frames) > self._limit:
                stale.append(self._frames.popleft())
            self.dropped += len(stale)
            self._more.notify()
        for old in stale:
            _release(old)

    def stop(self) -> None:
        """End the thread; frames that wait are released."""
        with self._more:
            self._stopped = True
            left, self._frames = list(self._frames), deque()
            self._more.notify()
        for frame in left:
            _release(frame)
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout=5)

    def _run(self) -> None:
        while True:
            with self._more:
                self._more.wait_for(lambda: self._frames or self._stopped)
                if self._stopped:
                    return
                frame = self._frames.popleft()
            try:
                self._on_frame(frame)
            except Exception as error:  # noqa: BLE001  it must be seen, but must not silence the source
                log.error("a frame was lost by the stage that takes frames: %s", type(error).__name__)
                _release(frame)


def _release(frame: RawFrame) -> None:
    if frame.release is not None:
        frame.release()
