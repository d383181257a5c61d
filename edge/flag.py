"""A flag that a signal's handler may set, whatever the main thread is doing at that moment."""

from __future__ import annotations

import contextlib
import os
import select


class Flag:
    """As `threading.Event`, whose ``set`` can hang for ever in a signal's handler.

    A handler runs between two instructions of the main thread. If that thread is about to wait for an
    event, it holds the event's lock, and ``set`` waits for it in the very thread that would release it: a
    daemon that is told to stop in that moment never stops. Here the waiting is the kernel's (eventfd(2)), and
    there is no lock. (A signal that comes just before the kernel is asked to wait is heard when that ends, so
    wait in turns.)
    """

    def __init__(self) -> None:
        self._raised = False
        self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def __del__(self) -> None:
        os.close(self._bell)

    def set(self) -> None:
        """Raise it, and wake who waits; from a handler or any thread."""
        self._raised = True
        os.eventfd_write(self._bell, 1)

    def clear(self) -> None:
        """Lower it."""
        self._raised = False
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._bell)

    def is_set(self) -> bool:
        """Whether it is raised."""
        return self._raised

    def wait(self, seconds: float) -> bool:
        """Wait until it is raised, for at most so long; whether it is."""
        if not self._raised:
            waiting = select.poll()
            waiting.register(self._bell, select.POLLIN)
            waiting.poll(max(0.0, seconds) * 1000)  # goes on after other signals: PEP 475
        return self._raised
