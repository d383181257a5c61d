"""What a run costs: time, peak memory, on which device."""

from __future__ import annotations

import platform
import resource
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from trainer.comparison.recipes import ComparisonError
from trainer.training import distributed

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def device(asked: str) -> torch.device:
    """Where to compute: ``auto`` takes a GPU where torch sees one.

    Raises:
        ComparisonError: a GPU was asked for and there is none.
    """
    try:
        return distributed.device("" if asked == "auto" else asked)
    except ValueError as error:
        raise ComparisonError(str(error)) from error


def describe(where: torch.device) -> str:
    """The device in words."""
    if where.type == "cuda":
        return str(torch.cuda.get_device_name(where))
    return f"CPU, {torch.get_num_threads()} threads, {platform.machine()}"


@dataclass(frozen=True)
class Cost:
    """Of one run."""

    seconds: float
    """On the clock."""
    cpu_seconds: float
    """Of this process, all threads."""
    memory_mib: float
    """Largest resident memory while it ran, shared images and libraries included."""
    gpu_memory_mib: float | None

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        rounded = {"seconds": round(self.seconds, 1), "cpu_seconds": round(self.cpu_seconds, 1)}
        gpu = None if self.gpu_memory_mib is None else round(self.gpu_memory_mib)
        return {**rounded, "memory_mib": round(self.memory_mib), "gpu_memory_mib": gpu}


class Meter:
    """Measures from its making to `read`."""

    def __init__(self, where: torch.device) -> None:
        self._device = where
        _forget_peak()
        if where.type == "cuda":
            torch.cuda.reset_peak_memory_stats(where)
        self._clock, self._cpu = time.monotonic(), time.process_time()

    def read(self) -> Cost:
        """What it cost so far."""
        gpu = None
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
            gpu = torch.cuda.max_memory_allocated(self._device) / 2**20
        return Cost(time.monotonic() - self._clock, time.process_time() - self._cpu, _peak(), gpu)


def _forget_peak() -> None:
    """Start the peak anew (Linux, proc_pid_clear_refs(5)); elsewhere it is that of the whole process."""
    if _CLEAR.exists():
        _CLEAR.write_text("5", "ascii")


def _peak() -> float:
    """Peak resident memory in MiB."""
    if _STATUS.exists():
        lines = _STATUS.read_text("ascii", "replace").splitlines()
        found = next((line for line in lines if line.startswith("VmHWM:")), None)
        if found is not None:
            return int(found.split()[1]) / 1024
    unit = 2**20 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
