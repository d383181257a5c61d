"""Can the clock be trusted?

A box without a battery comes up in 1970, or where it was switched off. The rule is pure: what the
system clock says, the latest time that this box has ever seen, and whether the kernel says that the
clock is kept by a time server.
"""

from __future__ import annotations

import ctypes
import os
import threading
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Literal

Trust = Literal["trusted", "untrusted"]

BUILT = datetime(2026, 11, 22, tzinfo=timezone.utc)
"""No time before this release is real."""
_STA_UNSYNC = 0x0040
"""adjtimex(2): the clock is not synchronized."""
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


def latest(now: float, stored: float | None) -> float:
    """The time at which certificates are judged: the latest of clock, release and stored time."""
    return max(now, BUILT.timestamp(), stored or 0.0)


_KEEP_EVERY = 60.0
"""Seconds between two writes of the time: each costs a sync of the disk."""


class _Timex(ctypes.Structure):
    """Head of struct timex; the rest is reserved so that the kernel has room to write."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("_rest", ctypes.c_byte * 256),
    )


def synchronized() -> bool:
    """Ask the kernel (adjtimex) whether a time server keeps the clock."""
    timex = _Timex()
    state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex))
    return bool(state >= 0 and not timex.status & _STA_UNSYNC)


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
