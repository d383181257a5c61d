"""Keeps the process of one live source running and passes its frames' messages on to the daemon."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import threading
from typing import Any, Protocol

import cbor2

from edge.capture import link
from edge.capture.backoff import Backoff
from edge.capture.decode_pool import worker_environment
from edge.capture.sources import STATES, Gauge
from edge.messages import SourceHealth

log = logging.getLogger("edge.capture.live")

_GENERATIONS = 1 << 20  # rings that one process of a source may make


class Daemon(Protocol):
    """The way to the daemon, if one is connected."""

    def send(self, message: link.Message, fd: int | None = None) -> bool:
        """False if no daemon is connected."""


class LiveSource:
    """A camera or video in a process of its own: if that dies or hangs, no other source does."""

    def __init__(
        self, name: str, options: dict[str, Any], daemon: Daemon, module: str = "edge.capture.live_worker"
    ) -> None:
        """``options``: see `edge.capture.live_worker.make_grabber`; ``module`` is run as the process."""
        self._options, self._daemon, self._module = options, daemon, module
        self._gauge = Gauge(name)
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._attached = False
        self._link: link.Link | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._starts = 0
        # PR_SET_PDEATHSIG counts from the thread that starts the child: it lives as long as the source.
        self._thread = threading.Thread(target=self._run, name=f"source-{name}", daemon=True)

    def start(self) -> None:
        """Start the source's process and watch it."""
        self._thread.start()

    def stop(self) -> None:
        """Kill the source's process: it holds nothing that could be lost."""
        self._stopping.set()
        with self._lock:
            if self._process is not None:
                self._process.kill()
        self._thread.join(timeout=5)

    def health(self) -> SourceHealth:
        """As its process last told."""
        return self._gauge.health()

    def attach(self) -> None:
        """A daemon is connected: frames may come."""
        self._switch("attach", attached=True)

    def detach(self) -> None:
        """The daemon is gone: the device is closed until it is back."""
        self._switch("detach", attached=False)

    def release(self, generation: int, slot: int) -> None:
        """The daemon is done with a frame."""
        self._tell({"t": "release", "g": generation, "slot": slot})

    def _switch(self, word: str, *, attached: bool) -> None:
        with self._lock:
            self._attached = attached
        self._tell({"t": word})

    def _tell(self, message: link.Message) -> None:
        with self._lock:
            end = self._link
        if end is not None:
            try:
                end.send(message)
            except link.LinkClosed:
                log.debug("a source's process is gone; it is being replaced")

    def _run(self) -> None:
        backoff = Backoff(0.2, 10.0)
        while not self._stopping.is_set():
            try:
                end = self._start_process()
            except OSError:
                log.error("source=%s its process cannot be started; trying again", self._gauge.name)
            else:
                self._pass_on(end, backoff)
            if not self._stopping.is_set():
                self._gauge.say("waiting")
                log.warning("source=%s its process died; starting another", self._gauge.name)
            self._stopping.wait(backoff.next())

    def _start_process(self) -> link.Link:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._starts += 1
        options = cbor2.dumps({**self._options, "generation": self._starts * _GENERATIONS}).hex()
        with theirs:
            command = [sys.executable, "-m", self._module, str(theirs.fileno()), str(os.getpid()), options]
            process = subprocess.Popen(
                command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, env=worker_environment()
            )
        end = link.Link(ours)
        with self._lock:
            self._process, self._link = process, end
            attached = self._attached
        if attached:
            self._tell({"t": "attach"})
        return end

    def _pass_on(self, end: link.Link, backoff: Backoff) -> None:
        try:
            while True:
                message, fd = end.receive()
                try:
                    if self._on(message, fd):
                        backoff.reset()
                finally:
                    if fd is not None:
                        os.close(fd)
        except (link.LinkClosed, KeyError, TypeError, ValueError):
            pass  # it died, or talks nonsense: either way it is replaced
        finally:
            with self._lock:
                process, self._link = self._process, None
            end.close()
            if process is not None:
                process.kill()
                process.wait()

    def _on(self, message: link.Message, fd: int | None) -> bool:
        """True if a frame came."""
        if message["t"] == "progress":
            last = message["last_ns"]
            if message["state"] not in STATES:
                raise ValueError("no such state")
            self._gauge.set(
                message["state"],
                int(message["frames"]),
                int(message["dropped"]),
                None if last is None else int(last),
            )
            return False
        if message["t"] == "ring" or message["t"] == "frame":
            acquisition = {key: self._options.get(key, "") for key in ("modality", "body_part")}
            extra = acquisition if message["t"] == "ring" else {}
            self._daemon.send({**message, **extra, "s": self._gauge.name, "live": self._live}, fd)
            return bool(message["t"] == "frame")
        raise ValueError("no such message")

    @property
    def _live(self) -> bool:
        """Whether stale frames give way to newer ones."""
        return not (self._options.get("kind") == "video" and self._options.get("pace") == "fast")
