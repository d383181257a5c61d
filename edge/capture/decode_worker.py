"""A process that decodes foreign images, one at a time: bytes in by memfd, pixels out by memfd.

Started by `edge.capture.decode_pool` as ``python -m edge.capture.decode_worker FD PARENT LIMITS``.
It opens no file and no network. If an input kills it, nothing else dies.
"""

from __future__ import annotations

import logging
import os
import socket
import sys

import cbor2
import numpy as np

from edge.capture import link
from edge.capture.confine import confine_worker
from edge.imaging import dicom, still
from edge.imaging.decoded import DecodeLimits, Opened, Undecodable
from edge.imaging.frames import Acquisition, Identity


def _open(kind: str, data: bytes, limits: DecodeLimits) -> Opened:
    if kind == "dicom":
        return dicom.open_(data, limits)
    decoded = still.decode(data, limits)
    shape = decoded.frames[0].shape
    return Opened(1, shape, iter(decoded.frames), decoded.acquisition, decoded.identity)


def _answer(kind: str, data: bytes, limits: DecodeLimits) -> tuple[link.Message, int | None]:
    """The reply to one request, and the pixels' memfd if there are any."""
    pixels = os.memfd_create("pixels", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    done = False
    try:
        opened = _open(kind, data, limits)
        for frame in opened.frames:
            link.write_all(pixels, np.ascontiguousarray(frame).data)
        link.seal(pixels)
        done = True
    except Undecodable as error:
        return _refusal(error), None
    except (MemoryError, OSError):  # OSError: the output is beyond RLIMIT_FSIZE
        return _refusal(Undecodable("too_large")), None
    finally:
        if not done:
            os.close(pixels)
    header = _header(opened.acquisition, opened.identity)
    return {**header, "ok": True, "count": opened.count, "shape": list(opened.shape)}, pixels


def _refusal(error: Undecodable) -> link.Message:
    return {**_header(error.acquisition, error.identity), "ok": False, "reason": error.reason}


def _header(acquisition: Acquisition | None, identity: Identity | None) -> link.Message:
    packed = {"acquisition": link.pack_acquisition(acquisition), "identity": link.pack_identity(identity)}
    return {"t": "decoded", **packed}


def serve(end: link.Link, limits: DecodeLimits, max_input: int) -> None:
    """Answer requests until the other end is gone."""
    end.send({"t": "ready"})
    while True:
        try:
            message, fd = end.receive()
        except link.LinkClosed:
            return
        if fd is None:
            return
        try:
            data = link.read_memory(fd, max_input)
        finally:
            os.close(fd)
        reply, pixels = _answer(str(message.get("kind")), data, limits)
        del data
        end.send(reply, pixels)
        if pixels is not None:
            os.close(pixels)


def main() -> int:
    """Arguments: descriptor of the socket, parent's process id, limits as hexadecimal CBOR."""
    fd, parent, options = int(sys.argv[1]), int(sys.argv[2]), cbor2.loads(bytes.fromhex(sys.argv[3]))
    limits = DecodeLimits(options["max_pixels"], options["max_frames"], options["max_bytes"])
    logging.disable(logging.CRITICAL)  # decoders' messages quote what they read
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 1)
    os.dup2(sink, 2)  # native decoders write there
    confine_worker(parent, options["memory"], limits.max_bytes)
    serve(link.Link(socket.socket(fileno=fd), send_timeout=60), limits, options["max_input"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
