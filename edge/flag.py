"""A flag that a signal's handler may set, whatever the main thread is doing at that moment."""

from __future__ import annotations

import contextlib
from queue import Empty, SimpleQueue


class Flag:
    """As `threading.Event`, whose ``set`` can hang for ever in a signal's handler.

    A handler runs between two instructions of the main thread. If that thread is about to wait for an
    event, it holds the event's lock, and ``set`` waits for it in the very thread that would release it: a
    daemon that is told to stop in that moment never stops. ``SimpleQueue.put`` may interrupt itself and
    ``get`` in the same thread (Python's library reference, queue, SimpleQueue objects).
    """

    def __init__(self) -> None:
        self._raised = False
        self._wake: SimpleQueue[None] = SimpleQueue()

    def set(self) -> None:
        """Raise it, and wake who waits; from a handler or any thread."""
        self._raised = True
        self._wake.put(None)

    def clear(self) -> None:
        """Lower it."""
        self._raised = False

    def is_set(self) -> bool:
        """Whether it is raised."""
        return self._raised

    def wait(self, seconds: float) -> bool:
        """Wait until it is raised, for at most so long; whether it is. For one thread at a time."""
        if not self._raised:
            with contextlib.suppress(Empty):
                self._wake.get(timeout=max(0.0, seconds))
        return self._raised
