"""Counts and times of the data path, measured where they happen.

Times are seconds on the monotonic clock. Samples are kept in a ring per stage, so that memory does
not grow with uptime; percentiles are over the newest `_KEPT` samples.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

_KEPT = 20_000


class Figures:
    """Thread-safe counters and timings of one run."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._times: dict[str, deque[float]] = {}
        self._counts: Counter[str] = Counter()
        self._suppressed: Counter[str] = Counter()

    def count(self, name: str, by: int = 1) -> None:
        """Add to a counter."""
        with self._lock:
            self._counts[name] += by

    def held_back(self, reason: str) -> None:
        """Count one suppression."""
        with self._lock:
            self._suppressed[reason] += 1

    def took(self, stage: str, seconds: float) -> None:
        """Record how long a stage took for one item."""
        with self._lock:
            self._times.setdefault(stage, deque(maxlen=_KEPT)).append(seconds)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Record how long the body of the ``with`` takes."""
        start = time.monotonic()
        try:
            yield
        finally:
            self.took(stage, time.monotonic() - start)

    def forget_times(self) -> None:
        """Start the samples anew, so that a warm-up does not count; counters go on."""
        with self._lock:
            self._times.clear()

    def counts(self) -> dict[str, int]:
        """All counters so far."""
        with self._lock:
            return dict(self._counts)

    def suppressed(self) -> dict[str, int]:
        """Suppressions so far, by reason."""
        with self._lock:
            return dict(self._suppressed)

    def milliseconds(self) -> dict[str, dict[str, float]]:
        """Median and 99th percentile of each stage, in milliseconds, with the number of samples."""
        with self._lock:
            samples = {stage: np.array(times) * 1e3 for stage, times in self._times.items()}
        return {
            stage: {
                "p50": round(float(np.percentile(values, 50)), 2),
                "p99": round(float(np.percentile(values, 99)), 2),
                "mean": round(float(values.mean()), 2),
                "n": len(values),
            }
            for stage, values in sorted(samples.items())
        }
