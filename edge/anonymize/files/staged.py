"""A copy in the making: written under a provisional name, and moved to its own when it is whole."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


class OutputFailed(Exception):  # noqa: N818  # what happened, as its users name it
    """OUT or the report cannot be written: the run stops, for the next file would meet the same.

    Args:
        code: errno.
    """

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@contextmanager
def output() -> Iterator[None]:
    """Turns a failure of the file system into `OutputFailed`, apart from failures of reading."""
    try:
        yield
    except OSError as error:
        raise OutputFailed(error.errno or 0) from error


@dataclass(frozen=True)
class Copy:
    """A copy that is whole and on disk."""

    sha256: str
    bytes: int


def write(path: Path, parts: Iterable[bytes]) -> Copy:
    """Write ``parts`` and wait until they are on disk. What makes the parts may raise what it likes.

    Raises:
        OutputFailed: the file system refuses.
    """
    digest, size = hashlib.sha256(), 0
    with output():
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
    try:
        for part in parts:
            digest.update(part)
            size += len(part)
            with output():
                write_all(fd, part)
        with output():
            os.fsync(fd)
    finally:
        os.close(fd)
    return Copy(digest.hexdigest(), size)


def adopt(path: Path) -> Copy:
    """Bring to disk what somebody else wrote.

    Raises:
        OutputFailed: the file system refuses.
    """
    digest = hashlib.sha256()
    with output(), path.open("rb") as file:
        os.fsync(file.fileno())
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
        return Copy(digest.hexdigest(), file.tell())


def write_all(fd: int, data: bytes) -> None:
    """Write every byte of ``data``, in as many calls as it takes."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]
