"""The capture process's end of the socket: one daemon at a time."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from edge.capture import link
from edge.capture.decode_pool import DecodePool
from edge.capture.live_source import LiveSource
from edge.capture.sources import Source

log = logging.getLogger("edge.capture.server")

SOCKET_NAME = "capture.sock"


class Server:
    """Listens for the daemon, answers its decode requests, passes frames and health to it.

    A second daemon is turned away while the first is connected.
    """

    def __init__(self, runtime: Path, pool: DecodePool) -> None:
        self._path = runtime / SOCKET_NAME
        self._pool = pool
        self._sources: Sequence[Source] = ()
        self._live: Mapping[str, LiveSource] = {}
        self._listener: socket.socket | None = None
        self._lock = threading.Lock()
        self._daemon: link.Link | None = None
        self._stopping = threading.Event()

    def watch(self, sources: Sequence[Source], live: Mapping[str, LiveSource]) -> None:
        """Whom to tell of the daemon's coming and going, and who takes released frames by name."""
        self._sources, self._live = sources, live

    def start(self) -> None:
        """Bind the socket (0660: the daemon may run as another user of the same group).

        Raises:
            OSError: the directory cannot be written.
        """
        self._path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        self._path.unlink(missing_ok=True)  # of a process that was killed; the inbox's lock tells two apart
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        listener.bind(str(self._path))
        self._path.chmod(0o660)
        listener.listen(4)
        self._listener = listener
        threading.Thread(target=self._accept, name="accept", daemon=True).start()
        threading.Thread(target=self._report, name="report", daemon=True).start()

    def stop(self) -> None:
        """Close the socket and the connection."""
        self._stopping.set()
        if self._listener is not None:
            self._listener.close()
        self._path.unlink(missing_ok=True)
        with self._lock:
            daemon = self._daemon
        if daemon is not None:
            daemon.close()

    def send(self, message: link.Message, fd: int | None = None) -> bool:
        """Send to the daemon; False if none is connected."""
        with self._lock:
            daemon = self._daemon
        if daemon is None:
            return False
        try:
            daemon.send(message, fd)
        except link.LinkClosed:
            daemon.close()  # wakes its reader, which tells the sources
            return False
        return True

    def notice(self) -> None:
        """Something came into the inbox."""
        self.send({"t": "inbox"})

    def _accept(self) -> None:
        assert self._listener is not None
        while not self._stopping.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return  # closed by `stop`
            with self._lock:
                busy = self._daemon is not None
                if not busy:
                    self._daemon = daemon = link.Link(sock)
            if busy:
                log.warning("a second daemon asked for the capture socket and was turned away")
                sock.close()
                continue
            threading.Thread(target=self._serve, args=(daemon,), name="serve", daemon=True).start()

    def _serve(self, daemon: link.Link) -> None:
        log.info("the daemon is connected")
        for source in self._sources:
            source.attach()
        try:
            while True:
                message, fd = daemon.receive()
                self._on(daemon, message, fd)
        except (link.LinkClosed, KeyError, TypeError, ValueError):
            log.info("the daemon is gone")
        finally:
            with self._lock:
                self._daemon = None
            daemon.close()
            for source in self._sources:
                source.detach()

    def _on(self, daemon: link.Link, message: link.Message, fd: int | None) -> None:
        if message["t"] == "decode" and fd is not None:
            self._pool.submit(str(message["kind"]), fd, _reply_to(daemon, int(message["n"])))
            return
        if fd is not None:
            os.close(fd)
        if message["t"] == "release":
            source = self._live.get(str(message["s"]))
            if source is not None:
                source.release(int(message["g"]), int(message["slot"]))

    def _report(self) -> None:
        """Health of all sources, twice a second."""
        while not self._stopping.wait(0.5):
            self.send({"t": "sources", "list": [source.health().model_dump() for source in self._sources]})


def _reply_to(daemon: link.Link, number: int) -> Callable[[link.Message, int | None], None]:
    def reply(message: link.Message, pixels: int | None) -> None:
        try:
            daemon.send({**message, "t": "decoded", "n": number}, pixels)
        except link.LinkClosed:
            log.debug("the daemon left before its object was decoded")

    return reply
