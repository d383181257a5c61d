"""CBOR from strangers: limits are checked before a decoder sees the bytes.

`scan` walks the heads of the data items (RFC 8949 section 3) without building anything, with a
loop and not by recursion. So a bomb of nested arrays, a length of 2**60, a cyclic reference or a
bignum costs nothing. Only what this protocol uses passes: definite lengths, shortest heads, text,
bytes, arrays, maps, integers, floats, true, false, null, and those tags that the caller names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import cbor2

Reason = Literal["too_large", "too_deep", "too_many", "malformed", "not_canonical"]


class CborError(Exception):
    """The bytes were refused; ``reason`` says why, the text never holds content."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason: Reason = reason


@dataclass(frozen=True)
class Limits:
    """Bounds on foreign CBOR: bytes in all, depth of nesting, number of data items."""

    size: int = 1 << 22
    depth: int = 12
    items: int = 100_000


_SHORTEST = {24: 24, 25: 1 << 8, 26: 1 << 16, 27: 1 << 32}
_WIDTH = {24: 1, 25: 2, 26: 4, 27: 8}
_BYTES, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = 2, 3, 4, 5, 6, 7


def _head(data: bytes, at: int) -> tuple[int, int, int]:
    """Major type, argument, and where the head ends; refuses every form this protocol has no use for."""
    if at >= len(data):
        raise CborError("malformed")
    major, low = data[at] >> 5, data[at] & 0x1F
    at += 1
    if low > 27:
        raise CborError("malformed")  # reserved, or of indefinite length
    if major == _SIMPLE and (low < 20 or low in (23, 24)):
        raise CborError("malformed")  # simple values other than false, true, null
    if low < 24:
        return major, low, at
    end = at + _WIDTH[low]
    value = int.from_bytes(data[at:end], "big")
    if major != _SIMPLE and value < _SHORTEST[low]:
        raise CborError("not_canonical")
    return major, value, end


def _children(major: int, value: int, left: int, tags: frozenset[int]) -> int:
    """How many data items lie inside one."""
    if major == _TAG:
        if value not in tags:
            raise CborError("malformed")
        return 1
    children = value * (major - 3) if major in (_ARRAY, _MAP) else 0
    if children > left:  # each takes a byte at least
        raise CborError("malformed")
    return children


def scan(data: bytes, limits: Limits, tags: frozenset[int] = frozenset()) -> None:
    """Check the shape of one CBOR data item that fills ``data``.

    Raises:
        CborError: it breaks a limit or is no such item.
    """
    end = len(data)
    if end > limits.size:
        raise CborError("too_large")
    at, seen = 0, 0
    waiting = [1]  # items still to come, one number a level
    while waiting:
        if waiting[-1] == 0:
            waiting.pop()
            continue
        waiting[-1] -= 1
        seen += 1
        major, value, at = _head(data, at)
        if major in (_BYTES, _TEXT):
            at += value
        elif major in (_ARRAY, _MAP, _TAG):
            waiting.append(_children(major, value, end - at, tags))
        if at > end:
            raise CborError("malformed")
        if seen > limits.items:
            raise CborError("too_many")
        if len(waiting) > limits.depth + 1:
            raise CborError("too_deep")
    if at != end:
        raise CborError("malformed")


def dumps(value: Any) -> bytes:
    """Deterministic encoding (RFC 8949 section 4.2)."""
    return cbor2.dumps(value, canonical=True)


def loads(data: bytes, limits: Limits, tags: frozenset[int] = frozenset()) -> Any:
    """Decode one data item, after `scan`; the bytes must be its deterministic encoding.

    Determinism leaves one encoding to each value: two keys of one map cannot be equal, and no bit
    of the bytes is without meaning.

    Raises:
        CborError: refused.
    """
    scan(data, limits, tags)
    try:
        value = cbor2.loads(data)
        again = dumps(value)
    except (cbor2.CBORError, ValueError, TypeError, OverflowError) as error:
        raise CborError("malformed") from error
    if again != data:
        raise CborError("not_canonical")
    return value
