"""An audit log as JSON lines, each bound to the one before it by that line's SHA-256.

Who alters, removes or inserts a line breaks the chain from there on. It does not stop whoever may write
the file from making the whole chain anew, nor from cutting off its end: against that, note the last
digest elsewhere (`edge clinic audit` and `edge quarantine audit` print it).
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_START = "0" * 64


@dataclass(frozen=True)
class Checked:
    """What `check` found. ``broken``: number of the first line that does not fit, from 1; 0: all fit."""

    lines: int
    broken: int
    last: str


def append(path: Path, fields: Mapping[str, str | int | bool | None]) -> None:
    """Add one line, through fsync, before this returns.

    Raises:
        OSError: it cannot be written; then what it would have told must not be done.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(handle, "r+b", buffering=0) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        before = file.read().splitlines()
        line = {**fields, "before": _digest(before[-1]) if before else _START}
        file.write(json.dumps(line).encode() + b"\n")
        os.fsync(file.fileno())


def check(path: Path) -> Checked:
    """Follow the chain from the first line to the last; a log that is not there has no lines."""
    lines = path.read_bytes().splitlines() if path.exists() else []
    last, broken = _START, 0
    for number, line in enumerate(lines, 1):
        if not broken and _before(line) != last:
            broken = number
        last = _digest(line)
    return Checked(len(lines), broken, last)


def _before(line: bytes) -> str | None:
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value.get("before") if isinstance(value, dict) else None


def _digest(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()
