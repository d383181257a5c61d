"""PNG and JPEG files to display pixels: bytes in, arrays out."""

from __future__ import annotations

import zlib
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.imaging import codestream
from edge.imaging.decoded import Decoded, DecodeLimits, Undecodable
from edge.imaging.frames import Acquisition, Pixels

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_DEPTHS = (8, 10, 12, 14, 16)
"""Bits that devices use of 16."""


def looks_like_still(head: bytes) -> bool:
    """Whether the first bytes of a file are those of a PNG or a JPEG."""
    return head.startswith((_PNG, _JPEG))


def decode(data: bytes | bytearray | memoryview, limits: DecodeLimits) -> Decoded:
    """Decode one PNG or JPEG; its size is checked in the header, before decoding.

    Of a 16-bit PNG the upper 8 of the bits that it uses are shown, see `_eight_bits`; transparency is
    dropped, the EXIF orientation is applied. A file cut short is unreadable: decoders would fill the rest
    with gray.

    Raises:
        Undecodable: with a reason of the closed list; no other exception.
    """
    data = bytes(data)
    declared = codestream.size(data) if looks_like_still(data) else None
    if declared is None or 0 in declared or not _is_whole(data):
        raise Undecodable("unreadable")
    if declared[0] * declared[1] > limits.max_pixels or declared[0] * declared[1] * 3 > limits.max_bytes:
        raise Undecodable("too_large")
    try:
        found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH)
    except MemoryError:
        raise Undecodable("too_large") from None
    except cv2.error:
        raise Undecodable("unreadable") from None
    if found is None:
        raise Undecodable("unreadable")
    return Decoded([_display(found)], Acquisition(), None)


def _display(found: NDArray[Any]) -> Pixels:
    if found.dtype == np.uint16:
        found = _eight_bits(found)
    if found.dtype != np.uint8:
        raise Undecodable("unreadable")
    if found.ndim == 2:
        return found
    return np.asarray(cv2.cvtColor(found, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def _eight_bits(found: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """The upper 8 of the bits in use, by the largest sample: as many of `_DEPTHS` as hold it.

    A PNG has no depth of 12 bits, and few writers scale such samples up or say so (sBIT, ISO 15948
    11.3.2.4): by the upper 8 of 16 bits they would come out black. Steps of two bits, and not the largest
    sample itself, so that a brighter spot seldom changes how the rest is shown.
    """
    largest = int(found.max())
    depth = next(each for each in _DEPTHS if largest < 1 << each)
    return (found >> (depth - 8)).astype(np.uint8)


def _is_whole(data: bytes) -> bool:
    """Whether the file goes on to its end marker, with every PNG chunk intact (ISO 15948 5.3)."""
    if data.startswith(_JPEG):
        return b"\xff\xd9" in data[-4096:]  # some cameras append a little after the end of image
    at = len(_PNG)
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        end = at + 8 + length
        if end + 4 > len(data) or zlib.crc32(data[at + 4 : end]) != int.from_bytes(
            data[end : end + 4], "big"
        ):
            return False
        if data[at + 4 : at + 8] == b"IEND":
            return True
        at = end + 4
    return False
