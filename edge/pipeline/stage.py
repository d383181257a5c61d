"""A stage: one thread, one bounded queue in front of it, and a pulse that the watchdog feels."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

log = logging.getLogger(__name__)

Item = TypeVar("Item")
_TICK = 0.25
"""Seconds after which an idle stage turns once, so that its pulse is felt."""


class Pulse:
    """Whether a loop turns, and whether work waits in front of it without any coming out."""

    def __init__(self, name: str, waiting: Callable[[], int], patience: float = 1.0) -> None:
        self.name = name
        self._waiting, self._patience = waiting, patience
        self._turned = self._moved = time.monotonic()

    def turn(self, *, moved: bool) -> None:
        """Mark one turn of the loop; ``moved`` if an item came out or nothing waited."""
        self._turned = time.monotonic()
        if moved or self._waiting() == 0:
            self._moved = self._turned

    def stalled(self, now: float, limit: float) -> bool:
        """Tell whether it stood still, or input waited without output, for ``limit`` times its patience."""
        return max(now - self._turned, now - self._moved) > limit * self._patience


class Stage(Generic[Item]):
    """Runs ``work`` on each item in a thread of its own.

    ``newest_wins`` drops the oldest waiting item when the queue is full and counts it; without it
    `put` waits for room, which is how a replay as fast as possible slows its source down.
    ``idle`` is called in the same thread whenever nothing came for a quarter of a second.
    An error in ``work`` is handed to ``failed`` with its item and never ends the thread.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[Item], None],
        *,
        size: int,
        newest_wins: bool,
        failed: Callable[[Item, Exception], None],
        dropped: Callable[[Item], None] | None = None,
        idle: Callable[[], None] = lambda: None,
    ) -> None:
        self._work, self._failed, self._dropped, self._idle = work, failed, dropped, idle
        self._queue: queue.Queue[Item] = queue.Queue(maxsize=size)
        self._newest_wins = newest_wins
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.drops = 0
        self.pulse = Pulse(name, self._queue.qsize)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def put(self, item: Item) -> None:
        """Hand an item over; see the class for what happens when there is no room."""
        while not self._stop.is_set():
            try:
                self._queue.put(item, timeout=0 if self._newest_wins else _TICK)
            except queue.Full:
                if self._newest_wins:
                    self._drop_oldest()
            else:
                return

    def _drop_oldest(self) -> None:
        try:
            stale = self._queue.get_nowait()
        except queue.Empty:
            return
        self._queue.task_done()
        self.drops += 1
        if self._dropped is not None:
            self._dropped(stale)

    def waiting(self) -> int:
        """How many items wait."""
        return self._queue.qsize()

    def idle(self) -> bool:
        """Tell whether nothing waits and nothing is under way."""
        return self._queue.unfinished_tasks == 0

    def stop(self, timeout: float) -> None:
        """End the thread after the item under way."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                item = self._queue.get(timeout=_TICK)
            except queue.Empty:
                self._rest()
                self.pulse.turn(moved=False)
                continue
            try:
                self._work(item)
            except Exception as error:  # noqa: BLE001 - one bad item must not end the stage; it is reported
                self._failed(item, error)
            self._queue.task_done()
            self.pulse.turn(moved=True)

    def _rest(self) -> None:
        try:
            self._idle()
        except Exception as error:  # noqa: BLE001 - likewise
            log.error("%s failed while idle: %s", self._thread.name, type(error).__name__)
