"""The socket between daemon, capture process and workers: small messages and sealed memory.

AF_UNIX, SOCK_SEQPACKET: a message is one CBOR map with a type ``t``, and at most one file
descriptor goes along (SCM_RIGHTS). Pixels and objects travel as memfds, never in messages.

Whoever receives a memfd checks its seals before mapping it: without F_SEAL_SHRINK the other end
could cut it short and make the reader die of SIGBUS.

======================  =========================================  ==========================
daemon -> capture       ``decode`` {n, kind} + object              ``release`` {s, g, slot}
capture -> daemon       ``decoded`` {n, ...} (+ pixels)            ``inbox`` {}
                        ``ring`` {s, g, slots, size} + memory      ``frame`` {s, g, slot, ...}
                        ``sources`` {list}
======================  =========================================  ==========================
"""

from __future__ import annotations

import fcntl
import mmap
import os
import socket
import struct
import threading
from contextlib import suppress
from typing import Any

import cbor2

from edge.imaging.frames import Acquisition, Identity, Region

MAX_MESSAGE = 128 << 10
_SEALED_SIZE = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW
_SEALED_ALL = _SEALED_SIZE | fcntl.F_SEAL_WRITE

Message = dict[str, Any]


class LinkClosed(Exception):  # noqa: N818  it says what happened
    """The other end is gone, hangs, or speaks another language."""


class Link:
    """One end of a connection. One thread receives; any thread sends."""

    def __init__(self, sock: socket.socket, send_timeout: float = 5.0) -> None:
        """``send_timeout``: seconds after which an end that reads nothing counts as gone."""
        self.socket = sock
        self._lock = threading.Lock()
        seconds = int(send_timeout)
        stamp = struct.pack("ll", seconds, int((send_timeout - seconds) * 1e6))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, stamp)

    def send(self, message: Message, fd: int | None = None) -> None:
        """Send one message; the descriptor is duplicated, the caller closes its own.

        Raises:
            LinkClosed: the other end is gone or does not read.
        """
        data = cbor2.dumps(message)
        if len(data) > MAX_MESSAGE:
            raise ValueError("message too large")
        try:
            with self._lock:
                if fd is None:
                    self.socket.send(data, socket.MSG_NOSIGNAL)
                else:
                    socket.send_fds(self.socket, [data], [fd], socket.MSG_NOSIGNAL)
        except OSError as error:
            raise LinkClosed("the other end is gone") from error

    def receive(self) -> tuple[Message, int | None]:
        """Wait for one message; the caller owns the descriptor.

        Raises:
            LinkClosed: the other end is gone or sent what is no message.
        """
        try:
            data, fds, flags, _ = socket.recv_fds(self.socket, MAX_MESSAGE, 1, socket.MSG_CMSG_CLOEXEC)
        except OSError as error:
            raise LinkClosed("the other end is gone") from error
        fd = fds[0] if fds else None
        message = _parsed(data) if not flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC) else None
        if message is None:
            if fd is not None:
                os.close(fd)
            raise LinkClosed("not a message" if data else "the other end is gone")
        return message, fd

    def close(self) -> None:
        """Wake whoever waits in `receive` and end the connection."""
        with suppress(OSError):  # the other end was faster
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


def _parsed(data: bytes) -> Message | None:
    """The message, or None if the bytes are none."""
    try:
        message = cbor2.loads(data)
    except (cbor2.CBORError, ValueError, RecursionError):
        return None
    return message if isinstance(message, dict) and isinstance(message.get("t"), str) else None


def memory(name: str, data: bytes | bytearray | memoryview) -> int:
    """A sealed memfd that holds ``data``; the caller closes it."""
    fd = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        write_all(fd, data)
        seal(fd)
    except OSError:
        os.close(fd)
        raise
    return fd


def write_all(fd: int, data: bytes | bytearray | memoryview) -> None:
    """Write all of ``data``."""
    view = memoryview(data).cast("B")
    while view:
        view = view[os.write(fd, view) :]


def seal(fd: int) -> None:
    """Nobody can change the memfd any more."""
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALED_ALL | fcntl.F_SEAL_SEAL)


def shared_memory(name: str, size: int) -> int:
    """A memfd of fixed size that stays writable; the caller closes it."""
    fd = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, size)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALED_SIZE | fcntl.F_SEAL_SEAL)
    return fd


def map_memory(fd: int, size: int, *, written_once: bool) -> mmap.mmap:
    """Map a received memfd read-only.

    Args:
        fd: the descriptor; it stays open.
        size: bytes that must be there.
        written_once: whether its content must be sealed, too, and not only its size.

    Raises:
        LinkClosed: it is not sealed or too small.
    """
    wanted = _SEALED_ALL if written_once else _SEALED_SIZE
    try:
        sealed = fcntl.fcntl(fd, fcntl.F_GET_SEALS) & wanted == wanted
        if not sealed or size < 1 or os.fstat(fd).st_size < size:
            raise LinkClosed("shared memory is not as announced")
        return mmap.mmap(fd, size, mmap.MAP_SHARED, mmap.PROT_READ)
    except OSError as error:
        raise LinkClosed("shared memory is not as announced") from error


def read_memory(fd: int, limit: int) -> bytes:
    """All bytes of a received memfd.

    Raises:
        LinkClosed: it is larger than ``limit``.
    """
    size = os.fstat(fd).st_size
    if size > limit:
        raise LinkClosed("object larger than allowed")
    return os.pread(fd, size, 0) if size < 1 << 30 else _read_long(fd, size)


def _read_long(fd: int, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:  # one read gives at most 2 GiB
        piece = os.pread(fd, 1 << 30, len(data))
        if not piece:
            raise LinkClosed("shared memory is not as announced")
        data += piece
    return bytes(data)


_WORDS = ("modality", "body_part", "view", "manufacturer", "model_name", "software", "image_type")


def pack_acquisition(value: Acquisition | None) -> Message | None:
    """`Acquisition` as a plain map."""
    if value is None:
        return None
    regions = [[r.left, r.top, r.right, r.bottom] for r in value.regions]
    words: Message = {key: getattr(value, key) for key in _WORDS}
    return {**words, "regions": regions, "secondary": value.secondary, "scripts": list(value.scripts)}


def unpack_acquisition(value: Message | None) -> Acquisition | None:
    """The inverse of `pack_acquisition`."""
    if value is None:
        return None
    words = {key: str(value[key]) for key in _WORDS}
    regions = tuple(Region(*(int(side) for side in region)) for region in value["regions"])
    scripts = tuple(map(str, value["scripts"]))
    return Acquisition(**words, regions=regions, secondary=bool(value["secondary"]), scripts=scripts)


_IDENTITY = ("patient_id", "issuer", "accession_number", "study_uid", "series_uid", "sop_uid")


def pack_identity(value: Identity | None) -> Message | None:
    """`Identity` as a plain map, for this socket alone: it is the same machine's memory."""
    if value is None:
        return None
    return {**{key: getattr(value, key) for key in _IDENTITY}, "names": list(value.names)}


def unpack_identity(value: Message | None) -> Identity | None:
    """The inverse of `pack_identity`."""
    if value is None:
        return None
    words = {key: str(value[key]) for key in _IDENTITY}
    return Identity(**words, names=tuple(str(name) for name in value["names"]))
