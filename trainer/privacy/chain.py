"""A file that only grows: JSON lines, each bound to the one before by a SHA-256, forced to the disk.

The chain finds what was damaged or edited in the middle. It does not stop a person who may write the
file from cutting whole lines off its end or from making all of it anew: nothing on one's own disk can.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

START = "0" * 64
"""What stands in the place of the hash before the first line."""


class ChainError(ValueError):
    """The file cannot be trusted or written; the message says what to do."""


@dataclass(frozen=True)
class Line:
    """One line that fits into the chain."""

    number: int
    """From 1."""
    body: dict[str, Any]
    hash: str


@dataclass(frozen=True)
class Chain:
    """A file as it was read."""

    lines: tuple[Line, ...]
    end: int
    """Length in bytes of what is whole."""
    torn: int
    """Bytes after that: the beginning of a line that a power cut left."""
    unended: bool
    """Whether the last line is whole but for its line feed."""

    @property
    def head(self) -> str:
        """Hash of the last line."""
        return self.lines[-1].hash if self.lines else START


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder for this process alone; waits while another one holds it. The folder is made if needed.

    Raises:
        ChainError: the folder cannot be made or written.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ChainError(f"{folder} cannot be written ({reason}); give another with --ledger") from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def read(path: Path) -> Chain:
    """Read and verify a file; one that is not there is empty.

    Raises:
        ChainError: it cannot be read, or a line does not fit to the one before.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return Chain((), 0, 0, unended=False)
    except OSError as error:
        raise ChainError(f"{path} cannot be read ({error.strerror})") from None
    *whole, tail = data.split(b"\n")
    lines: list[Line] = []
    for raw in whole:
        line = _parse(raw, len(lines) + 1, lines[-1].hash if lines else START)
        if line is None:
            raise ChainError(
                f"line {len(lines) + 1} of {path} is not what was written there, or one before it is gone; "
                "restore the file from a backup: until then nothing is trained with the ledgers beside it"
            )
        lines.append(line)
    end = len(data) - len(tail)
    line = _parse(tail, len(lines) + 1, lines[-1].hash if lines else START) if tail else None
    if line is not None:
        return Chain((*lines, line), len(data), 0, unended=True)
    return Chain(tuple(lines), end, len(tail), unended=False)


def append(path: Path, chain: Chain, body: dict[str, Any]) -> Chain:
    """Add a line and return when it is on the disk. Call it within `locked`, with what `read` gave there.

    A torn end is cut off first: `append` had not returned for it, so nothing happened that it spoke of.

    Raises:
        ChainError: there is no room, or the file cannot be written. It is left as it was.
    """
    number = len(chain.lines) + 1
    if chain.torn:
        body = {**body, "torn_bytes_cut_before": chain.torn}
    line = Line(number, body, _hash(chain.head, number, body))
    text = json.dumps({**body, "n": number, "hash": line.hash}, allow_nan=False).encode() + b"\n"
    data = (b"\n" if chain.unended else b"") + text
    try:
        new = not path.exists()
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ChainError(f"{path} cannot be written ({error.strerror}); nothing was done") from None
    try:
        os.ftruncate(handle, chain.end)
        _write(handle, data, chain.end)
        os.fsync(handle)
        if new:
            _sync_folder(path.parent)
    except OSError as error:
        os.ftruncate(handle, chain.end)
        raise ChainError(
            f"{path} cannot be extended ({error.strerror}), and what is not on record is not done; "
            "make room or give another directory with --ledger"
        ) from None
    finally:
        os.close(handle)
    return Chain((*chain.lines, line), chain.end + len(data), 0, unended=False)


def _write(handle: int, data: bytes, offset: int) -> None:
    written = 0
    while written < len(data):
        written += os.pwrite(handle, data[written:], offset + written)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _hash(before: str, number: int, body: dict[str, Any]) -> str:
    text = json.dumps([before, number, body], sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _parse(raw: bytes, number: int, before: str) -> Line | None:
    try:
        body = json.loads(raw)
    except ValueError:
        return None
    if not isinstance(body, dict):
        return None
    said, place = body.pop("hash", None), body.pop("n", None)
    try:
        fits = place == number and said == _hash(before, number, body)
    except ValueError:  # a number that JSON does not have
        return None
    return Line(number, body, said) if fits else None
