"""The daemon's end of the capture socket."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast, get_args

import numpy as np
from pydantic import ValidationError

from edge.capture import link
from edge.capture.backoff import Backoff
from edge.capture.outlet import Outlet
from edge.capture.ring import RingReader, check_shape
from edge.imaging.decoded import Decoded, Undecodable
from edge.imaging.frames import Acquisition, Pixels, RawFrame
from edge.messages import SourceHealth, SuppressReason

log = logging.getLogger("edge.capture.client")

_REASONS = frozenset(get_args(SuppressReason))


class CaptureLost(Exception):  # noqa: N818  the word that the rooms agreed on
    """The capture process is gone or has no decoder now. The object is not to blame: try again."""


@dataclass
class _Call:
    done: threading.Event = field(default_factory=threading.Event)
    decoded: Decoded | None = None
    error: Exception | None = None


class CaptureClient:
    """Connects to the capture process, and again whenever it is gone.

    Callbacks come from threads of the client: ``on_frame`` from one thread a source, so it may
    block, and then stale live frames give way to newer ones; ``on_sources`` and ``on_inbox`` from
    the reading thread, so they must return at once.
    """

    def __init__(
        self,
        path: Path,
        on_frame: Callable[[RawFrame], None],
        on_sources: Callable[[list[SourceHealth]], None],
        on_inbox: Callable[[], None] | None = None,
        waiting: int = 2,
    ) -> None:
        """``path``: the socket. ``waiting``: live frames of a source that wait for ``on_frame``."""
        self._path = path
        self._on_frame, self._on_sources, self._on_inbox = on_frame, on_sources, on_inbox
        self._waiting = waiting
        self._lock = threading.Lock()
        self._link: link.Link | None = None
        self._connected = threading.Event()
        self._stopping = threading.Event()
        self._calls: dict[int, _Call] = {}
        self._number = 0
        self._rings: dict[str, tuple[RingReader, Acquisition]] = {}
        self._outlets: dict[str, Outlet] = {}
        self._thread = threading.Thread(target=self._run, name="capture-client", daemon=True)

    def start(self) -> None:
        """Begin to connect; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """Disconnect. Waiting `decode` calls raise `CaptureLost`."""
        self._stopping.set()
        with self._lock:
            end = self._link
        if end is not None:
            end.close()
        self._thread.join(timeout=5)
        for outlet in self._outlets.values():
            outlet.stop()

    @property
    def connected(self) -> bool:
        """Whether the capture process is there."""
        return self._connected.is_set()

    def wait_connected(self, timeout: float) -> bool:
        """Wait until the capture process is there; False after ``timeout`` seconds."""
        return self._connected.wait(timeout)

    def decode(self, kind: str, data: bytes | bytearray | memoryview) -> Decoded:
        """Have a decoder worker decode an object; blocks, from any thread.

        The frames are read-only views of memory shared with the worker, which has sealed it.

        Raises:
            Undecodable: the object gives no pixels; final.
            CaptureLost: the capture process went away; try again later.
        """
        call = _Call()
        with self._lock:
            end = self._link
            self._number += 1
            number = self._number
            if end is not None:
                self._calls[number] = call
        if end is None:
            raise CaptureLost("the capture process is not connected")
        try:
            fd = link.memory("object", data)
            try:
                end.send({"t": "decode", "n": number, "kind": kind}, fd)
            finally:
                os.close(fd)
            call.done.wait()
        except link.LinkClosed:
            raise CaptureLost("the capture process is gone") from None
        finally:
            with self._lock:
                self._calls.pop(number, None)
        try:
            if call.error is not None:
                raise call.error
        finally:
            call.error = None  # it names the patient, and would hold itself alive by its own traceback
        assert call.decoded is not None
        return call.decoded

    def _run(self) -> None:
        backoff = Backoff(0.05, 2.0)
        while not self._stopping.is_set():
            try:
                sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                try:
                    sock.connect(str(self._path))
                except OSError:
                    sock.close()
                    raise
            except OSError:
                self._stopping.wait(backoff.next())
                continue
            if self._serve(link.Link(sock)):
                backoff.reset()
            if not self._stopping.is_set():
                log.warning("the capture process is gone; connecting again")
                self._stopping.wait(backoff.next())

    def _serve(self, end: link.Link) -> bool:
        """Read until the connection ends. True if at least one message came."""
        heard = False
        with self._lock:
            self._link = end
        self._connected.set()
        try:
            while not self._stopping.is_set():
                message, fd = end.receive()
                heard = True
                try:
                    self._on(end, message, fd)
                finally:
                    if fd is not None:
                        os.close(fd)
        except (link.LinkClosed, KeyError, TypeError, ValueError, ValidationError) as error:
            if not isinstance(error, link.LinkClosed):
                log.error("the capture process sent what is no message")
        finally:
            self._connected.clear()
            end.close()
            self._forget()
        return heard

    def _forget(self) -> None:
        with self._lock:
            self._link = None
            calls, self._calls = list(self._calls.values()), {}
        self._rings.clear()
        for call in calls:
            call.error = CaptureLost("the capture process is gone")
            call.done.set()

    def _on(self, end: link.Link, message: link.Message, fd: int | None) -> None:
        kind = message["t"]
        if kind == "frame":
            self._on_live_frame(end, message)
        elif kind == "ring" and fd is not None:
            ring = RingReader(fd, int(message["g"]), int(message["slots"]), int(message["size"]))
            acquisition = Acquisition(modality=str(message["modality"]), body_part=str(message["body_part"]))
            self._rings[str(message["s"])] = (ring, acquisition)
        elif kind == "decoded":
            self._on_decoded(message, fd)
        elif kind == "sources":
            self._on_health(message)
        elif kind == "inbox" and self._on_inbox is not None:
            self._on_inbox()

    def _on_health(self, message: link.Message) -> None:
        found = []
        for item in message["list"]:
            health = SourceHealth.model_validate(item)
            outlet = self._outlets.get(health.name)
            here = outlet.dropped if outlet else 0
            found.append(health.model_copy(update={"dropped": health.dropped + here}))
        self._on_sources(found)

    def _on_live_frame(self, end: link.Link, message: link.Message) -> None:
        name, generation, slot = str(message["s"]), int(message["g"]), int(message["slot"])
        known = self._rings.get(name)
        if known is None or known[0].generation != generation:
            return  # of a ring that has been replaced: its slots are free already
        ring, acquisition = known
        frame = RawFrame(
            pixels=ring.view(slot, tuple(int(side) for side in message["shape"])),
            source=name,
            index=int(message["i"]),
            captured_ns=int(message["ns"]),
            captured_ms=int(message["ms"]),
            acquisition=acquisition,
            release=_Release(end, {"t": "release", "s": name, "g": generation, "slot": slot}),
        )
        outlet = self._outlets.get(name)
        if outlet is None:
            outlet = self._outlets[name] = Outlet(name, self._on_frame, self._waiting)
        outlet.put(frame, live=bool(message["live"]))

    def _on_decoded(self, message: link.Message, fd: int | None) -> None:
        with self._lock:
            call = self._calls.get(int(message["n"]))
        if call is None:
            return
        try:
            call.decoded = unpack_decoded(message, fd)
        except (Undecodable, CaptureLost) as error:
            call.error = error
        except (link.LinkClosed, KeyError, TypeError, ValueError):
            # Nonsense from a worker: it was subverted or broken by this very object.
            call.error = Undecodable("unreadable")
        call.done.set()


class _Release:
    """Gives a slot back once, whoever calls it and how often."""

    def __init__(self, end: link.Link, message: dict[str, Any]) -> None:
        self._end, self._message = end, message
        self._lock = threading.Lock()
        self._done = False

    def __call__(self) -> None:
        with self._lock:
            if self._done:
                return
            self._done = True
        try:
            self._end.send(self._message)
        except link.LinkClosed:
            return  # the slot went with its process


def unpack_decoded(message: link.Message, fd: int | None) -> Decoded:
    """Check a worker's answer and map its pixels.

    Raises:
        Undecodable: the object gives no pixels.
        CaptureLost: there was no worker.
        LinkClosed, KeyError, TypeError, ValueError: the answer is nonsense.
    """
    if not message["ok"] and message["reason"] == "retry":
        raise CaptureLost("the capture process has no decoder now")
    acquisition = link.unpack_acquisition(message["acquisition"])
    identity = link.unpack_identity(message["identity"])
    if not message["ok"]:
        reason = message["reason"] if message["reason"] in _REASONS else "unreadable"
        raise Undecodable(cast("SuppressReason", reason), acquisition, identity)
    count, shape = int(message["count"]), tuple(int(side) for side in message["shape"])
    check_shape(shape)
    size = int(np.prod(shape, dtype=np.int64))
    if fd is None or count < 1 or acquisition is None:
        raise ValueError("an answer without pixels")
    memory = link.map_memory(fd, count * size, written_once=True)
    frames: list[Pixels] = [np.ndarray(shape, np.uint8, memory, index * size) for index in range(count)]
    return Decoded(frames, acquisition, identity)
