"""How every source of the capture process looks from outside."""

from __future__ import annotations

import threading
import time
from typing import Literal, Protocol, get_args

from edge.messages import SourceHealth

State = Literal["starting", "running", "waiting", "blind", "failed", "finished"]
STATES = frozenset(get_args(State))


class Source(Protocol):
    """A camera, a video, a folder or the DICOM receiver; runs in threads of its own."""

    def start(self) -> None:
        """Begin; never raises for what the source lacks: that is a state."""

    def stop(self) -> None:
        """End; waits a moment for what is under way."""

    def health(self) -> SourceHealth:
        """How it is now."""

    def attach(self) -> None:
        """A daemon is connected."""

    def detach(self) -> None:
        """The daemon is gone."""


class BlindCamera:
    """A camera that its settings leave blind: its device is never opened."""

    def __init__(self, name: str) -> None:
        self._gauge = Gauge(name)
        self._gauge.say("blind")

    def start(self) -> None:
        """Nothing begins."""

    def stop(self) -> None:
        """Nothing ends."""

    def health(self) -> SourceHealth:
        """Blind, always."""
        return self._gauge.health()

    def attach(self) -> None:
        """A daemon changes nothing."""

    def detach(self) -> None:
        """Nor does its going."""


class Gauge:
    """State and counters of one source, from any thread."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._lock = threading.Lock()
        self._state: State = "starting"
        self._frames = 0
        self._dropped = 0
        self._last_ns: int | None = None

    def say(self, state: State) -> None:
        """The source's state changed."""
        with self._lock:
            self._state = state

    def count(self) -> None:
        """A frame or object came, now."""
        with self._lock:
            self._frames += 1
            self._last_ns = time.monotonic_ns()

    def drop(self) -> None:
        """An object was refused, or a frame given up."""
        with self._lock:
            self._dropped += 1

    def set(self, state: State, frames: int, dropped: int, last_ns: int | None) -> None:
        """Take over what another process counted; ``last_ns`` is CLOCK_MONOTONIC."""
        with self._lock:
            self._state, self._frames, self._dropped, self._last_ns = state, frames, dropped, last_ns

    def health(self) -> SourceHealth:
        """As it goes to the clinic."""
        with self._lock:
            age = None if self._last_ns is None else max(0.0, (time.monotonic_ns() - self._last_ns) / 1e6)
            return SourceHealth(
                name=self.name,
                state=self._state,
                last_frame_age_ms=age,
                frames=self._frames,
                dropped=self._dropped,
            )
