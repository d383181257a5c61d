"""Results as JSON lines: everything but identity."""

from __future__ import annotations

import json
from typing import Any

from edge.clinic.examine import AnyBody
from edge.messages import Body
from edge.wire.receipts import peek

_IDENTITY = ("identity", "identity_kid")


def line(body: Body | AnyBody, arrived_ms: int) -> str:
    """Return one JSON object without a line break.

    Bytes (digests, handles, activation maps) are written in hex. ``identified`` says whether an
    identity block came with the result; the block itself stays in the vault, for the custodian.
    ``receipts`` are shown as they came; ``edge clinic verify-receipt`` checks them.
    ``arrived_ms`` is when the message reached the receiver, Unix milliseconds.
    """
    fields = body.model_dump(mode="python")
    identified = fields.get("identity") is not None
    for name in _IDENTITY:
        fields.pop(name, None)
    if fields.get("receipts") is not None:
        fields["receipts"] = peek(fields["receipts"])
    fields |= {"identified": identified, "arrived_ms": arrived_ms}
    return json.dumps(fields, default=_plain, ensure_ascii=False, separators=(",", ":"))


def _plain(value: Any) -> str:
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(f"cannot write a {type(value).__name__} as JSON")
