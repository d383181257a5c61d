"""Workers: one file each at a time; killed when silent for too long, replaced when dead.

A file that ends its worker is tried once more, for the first death may have had another cause;
then it is held. The others go on.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import connection
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from edge.anonymize.files.report import FileReport
from edge.anonymize.files.staged import OutputFailed

MAX_MESSAGE = 1 << 20
_START_SECONDS = 120.0
_START_TRIES = 3
_TRIES = 2
_POLL_SECONDS = 0.25
"""Longest wait before the caller's ``stopping`` is asked again."""


class WorkersUnavailableError(Exception):
    """No worker can be started. The message says why and what to do."""


@dataclass(frozen=True)
class Setup:
    """What every worker is told; ``memory`` in bytes, ``silence`` in seconds without a sign of work."""

    key: bytes
    options: tuple[str, ...]
    source: dict[str, Any]
    scripts: tuple[str, ...]
    scanners: tuple[dict[str, Any], ...]
    memory: int
    silence: float

    def message(self) -> dict[str, Any]:
        """For the worker."""
        return {
            "key": self.key.hex(), "options": self.options, "source": self.source,
            "scripts": self.scripts, "scanners": self.scanners, "memory": self.memory,
        }  # fmt: skip


@dataclass
class Task:
    """One file to do."""

    number: int
    path: Path
    copy: Path
    """Where the worker writes."""
    deaths: int = 0
    """Workers that died of it."""


@dataclass(eq=False)
class _Worker:
    """One process, the connection to it, and what it is at."""

    process: subprocess.Popen[bytes]
    link: Connection[Any, Any]
    ready: bool = False
    task: Task | None = None
    heard: float = field(default_factory=time.monotonic)

    @classmethod
    def start(cls, setup: Setup) -> _Worker:
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-m", __package__ + ".worker", str(theirs.fileno()), str(os.getpid())]
            process = subprocess.Popen(
                command,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env=_environment(),
                start_new_session=True,  # Ctrl-C is the parent's to answer
            )
        worker = cls(process, Connection(ours.detach()))
        with suppress(OSError):  # if it is dead already, the next look at it says so
            worker.send(setup.message())
        return worker

    def send(self, message: dict[str, Any]) -> None:
        self.link.send_bytes(json.dumps(message).encode())

    def give(self, task: Task) -> None:
        self.task, self.heard = task, time.monotonic()
        with suppress(OSError):
            self.send({"number": task.number, "path": str(task.path), "copy": str(task.copy)})

    def receive(self) -> dict[str, Any] | None:
        """The next message; None if the worker died, or speaks in no way that a worker does."""
        self.heard = time.monotonic()
        try:
            message = json.loads(self.link.recv_bytes(MAX_MESSAGE))
        except (EOFError, OSError, ValueError):
            return None
        return message if isinstance(message, dict) else None

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.link.close()


class Workers:
    """Up to ``count`` workers."""

    def __init__(self, count: int, setup: Setup) -> None:
        self._count = count
        self._setup = setup
        self._workers: list[_Worker] = []
        self._again: deque[Task] = deque()
        self._failed_starts = 0

    def close(self) -> None:
        """End all workers, whatever they are at."""
        for worker in self._workers:
            worker.kill()
        self._workers.clear()

    def detectors(self) -> dict[str, str]:
        """Start the first worker: names of its detectors and the SHA-256 of their weights.

        Raises:
            WorkersUnavailableError: it cannot be started, or its detectors do not work.
        """
        while True:
            worker = self._start()
            if worker.link.poll(_START_SECONDS):
                message = worker.receive()
                if message is not None and self._greeted(worker, message):
                    found: dict[str, str] = message["detectors"]
                    return found
            self._lost(worker)

    def results(
        self, tasks: Iterable[Task], stopping: Callable[[], bool]
    ) -> Iterator[tuple[Task, FileReport]]:
        """Do all ``tasks``; give each with its report, in the order in which they end.

        Args:
            tasks: taken as workers become free.
            stopping: asked often; once it says yes, what is under way is given up.

        Raises:
            OutputFailed: a copy could not be written.
            WorkersUnavailableError: no worker can be started any more.
        """
        waiting = iter(tasks)
        upcoming = next(waiting, None)
        while not stopping():
            while (upcoming is not None or self._again) and (idle := self._idle()) is not None:
                if self._again:
                    idle.give(self._again.popleft())
                elif upcoming is not None:
                    idle.give(upcoming)
                    upcoming = next(waiting, None)
            left = upcoming is not None or bool(self._again)
            if not left and all(worker.task is None for worker in self._workers):
                return
            if left and len(self._workers) < self._count:
                self._start()
            yield from self._wait()

    def _idle(self) -> _Worker | None:
        return next((worker for worker in self._workers if worker.ready and worker.task is None), None)

    def _start(self) -> _Worker:
        worker = _Worker.start(self._setup)
        self._workers.append(worker)
        return worker

    def _greeted(self, worker: _Worker, message: dict[str, Any]) -> bool:
        if message.get("t") != "ready":
            return False
        if message["problems"]:
            raise WorkersUnavailableError("; ".join(message["problems"]))
        worker.ready, self._failed_starts = True, 0
        return True

    def _lost(self, worker: _Worker) -> None:
        """Bury a worker; too many that never became ready are a fault of the machine."""
        worker.kill()
        self._workers.remove(worker)
        if not worker.ready:
            self._failed_starts += 1
            if self._failed_starts >= _START_TRIES:
                raise WorkersUnavailableError(
                    "workers die while they start: give them more --memory, or run fewer --jobs"
                )

    def _wait(self) -> Iterator[tuple[Task, FileReport]]:
        by_link = {worker.link: worker for worker in self._workers}
        for link in connection.wait(list(by_link), _POLL_SECONDS):
            worker = by_link[link]  # type: ignore[index]  # only connections were asked for
            message = worker.receive()
            if message is None or not worker.ready:
                if message is None or not self._greeted(worker, message):
                    yield from self._died(worker, "decoder_died", _TRIES)
                continue
            if message.get("t") == "output":
                raise OutputFailed(int(message["errno"]))
            if message.get("t") == "report" and worker.task is not None:
                task, worker.task = worker.task, None
                yield task, FileReport(**message["report"])
        now = time.monotonic()
        for worker in list(self._workers):
            limit = self._setup.silence if worker.ready else _START_SECONDS
            if (worker.task is not None or not worker.ready) and now - worker.heard > limit:
                yield from self._died(worker, "timeout", 1)

    def _died(self, worker: _Worker, reason: str, tries: int) -> Iterator[tuple[Task, FileReport]]:
        task = worker.task
        self._lost(worker)
        if task is None:
            return
        task.copy.unlink(missing_ok=True)
        task.deaths += 1
        if task.deaths < tries:
            self._again.append(task)
        else:
            yield task, FileReport(task.number, reason=reason)


def _environment() -> dict[str, str]:
    """One thread a worker: thread pools of numeric libraries reserve gigabytes of address space."""
    single = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    path = os.pathsep.join(p for p in sys.path if p)
    return {**os.environ, **single, "PYTHONPATH": path, "MALLOC_ARENA_MAX": "2"}
