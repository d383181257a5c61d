"""Decoder workers: started, given one object at a time, killed when late, replaced when dead."""

from __future__ import annotations

import logging
import os
import queue
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import cbor2

from edge.capture import link
from edge.capture.backoff import Backoff
from edge.imaging.decoded import DecodeLimits

log = logging.getLogger("edge.capture.decode")

Reply = Callable[[link.Message, "int | None"], None]
"""Called with the worker's answer and the pixels' descriptor, which is closed afterwards."""

UNREADABLE: link.Message = {
    "t": "decoded", "ok": False, "reason": "unreadable", "acquisition": None, "identity": None,
}  # fmt: skip
RETRY: link.Message = {"t": "decoded", "ok": False, "reason": "retry"}
"""No worker could be started: the object is not to blame."""

_START_TIMEOUT = 60.0
_REST = 5.0
"""Seconds without work after which a worker that has seen an object makes room for a fresh one."""
# An object must kill two workers before it is blamed: the first may have died of something else.
_TRIES = 2


@dataclass(frozen=True)
class PoolLimits:
    """Limits of each worker; bytes and seconds."""

    decode: DecodeLimits = field(default_factory=DecodeLimits)
    max_input: int = 512 << 20
    memory: int = 2 << 30
    timeout: float = 60.0


class DecodePool:
    """``workers`` threads, each with a worker process of its own."""

    def __init__(self, workers: int, limits: PoolLimits) -> None:
        self._limits = limits
        self._requests: queue.Queue[tuple[str, int, Reply] | None] = queue.Queue()
        self._stopping = threading.Event()
        # PR_SET_PDEATHSIG counts from the thread that starts a child: these live as long as the pool.
        self._threads = [
            threading.Thread(target=self._run, name=f"decode-{n}", daemon=True) for n in range(workers)
        ]
        self.deaths = 0

    def start(self) -> None:
        """Start the workers; they are ready a moment later."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End the workers. What they were at gets no answer."""
        self._stopping.set()
        for _ in self._threads:
            self._requests.put(None)
        for thread in self._threads:
            thread.join(timeout=5)

    def submit(self, kind: str, fd: int, reply: Reply) -> None:
        """Decode the object in a sealed memfd; ``reply`` comes from another thread. Takes the descriptor."""
        self._requests.put((kind, fd, reply))

    def _run(self) -> None:
        worker: _Worker | None = None
        used = False
        backoff = Backoff(0.1, 5.0)
        while not self._stopping.is_set():
            if worker is None:
                worker = self._start_worker(backoff)
            try:
                request = self._requests.get(timeout=_REST if used else None)
            except queue.Empty:
                # Whom its objects named still stands in its memory; that goes with the process.
                if worker is not None:
                    worker.kill()
                worker, used = None, False
                continue
            if request is None:
                break
            used = True
            kind, fd, reply = request
            try:
                worker = self._serve(worker, kind, fd, reply)
            finally:
                os.close(fd)
        if worker is not None:
            worker.kill()

    def _start_worker(self, backoff: Backoff) -> _Worker | None:
        """A worker that said it is ready; None if none can be started now."""
        worker = None
        try:
            worker = _Worker(self._limits)
            worker.wait_ready()
        except (OSError, link.LinkClosed):  # TimeoutError is an OSError
            if worker is not None:
                worker.kill()
            log.error("a decoder worker cannot be started; trying again")
            self._stopping.wait(backoff.next())
            return None
        backoff.reset()
        return worker

    def _serve(self, worker: _Worker | None, kind: str, fd: int, reply: Reply) -> _Worker | None:
        for _ in range(_TRIES):
            worker = worker or self._start_worker(Backoff())
            if worker is None:
                reply(RETRY, None)
                return None
            try:
                message, pixels = worker.decode(kind, fd, self._limits.timeout)
            except TimeoutError:
                log.warning("a decoder worker took too long and was killed")
                worker.kill()
                worker = None
                break
            except link.LinkClosed:
                worker.kill()
                worker = None
                if self._stopping.is_set():
                    return None
                self.deaths += 1
                log.warning("a decoder worker died on an object")
                continue
            reply(message, pixels)
            if pixels is not None:
                os.close(pixels)
            return worker
        reply(UNREADABLE, None)
        return worker


class _Worker:
    """One worker process and the socket to it."""

    def __init__(self, limits: PoolLimits) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        options = {
            "max_pixels": limits.decode.max_pixels, "max_frames": limits.decode.max_frames,
            "max_bytes": limits.decode.max_bytes, "max_input": limits.max_input, "memory": limits.memory,
        }  # fmt: skip
        with theirs:
            command = [
                sys.executable,
                "-m",
                "edge.capture.decode_worker",
                str(theirs.fileno()),
                str(os.getpid()),
            ]
            self._process = subprocess.Popen(
                [*command, cbor2.dumps(options).hex()],
                pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, env=worker_environment(),
            )  # fmt: skip
        self._link = link.Link(ours)

    def wait_ready(self) -> None:
        self._wait(_START_TIMEOUT)
        self._link.receive()

    def decode(self, kind: str, fd: int, timeout: float) -> tuple[link.Message, int | None]:
        self._link.send({"t": "decode", "kind": kind}, fd)
        self._wait(timeout)
        return self._link.receive()

    def _wait(self, timeout: float) -> None:
        poll = select.poll()
        poll.register(self._link.socket, select.POLLIN)
        if not poll.poll(timeout * 1000):
            raise TimeoutError

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        self._link.close()


def worker_environment() -> dict[str, str]:
    """One thread a worker: thread pools of numeric libraries reserve gigabytes of address space."""
    single = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    kept = {
        key: os.environ[key] for key in ("PATH", "LD_LIBRARY_PATH", "LANG", "TMPDIR") if key in os.environ
    }
    return {**kept, **single, "PYTHONPATH": os.pathsep.join(sys.path), "MALLOC_ARENA_MAX": "2"}
