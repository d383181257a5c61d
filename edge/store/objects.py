"""Sealed objects as directories: written, opened, counted, destroyed; for inbox and quarantine.

An object is a directory that holds two files, ``key`` and ``data`` (`edge.store.inbox_crypto`). It is
written under a name that starts with `NEW`, synced, and then renamed: the rename is the moment from which
it is there. Destruction renames it to a name that starts with `GONE`, the moment from which it is not, and
then overwrites and removes ``key`` first, so that what a power cut or a flash translation layer leaves
behind of ``data`` is noise. A start ends the destructions that a kill cut short.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import cbor2

from edge.store import inbox_crypto as crypto

ID = re.compile(r"[0-9a-f]{32}")
NEW, GONE = ".new-", ".del-"
_HEAD_MAX = 4096


class Damaged(Exception):  # noqa: N818
    """The object cannot be opened: changed on the disk, or sealed to another disk key."""


@dataclass(frozen=True, repr=False)
class Item:
    """One object, opened."""

    id: bytes
    kind: str
    source: str
    received_ms: int
    data: bytearray


@dataclass(frozen=True)
class Counts:
    """What lies in a directory of objects."""

    objects: int
    bytes: int


Content = bytes | bytearray | memoryview


def head_of(kind: str, source: str, received_ms: int, length: int) -> bytes:
    """The first chunk of ``data``: what the object is, where it came from and when."""
    return cbor2.dumps({"kind": kind, "source": source, "received_ms": received_ms, "length": length})


def new_id(received_ms: int) -> bytes:
    """An id of 16 bytes that ascends with time: 8 bytes of it, 8 random."""
    return received_ms.to_bytes(8, "big", signed=False) + secrets.token_bytes(8)


def write(
    new: Path, place: Path, public_key: crypto.DiskPublicKey, object_id: bytes, head: bytes, data: Content
) -> None:
    """Seal an object into the directory ``new`` and rename it to ``place``; through fsync.

    Raises:
        OSError: the disk refuses; nothing of it is left.
    """
    key = crypto.new_key()
    try:
        new.mkdir(mode=0o770)
        _write_synced(new / "key", [crypto.wrap(key, public_key, object_id)])
        _write_synced(new / "data", crypto.seal_chunks(key, head, data))
        crypto.sync_directory(new)
        new.rename(place)
        crypto.sync_directory(place.parent)
    except OSError:
        shutil.rmtree(new, ignore_errors=True)
        raise


def open_(folder: Path, private_key: crypto.DiskPrivateKey, object_id: bytes) -> Item:
    """Decrypt one object.

    Raises:
        KeyError: no such object (any more).
        Damaged: it cannot be opened.
    """
    with _opening(folder, private_key, object_id) as (file, key):
        head, pieces, left = _head(file, key)
        data = bytearray(max(0, left - pieces * crypto.TAG))
        if head["length"] != len(data):
            raise crypto.SealBroken("the object is cut short")
        for number in range(pieces):
            sealed = file.read(crypto.CHUNK + crypto.TAG)
            start = number * crypto.CHUNK
            plain = crypto.open_chunk(key, number + 1, number + 1 == pieces, sealed)
            data[start : start + len(plain)] = plain
        return Item(object_id, str(head["kind"]), str(head["source"]), int(head["received_ms"]), data)


def glance(folder: Path, private_key: crypto.DiskPrivateKey, object_id: bytes) -> tuple[str, str, int]:
    """Kind, source and time of one object, without decrypting the rest of it; raises as `open_` does."""
    with _opening(folder, private_key, object_id) as (file, key):
        head, _, _ = _head(file, key)
        return str(head["kind"]), str(head["source"]), int(head["received_ms"])


@contextmanager
def _opening(
    folder: Path, private_key: crypto.DiskPrivateKey, object_id: bytes
) -> Iterator[tuple[BinaryIO, bytes]]:
    try:
        key = crypto.unwrap((folder / "key").read_bytes(), private_key, object_id)
        file = (folder / "data").open("rb")
    except FileNotFoundError:
        raise KeyError(object_id.hex()) from None
    except crypto.SealBroken as error:
        raise Damaged("the object cannot be opened") from error
    with file:
        try:
            yield file, key
        except (crypto.SealBroken, cbor2.CBORError, KeyError, TypeError, ValueError) as error:
            raise Damaged("the object cannot be opened") from error


def _head(file: BinaryIO, key: bytes) -> tuple[dict[str, Any], int, int]:
    """The head, how many pieces follow, and their length on the disk."""
    length = int.from_bytes(file.read(2), "big")
    left = max(0, os.fstat(file.fileno()).st_size - 2 - length)
    pieces = -(-left // (crypto.CHUNK + crypto.TAG))
    if length > _HEAD_MAX:
        raise crypto.SealBroken("the head is too long")
    return cbor2.loads(crypto.open_chunk(key, 0, pieces == 0, file.read(length))), pieces, left


def _write_synced(path: Path, pieces: Iterable[bytes]) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o660), "wb") as file:
        file.writelines(pieces)
        file.flush()
        os.fsync(file.fileno())


def destroy(folder: Path) -> None:
    """Out of the list first, so that no object is ever listed whose key is half-overwritten."""
    gone = folder.with_name(GONE + folder.name)
    try:
        folder.rename(gone)
        crypto.sync_directory(folder.parent)
    except FileNotFoundError:
        pass  # deleted before; perhaps not to the end
    _shred(gone)


def finish_destructions(directory: Path) -> None:
    """End the destructions that a kill cut short."""
    for name in names(directory):
        if name.startswith(GONE):
            _shred(directory / name)


def _shred(folder: Path) -> None:
    """Key first: overwritten, synced, removed; then the rest. Two processes may do it at once."""
    key = folder / "key"
    try:
        with key.open("r+b") as file:
            file.write(secrets.token_bytes(os.fstat(file.fileno()).st_size))
            file.flush()
            os.fsync(file.fileno())
        key.unlink()
        crypto.sync_directory(folder)
    except FileNotFoundError:
        pass  # destroyed before, by a process that was killed after this step
    shutil.rmtree(folder, ignore_errors=True)


def names(directory: Path) -> list[str]:
    """Of everything in the directory, in no order."""
    return [path.name for path in directory.iterdir()]


def complete(directory: Path) -> list[str]:
    """Names of complete objects, ascending; a directory without a key is one being deleted."""
    return sorted(
        name for name in names(directory) if ID.fullmatch(name) and (directory / name / "key").exists()
    )


def size(folder: Path) -> int:
    """Bytes of one object on the disk."""
    total = 0
    for name in ("key", "data"):
        try:
            total += (folder / name).stat().st_size
        except FileNotFoundError:
            continue  # deleted while we look
    return total


def counts(directory: Path) -> Counts:
    """All objects, whatever stands behind the id in their names."""
    folders = [name for name in names(directory) if ID.match(name)]
    return Counts(len(folders), sum(size(directory / name) for name in folders))


def clean(directory: Path) -> None:
    """Remove what was being written or deleted when a process was killed."""
    for name in names(directory):
        folder = directory / name
        if name.startswith(NEW) or (ID.fullmatch(name) and not (folder / "key").exists()):
            shutil.rmtree(folder, ignore_errors=True)
    finish_destructions(directory)
    crypto.sync_directory(directory)
