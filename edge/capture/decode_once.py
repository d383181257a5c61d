"""One object of foreign bytes decoded in a worker that ends with it, for a command at the box."""

from __future__ import annotations

import threading

from edge.capture import link
from edge.capture.client import unpack_decoded
from edge.capture.decode_pool import DecodePool, PoolLimits
from edge.imaging.decoded import Decoded, Undecodable


def decode_once(kind: str, data: bytes | bytearray, limits: PoolLimits) -> Decoded:
    """Decode one object, confined as those that come from the network are.

    Raises:
        Undecodable: it gives no pixels.
        CaptureLost: no worker could be started.
    """
    done, answers = threading.Event(), list[Decoded | Exception]()

    def reply(message: link.Message, fd: int | None) -> None:
        try:
            answers.append(unpack_decoded(message, fd))
        except Exception as error:  # noqa: BLE001 - it is raised where it is waited for
            answers.append(error)
        done.set()

    pool = DecodePool(1, limits)
    pool.start()
    try:
        pool.submit(kind, link.memory("object", data), reply)
        done.wait()
    finally:
        pool.stop()
    (answer,) = answers
    if isinstance(answer, Decoded):
        return answer
    if isinstance(answer, (link.LinkClosed, KeyError, TypeError, ValueError)):
        raise Undecodable("unreadable") from None
    raise answer
