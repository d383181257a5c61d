"""Can the clock be trusted?

A box without a battery comes up in 1970, or where it was switched off. The rule is pure: what the
system clock says, the latest time that this box has ever seen, and whether a time
server keeps the clock.
"""

from __future__ import annotations

import os
import threading
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Literal

Trust = Literal["trusted", "untrusted"]

BUILT = datetime(2026, 11, 22, tzinfo=timezone.utc)
"""No time before this release is real."""
_JUMP = 86_400.0
"""A step forward of more than a day since the last stored time needs a synchronized clock."""


def judge(now: float, stored: float | None, *, synchronized: bool) -> Trust:
    """Judge a clock reading; all times are Unix seconds. ``stored`` is the last time kept on disk.

    A clock is trusted if it is not before this release or the last stored time, and either a time
    server keeps it, or it went on from the stored time by less than a day.
    """
    if now < BUILT.timestamp() or (stored is not None and now < stored):
        return "untrusted"
    if synchronized:
        return "trusted"
    return "trusted" if stored is not None and now - stored <= _JUMP else "untrusted"


_KEEP_EVERY = 60.0
"""Seconds between two writes of the time: each costs a sync of the disk."""


_MARK = Path("/run/systemd/timesync/synchronized")
"""systemd-timesyncd(8) makes it when it has set the clock. The unit itself may make no clock calls."""


def synchronized() -> bool:
    """Whether a time server keeps the clock, by the word of the service that asks it."""
    return _MARK.exists()


class StoredTime:
    """The latest time seen, kept in a file that survives power loss. Safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._stored = self._load()

    def _load(self) -> float | None:
        try:
            return float(self._path.read_text(encoding="ascii"))
        except (FileNotFoundError, ValueError):
            return None

    def read(self) -> float | None:
        """The stored Unix time in seconds, or None if there is none yet."""
        return self._stored

    def write(self, now: float) -> None:
        """Store ``now`` unless a later time is there; atomic."""
        with self._lock:
            if now <= (self._stored or 0.0):
                return
            temporary = self._path.with_suffix(".new")
            with temporary.open("w", encoding="ascii") as file:
                file.write(f"{now:.0f}")
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._path)
            self._stored = now

    def trust(self) -> Trust:
        """Judge the clock now, and keep a trusted time once a minute."""
        now = time.time()
        verdict = judge(now, self._stored, synchronized=synchronized())
        if verdict == "trusted" and now - (self._stored or 0.0) >= _KEEP_EVERY:
            self.write(now)
        return verdict
