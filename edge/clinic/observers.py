"""Where a receiver's news goes, but for the live table: JSON lines, or several places."""

from __future__ import annotations

from typing import TextIO

from edge.clinic.examine import AnyBody
from edge.clinic.lines import line
from edge.clinic.receive import Observer, Tally
from edge.messages import Body, DeviceState


class Lines(Observer):
    """Writes each result as one JSON line, in the order of its stream."""

    def __init__(self, out: TextIO) -> None:
        """Write to ``out``, which the caller owns."""
        self._out = out

    def in_order(self, body: Body | AnyBody, arrived_ms: int) -> None:
        """Write one line; flushed, since a reader waits for it."""
        self._out.write(line(body, arrived_ms) + "\n")
        self._out.flush()


class Both(Observer):
    """Tells several observers."""

    def __init__(self, *observers: Observer) -> None:
        """Tell ``observers`` in this order."""
        self._observers = observers

    def result(self, body: Body | AnyBody, arrived_ms: int) -> None:
        """A new body."""
        for observer in self._observers:
            observer.result(body, arrived_ms)

    def in_order(self, body: Body | AnyBody, arrived_ms: int) -> None:
        """A body in the order of its stream."""
        for observer in self._observers:
            observer.in_order(body, arrived_ms)

    def state(self, state: DeviceState) -> None:
        """A box's state."""
        for observer in self._observers:
            observer.state(state)

    def turn(self, tally: Tally) -> None:
        """After each batch."""
        for observer in self._observers:
            observer.turn(tally)
