"""A thread that looks: one job at a time, and of the jobs that wait only the newest."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.anonymize.camera.track import Glimpse
from edge.anonymize.geometry import Box
from edge.imaging.frames import Pixels


@dataclass(frozen=True, repr=False)
class Job:
    """A small picture to look at, and the frame that it was made from."""

    image: Pixels
    at_ns: int
    shape: tuple[int, int]
    offset: tuple[float, float] = (0.0, 0.0)
    """Where the picture's corner lies in the frame, in pixels (x, y)."""
    scale: tuple[float, float] = (1.0, 1.0)
    """Pixels of the frame to one of the picture (x, y)."""
    scene: NDArray[np.float32] | None = None
    """Goes into the glimpse as it is."""
    frame: Pixels | None = None
    """The frame itself, where a closer look may be worth it; nobody writes into it."""

    def in_frame(self, box: Box) -> Box:
        """A box in pixels of the picture as one in pixels of the frame."""
        return box.scaled(*self.scale).shifted(*self.offset)

    def in_picture(self, box: Box) -> Box:
        """A box in pixels of the frame as one in pixels of the picture."""
        return box.shifted(-self.offset[0], -self.offset[1]).scaled(1 / self.scale[0], 1 / self.scale[1])


class Looker:
    """Turns jobs into glimpses, in a thread of its own or, if not ``threaded``, at once.

    Args:
        name: of the thread.
        look: what finds boxes in the pixels of a job's picture; whatever it raises is a failed look.
        threaded: whether `submit` returns before the look is done.
        keep: how many glimpses are kept.
    """

    def __init__(
        self, name: str, look: Callable[[Job], list[Box]], *, threaded: bool, keep: int = 24
    ) -> None:
        self._look = look
        self._keep = keep
        self._change = threading.Condition()
        self._glimpses: list[Glimpse] = []
        self._waiting: Job | None = None
        self._busy = False
        self._failed = False
        self._forgotten = 0
        self._stopped = False
        self._thread: threading.Thread | None = None
        if threaded:
            self._thread = threading.Thread(target=self._run, name=name, daemon=True)
            self._thread.start()

    def submit(self, job: Job) -> None:
        """Hand in a job. A job that still waits gives way to it."""
        if self._thread is None:
            self._do(job, self._forgotten)
            return
        with self._change:
            self._waiting = job
            self._change.notify_all()

    def state(self) -> tuple[list[Glimpse], bool]:
        """The glimpses so far, and whether the last look failed."""
        with self._change:
            return list(self._glimpses), self._failed

    def idle(self) -> bool:
        """Whether no job waits and none is under way."""
        with self._change:
            return self._waiting is None and not self._busy

    def forget(self) -> None:
        """Drop all glimpses, and the look under way: the frames that follow have nothing to do with them."""
        with self._change:
            self._forgotten += 1
            self._glimpses.clear()
            self._waiting = None

    def wait(self, seconds: float) -> None:
        """Wait until nothing waits and nothing runs, or the time is over."""
        with self._change:
            self._change.wait_for(lambda: self._waiting is None and not self._busy, timeout=seconds)

    def stop(self) -> None:
        """End the thread; a look under way is waited for, briefly."""
        with self._change:
            self._stopped = True
            self._change.notify_all()
        if self._thread is not None:
            self._thread.join(timeout=2.0)

    def _run(self) -> None:
        while True:
            with self._change:
                self._change.wait_for(lambda: self._waiting is not None or self._stopped)
                if self._stopped:
                    return
                job, self._waiting, self._busy = self._waiting, None, True
                forgotten = self._forgotten
            assert job is not None
            self._do(job, forgotten)

    def _do(self, job: Job, forgotten: int) -> None:
        glimpse: Glimpse | None = None
        try:
            boxes = self._look(job)
            glimpse = Glimpse(
                job.at_ns,
                job.shape,
                tuple(job.in_frame(box) for box in boxes),
                job.scene,
            )
        except Exception:  # noqa: BLE001  # whatever went wrong, no look was had: the frames are held back
            glimpse = None
        finally:
            with self._change:
                self._busy = False
                self._failed = glimpse is None
                if glimpse is not None and forgotten == self._forgotten:
                    self._glimpses = [*self._glimpses[-(self._keep - 1) :], glimpse]
                self._change.notify_all()
