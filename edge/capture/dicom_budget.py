"""Bounds on what DICOM associations hold in memory while objects arrive. Pure but for its lock."""

from __future__ import annotations

import threading
from collections.abc import Hashable


class Budget:
    """Bytes that all associations together may hold of objects not yet in the inbox.

    An association that would go beyond waits, and with it its sender (TCP). The one that began
    first never waits: so there is always one that ends and makes room.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._held: dict[Hashable, int] = {}  # in the order in which they began
        self._room = threading.Condition()
        self._closed = False

    def take(self, holder: Hashable, size: int) -> None:
        """Account for ``size`` more bytes of one holder; waits while there is no room."""
        with self._room:
            self._held.setdefault(holder, 0)
            self._room.wait_for(lambda: self._may(holder, size))
            if holder in self._held:
                self._held[holder] += size

    def _may(self, holder: Hashable, size: int) -> bool:
        if self._closed or holder not in self._held:
            return True
        return next(iter(self._held)) == holder or sum(self._held.values()) + size <= self._total

    def give_back(self, holder: Hashable) -> None:
        """The holder's object is in the inbox, or the holder is gone."""
        with self._room:
            self._held.pop(holder, None)
            self._room.notify_all()

    def close(self) -> None:
        """Nobody waits any more."""
        with self._room:
            self._closed = True
            self._room.notify_all()


class Meter:
    """Cuts one association's data sets at a limit: what comes beyond it is read, but not kept.

    A data set that is longer than the limit tells the handler of C-STORE that it was cut. Command
    sets are small by nature (PS3.7 6.3.1); one beyond `COMMAND_MAX` ends the association.
    """

    COMMAND_MAX = 64 << 10

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._data = 0
        self._command = 0

    def pass_on(self, fragment: bytes) -> bytes:
        """What is kept of one presentation data value: message control header and fragment (PS3.8 E.2).

        Raises:
            ValueError: a command set of impossible length.
        """
        if not fragment:
            raise ValueError("a presentation data value without its header")
        size = len(fragment) - 1
        if fragment[0] & 1:
            self._command += size
            if self._command > self.COMMAND_MAX:
                raise ValueError("a command set of impossible length")
            if fragment[0] & 2:
                self._command = self._data = 0
            return fragment
        full = self._data > self._limit
        self._data += size
        return fragment[:1] if full else fragment
