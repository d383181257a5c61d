"""Padding of ISO/IEC 7816-4: one byte 0x80, then zeros, up to the next step.

The length of a result would tell the diagnosis: an abstention is shorter than a label. So all that
shows is how many steps of 1 KiB a plaintext fills.
"""

from __future__ import annotations

from edge.wire.errors import EnvelopeError

STEP = 1024


def pad(data: bytes) -> bytes:
    """``data`` and at least one byte of padding; the length is a multiple of `STEP`."""
    return data + b"\x80" + bytes(-(len(data) + 1) % STEP)


def unpad(data: bytes) -> bytes:
    """Undo `pad`. Called on authenticated plaintext only, so there is no padding oracle.

    Raises:
        EnvelopeError: ``malformed``.
    """
    bare = data.rstrip(b"\x00")
    if len(data) % STEP or not bare.endswith(b"\x80") or len(data) - len(bare) >= STEP:
        raise EnvelopeError("malformed")
    return bare[:-1]
