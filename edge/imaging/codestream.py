"""Sizes that compressed images declare in their own headers, read without a decoder.

A DICOM header may say 64 x 64 while the codestream inside says 20,000 x 20,000, and it is the
codestream that a decoder allocates for. So each is asked before it is decoded.
"""

from __future__ import annotations

_PNG = b"\x89PNG\r\n\x1a\n"
_JP2_SIGNATURE = b"\0\0\0\x0cjP  \r\n\x87\n"
_JPEG2000_SOC_SIZ = b"\xff\x4f\xff\x51"

# JPEG markers without a length (ISO 10918-1 B.1.1.3): TEM, RST0..7, SOI, EOI.
_BARE = frozenset({0x01, *range(0xD0, 0xDA)})
# Start of frame: SOF0..15 without DHT, JPG, DAC; and SOF55 of JPEG-LS (ISO 14495-1).
_START_OF_FRAME = (frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}) | {0xF7}


def size(data: bytes) -> tuple[int, int] | None:
    """Rows and columns declared by a PNG, JPEG, JPEG-LS or JPEG 2000 stream; None if it is none."""
    if data.startswith(_PNG):
        return _png(data)
    if data.startswith(b"\xff\xd8"):
        return _jpeg(data)
    return _jpeg2000(data)


def _png(data: bytes) -> tuple[int, int] | None:
    """IHDR, the first chunk (ISO 15948 11.2.2): width, height."""
    if len(data) < 24 or data[12:16] != b"IHDR":
        return None
    return int.from_bytes(data[20:24], "big"), int.from_bytes(data[16:20], "big")


def _jpeg(data: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
        elif marker in _BARE:
            at += 2
        elif marker in _START_OF_FRAME:
            if at + 9 > len(data):
                return None
            return int.from_bytes(data[at + 5 : at + 7], "big"), int.from_bytes(data[at + 7 : at + 9], "big")
        else:
            at += 2 + max(2, int.from_bytes(data[at + 2 : at + 4], "big"))
    return None


def _jpeg2000(data: bytes) -> tuple[int, int] | None:
    """SIZ segment (ISO 15444-1 A.5.1): Xsiz, Ysiz less their offsets. JP2 boxes are skipped."""
    if data.startswith(_JPEG2000_SOC_SIZ):
        at = 0
    elif data.startswith(_JP2_SIGNATURE):
        at = data.find(_JPEG2000_SOC_SIZ)
    else:
        return None
    if at < 0 or at + 24 > len(data):
        return None
    x, y, left, top = (int.from_bytes(data[at + 8 + 4 * i : at + 12 + 4 * i], "big") for i in range(4))
    return max(0, y - top), max(0, x - left)
