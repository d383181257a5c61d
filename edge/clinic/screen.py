"""The live table on a terminal."""

from __future__ import annotations

import time

from rich.console import Console
from rich.live import Live

from edge.clinic.examine import AnyBody
from edge.clinic.receive import Observer, Tally
from edge.clinic.table import render
from edge.clinic.view import View
from edge.messages import Body, DeviceState

_EVERY_S = 0.25


class Screen(Observer):
    """Shows the live table. A context manager."""

    def __init__(self, view: View, site: str, console: Console | None = None) -> None:
        """Show ``view``, which may know earlier results already."""
        self._view, self._site = view, site
        self._console = console or Console()
        self._live = Live(console=self._console, auto_refresh=False, screen=False, transient=False)
        self._drawn = 0.0

    def __enter__(self) -> Screen:  # noqa: PYI034 - Self is not in Python 3.10
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def result(self, body: Body | AnyBody, arrived_ms: int) -> None:
        """A new body."""
        self._view.result(body, arrived_ms)

    def state(self, state: DeviceState) -> None:
        """A box's state."""
        self._view.state(state)

    def turn(self, tally: Tally) -> None:
        """Draw, at most four times a second."""
        now = time.monotonic()
        if now - self._drawn < _EVERY_S:
            return
        self._drawn = now
        width, height = self._console.size
        now_ms = time.time_ns() // 1_000_000
        self._live.update(
            render(self._view, tally, site=self._site, now_ms=now_ms, width=width, height=height),
            refresh=True,
        )
