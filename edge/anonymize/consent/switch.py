"""The privacy switch of a box: one device, one rule, and a lamp; whatever goes wrong closes it.

There is no thread: the switch is read whenever a camera's frame comes in, goes out, or is about to leave as
a finding, and four times a second while no frame comes. A read that hangs holds all of these up.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol

from edge.anonymize.consent.file import AbsentFileSwitch, FileSwitch
from edge.anonymize.consent.gpio import GpioSwitch, Lamp
from edge.anonymize.consent.key import KeySwitch
from edge.anonymize.consent.latch import Latch, Position
from edge.anonymize.consent.sight import View
from edge.settings import PrivacySwitch as Settings

log = logging.getLogger(__name__)


class Device(Protocol):
    """What stands behind a switch."""

    def read(self, now_ns: int) -> Position:
        """Its position at ``now_ns`` (CLOCK_MONOTONIC), opening the device if it is not open.

        Raises:
            OSError: the position cannot be told.
        """

    def close(self) -> None:
        """Let go of the device; `read` opens it again."""


class Indicator(Protocol):
    """What shows people that a camera may see."""

    def show(self, *, lit: bool) -> None:
        """Show it or stop; raises OSError."""

    def close(self) -> None:
        """Stop, and let go of the device."""


class PrivacySwitch:
    """The switch with its lamp. Safe to use from several threads.

    Args:
        device: what is read.
        open_after_ns: how long it has to stand open before a camera sees.
        lamp: lit while the switch is open; one that cannot be lit keeps the switch closed.
        clock: CLOCK_MONOTONIC in ns.
    """

    def __init__(
        self,
        device: Device,
        open_after_ns: int,
        lamp: Indicator | None = None,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._device, self._lamp, self._clock = device, lamp, clock
        self._latch = Latch(open_after_ns)
        self._lock = threading.Lock()
        self._last = View(None, "switch_closed")

    def view(self) -> View:
        """What the switch lets be seen now; reads it."""
        with self._lock:
            view = self._latch.update(self._position(), self._clock())
            if not self._shown(lit=view.why is None):
                view = self._latch.update(None, self._clock())
            if view.why != self._last.why:
                log.info("privacy switch: %s", view.why or "open")
            self._last = view
            return view

    def _position(self) -> Position | None:
        try:
            return self._device.read(self._clock())
        except Exception as error:  # noqa: BLE001  # whatever it is, the position is not known
            self._complain("it cannot be read", error)
            with contextlib.suppress(Exception):
                self._device.close()
            return None

    def _shown(self, *, lit: bool) -> bool:
        if self._lamp is None:
            return True
        try:
            self._lamp.show(lit=lit)
        except Exception as error:  # noqa: BLE001  # likewise
            self._complain("its lamp cannot be switched", error)
            with contextlib.suppress(Exception):
                self._lamp.close()
            return False
        return True

    def _complain(self, what: str, error: Exception) -> None:
        if self._last.why != "switch_lost":
            reason = error.strerror if isinstance(error, OSError) else type(error).__name__
            log.error("privacy switch: %s: %s; every camera is blind", what, reason)

    def close(self) -> None:
        """Let go of the device, the lamp put out."""
        with self._lock:
            for part in (self._device, self._lamp):
                if part is not None:
                    with contextlib.suppress(Exception):
                        part.close()


def make_switch(settings: Settings) -> PrivacySwitch | None:
    """The switch that the settings name; None if they name none."""
    open_after_ns = int(settings.open_after * 1e9)
    device: Device
    if settings.kind == "none":
        return None
    if settings.kind == "file":
        device = (FileSwitch if settings.file_opens == "content" else AbsentFileSwitch)(settings.path)
    elif settings.kind == "gpio":
        device = GpioSwitch(settings.path, settings.gpio_line, active_low=settings.gpio_active_low)
    else:
        device = KeySwitch(settings.path, settings.key_code, open_after_ns)
    lamp = None if settings.lamp is None else Lamp(settings.lamp, settings.lamp_line)
    return PrivacySwitch(device, open_after_ns, lamp)
