"""GPIO lines by libgpiod's Python binding (version 2): a privacy switch, and the lamp that shows its state.

The kernel queues the edges of a line, so a switch that was closed for a moment between two readings is
known to have been.
"""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

from edge.anonymize.consent.latch import Position

_CONSUMER = "edge privacy"


def _gpiod() -> Any:
    try:
        import gpiod  # noqa: PLC0415  # the box may have no GPIO
    except ImportError as error:
        raise OSError(errno.ENOSYS, "gpiod is not installed: install the extra 'jetson'") from error
    return gpiod


class GpioSwitch:
    """A line that is active while the switch is open.

    Its bias is against that: a wire that is cut reads as closed, where the chip can bias its lines. Where it
    cannot (Jetson: the kernel ignores the wish), a resistor has to do it.

    Args:
        chip: the device, as /dev/gpiochip0.
        line: offset on the chip.
        active_low: whether an open switch pulls the line to ground.
    """

    def __init__(self, chip: Path, line: int, *, active_low: bool) -> None:
        self._chip, self._line, self._active_low = chip, line, active_low
        self._request: Any = None

    def read(self, now_ns: int) -> Position:
        """See `edge.anonymize.consent.switch.Device`."""
        del now_ns
        gpiod = _gpiod()
        if self._request is None:
            self._request = self._ask_for_line(gpiod)
        interrupted = False
        while self._request.wait_edge_events(0):
            interrupted = bool(self._request.read_edge_events()) or interrupted
        active = self._request.get_value(self._line) == gpiod.line.Value.ACTIVE
        return Position(open=active, interrupted=interrupted)

    def _ask_for_line(self, gpiod: Any) -> Any:
        line = gpiod.line
        settings = gpiod.LineSettings(
            direction=line.Direction.INPUT,
            edge_detection=line.Edge.BOTH,
            bias=line.Bias.PULL_UP if self._active_low else line.Bias.PULL_DOWN,
            active_low=self._active_low,
        )
        return gpiod.request_lines(str(self._chip), config={self._line: settings}, consumer=_CONSUMER)

    def close(self) -> None:
        """Let go of the line."""
        request, self._request = self._request, None
        if request is not None:
            request.release()


class Lamp:
    """A line that is active while a camera may see.

    Args:
        chip: the device, as /dev/gpiochip0.
        line: offset on the chip.
    """

    def __init__(self, chip: Path, line: int) -> None:
        self._chip, self._line = chip, line
        self._request: Any = None

    def show(self, *, lit: bool) -> None:
        """Light it or put it out; an OSError if that cannot be done."""
        gpiod = _gpiod()
        value = gpiod.line.Value
        if self._request is None:
            settings = gpiod.LineSettings(direction=gpiod.line.Direction.OUTPUT, output_value=value.INACTIVE)
            self._request = gpiod.request_lines(
                str(self._chip), config={self._line: settings}, consumer=_CONSUMER
            )
        # Each time, also if nothing changed: a chip that is gone is noticed so.
        self._request.set_value(self._line, value.ACTIVE if lit else value.INACTIVE)

    def close(self) -> None:
        """Put it out and let go of the line."""
        request, self._request = self._request, None
        if request is not None:
            try:
                request.set_value(self._line, _gpiod().line.Value.INACTIVE)
            finally:
                request.release()
