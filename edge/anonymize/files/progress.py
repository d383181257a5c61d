"""How far a run is: one line that is written over on a terminal, one line now and then elsewhere."""

from __future__ import annotations

import shutil
import sys
import time
from typing import TextIO

_TERMINAL_SECONDS, _LOG_SECONDS = 0.2, 10.0
_WINDOW_SECONDS = 60.0
"""The time left is told from the files of so long."""


class Progress:
    """Tells how many of ``total`` files are done.

    Args:
        total: files to do.
        stream: where to tell it.
    """

    def __init__(self, total: int, stream: TextIO | None = None) -> None:
        self._total = total
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty()
        self._shown = 0.0
        self._times = [(time.monotonic(), 0)]

    def show(self, done: int, held: int) -> None:
        """Say it, if it was not said just now."""
        now = time.monotonic()
        if done < self._total and now - self._shown < (_TERMINAL_SECONDS if self._live else _LOG_SECONDS):
            return
        self._shown = now
        self._times.append((now, done))
        while len(self._times) > 2 and now - self._times[0][0] > _WINDOW_SECONDS:
            self._times.pop(0)
        since, before = self._times[0]
        text = line(done, self._total, held, (done - before) / max(now - since, 1e-9))
        if self._live:
            width = shutil.get_terminal_size().columns - 1
            self._stream.write(f"\r{text[:width]:<{width}}")
        else:
            self._stream.write(text + "\n")
        self._stream.flush()

    def end(self) -> None:
        """Leave the line."""
        if self._live:
            self._stream.write("\n")
            self._stream.flush()


def line(done: int, total: int, held: int, rate: float) -> str:
    """What is shown.

    Args:
        done: files done.
        total: files to do.
        held: of those done, how many have no whole copy.
        rate: files a second.
    """
    share = 100 * done // max(1, total)
    left = f", {_span((total - done) / rate)} left" if rate > 0 and done < total else ""
    return f"{done}/{total} files ({share} %), {held} held back, {rate:.1f} files/s{left}"


def _span(seconds: float) -> str:
    minutes = int(seconds) // 60
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes} min" if minutes else f"{int(seconds)} s"
