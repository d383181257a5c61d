"""A key of an input device as privacy switch, by the kernel's event interface (linux/input.h).

Pressed while a camera sees, it closes at once. Pressed while closed, it opens if it is held for as long
as the switch has to stand open. A box that starts is closed, and so is one whose device was unplugged.
"""

from __future__ import annotations

import errno
import os
import struct
from pathlib import Path

from edge.anonymize.consent.latch import Position

_EVENT = struct.Struct("llHHi")
"""struct input_event: seconds, microseconds, type, code, value; 24 bytes on a 64-bit kernel."""
_EV_SYN, _EV_KEY, _SYN_DROPPED = 0, 1, 3
_RELEASED, _PRESSED = 0, 1
"""2 is a key's own repetition."""
_MOST = 64
"""Events in one read of the device."""


class KeySwitch:
    """One key.

    Args:
        path: the device, as /dev/input/by-id/...-event-kbd.
        code: of the key, by linux/input-event-codes.h.
        hold_ns: how long it has to be held to open, and how long after closing a press counts again.
    """

    def __init__(self, path: Path, code: int, hold_ns: int) -> None:
        self._path, self._code, self._hold_ns = path, code, hold_ns
        self._handle: int | None = None
        self._latched = False
        self._pressed_ns: int | None = None
        self._closed_ns: int | None = None

    def read(self, now_ns: int) -> Position:
        """See `edge.anonymize.consent.switch.Device`."""
        if self._handle is None:
            self._handle = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        before = self._closed_ns
        while events := self._take():
            for _, _, kind, code, value in _EVENT.iter_unpack(events):
                if (kind, code) == (_EV_SYN, _SYN_DROPPED):
                    self._shut(now_ns)  # the kernel lost events: a press may be among them
                elif (kind, code) == (_EV_KEY, self._code):
                    self._on(value, now_ns)
        closed = self._closed_ns != before
        return Position(open=self._latched or self._pressed_ns is not None, interrupted=closed)

    def _take(self) -> bytes:
        assert self._handle is not None
        try:
            events = os.read(self._handle, _EVENT.size * _MOST)
        except BlockingIOError:
            return b""
        if not events or len(events) % _EVENT.size:
            raise OSError(errno.ENODEV, "the input device gives no events")
        return events

    def _on(self, value: int, now_ns: int) -> None:
        if value == _PRESSED:
            if self._latched:
                self._shut(now_ns)
            # A worn key presses twice: what comes right after closing is no wish to open.
            elif self._closed_ns is None or now_ns - self._closed_ns >= self._hold_ns:
                self._pressed_ns = now_ns
        elif value == _RELEASED and self._pressed_ns is not None:
            self._latched = now_ns - self._pressed_ns >= self._hold_ns
            self._pressed_ns = None

    def _shut(self, now_ns: int) -> None:
        self._latched, self._pressed_ns, self._closed_ns = False, None, now_ns

    def close(self) -> None:
        """Let go of the device; the switch is closed when it is opened again."""
        if self._handle is not None:
            os.close(self._handle)
        self._handle = None
        self._latched, self._pressed_ns = False, None
