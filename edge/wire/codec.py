"""Bodies to bytes and back: typed messages as deterministic CBOR.

Unknown fields are kept, so a body that was read and written again has lost nothing.
"""

from __future__ import annotations

from typing import Any, Literal, TypeVar

import cbor2
from pydantic import TypeAdapter, ValidationError

from edge.messages import Body, Message
from edge.wire import cbor

LIMITS = cbor.Limits(items=400_000)
"""Bounds on a body: 4 MiB, 12 levels, 400,000 data items.

An object result of 2,000 frames (the decoder's bound) has about 200,000 items: 14 probabilities,
two detectors and the rest of a finding make a hundred each.
"""

Reason = Literal["too_large", "too_deep", "too_many", "malformed", "not_canonical", "unknown_kind", "invalid"]

M = TypeVar("M", bound=Message)

_BODY: TypeAdapter[Any] = TypeAdapter(Body)


class CodecError(Exception):
    """Bytes that are no body; ``reason`` says why, the text never holds content."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason: Reason = reason


def encode(body: Message) -> bytes:
    """Deterministic CBOR of a message, unknown fields included.

    What the other side would refuse is refused here: a body that left and can never be acknowledged
    would hold up its whole stream.

    Raises:
        CodecError: ``too_large``, ``too_deep``, ``too_many``, or ``malformed`` for values that the
            protocol does not carry.
    """
    try:
        data = cbor.dumps(body.model_dump(mode="python"))
        cbor.scan(data, LIMITS)
    except cbor.CborError as error:
        raise CodecError(error.reason) from error
    except (cbor2.CBORError, ValueError, TypeError, OverflowError):
        raise CodecError("malformed") from None  # the cause would hold values
    return data


def _map(data: bytes) -> dict[str, Any]:
    try:
        value = cbor.loads(data, LIMITS)
    except cbor.CborError as error:
        raise CodecError(error.reason) from error
    if not isinstance(value, dict):
        raise CodecError("malformed")
    return value


def decode(data: bytes) -> Body:
    """Read a body of ``result/`` or ``event/``.

    Raises:
        CodecError: refused. ``unknown_kind`` is a body of a kind or version that this reader does
            not know; it is well-formed and worth keeping.
    """
    value = _map(data)
    try:
        body: Body = _BODY.validate_python(value)
    except ValidationError as error:
        raise CodecError(_why(error)) from None  # the cause would hold values
    return body


def decode_as(model: type[M], data: bytes) -> M:
    """Read a message of one type, such as `Acknowledgement`.

    Raises:
        CodecError: refused, as in `decode`.
    """
    value = _map(data)
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise CodecError(_why(error)) from None


def _why(error: ValidationError) -> Reason:
    for item in error.errors(include_input=False, include_url=False):
        top = item["loc"][-1] if item["loc"] else ""
        if item["type"].startswith("union_tag") and not item["loc"]:
            return "unknown_kind"
        if item["type"] == "literal_error" and len(item["loc"]) <= 2 and top in ("v", "kind"):
            return "unknown_kind"
    return "invalid"
