"""How often a split was read: each look at a test split makes the next figure a little less honest.

One line of JSON a read, appended under a lock to ``split-reads.log`` in the directory of the ledgers
(`trainer.privacy.folder.default_folder`: EDGE_LEDGER, the site's, the user's own). A split is known by the
SHA-256 over the sorted SHA-256 of its files, so copies and renamed folders count as the same split. The
line names the model that was judged and how many images were looked at, and nothing about any of them.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterable
from datetime import datetime, timezone
from pathlib import Path

from trainer.data.dataset import Record, digests
from trainer.evaluation.errors import EvaluationError
from trainer.privacy.folder import default_folder

FILE = "split-reads.log"


def directory() -> Path:
    """Where ledgers are kept, by the same rule."""
    return default_folder()


def split_digest(records: Iterable[Record]) -> str:
    """SHA-256, in hex, over the sorted content digests of a split's images.

    Raises:
        DataError: a file cannot be read.
    """
    found = sorted(digests(list(records)))
    return hashlib.sha256("".join(found).encode("ascii")).hexdigest()


def count_read(split: str, name: str, images: int, model: str, where: Path | None = None) -> int:
    """Record one read and return its number: 1 for the first.

    Args:
        split: digest of the split.
        name: what the index calls it.
        images: how many of its images are looked at now.
        model: SHA-256 of the network that is judged.
        where: directory of the ledgers; None takes `directory`.

    Raises:
        EvaluationError: the file is damaged or cannot be written. An uncounted read is not made.
    """
    folder = where or directory()
    path = folder / FILE
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            number = 1 + sum(_split_of(line, path) == split for line in file.read().splitlines())
            now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
            entry = {
                "split": split,
                "name": name,
                "images": images,
                "model": model,
                "read": number,
                "at": now,
            }
            file.write(json.dumps(entry).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise EvaluationError(
            f"{path}: reads cannot be counted ({error.strerror}); set EDGE_LEDGER to a directory of yours"
        ) from None
    return number


def _split_of(line: bytes, path: Path) -> str:
    try:
        return str(json.loads(line)["split"])
    except (ValueError, KeyError, TypeError):
        raise EvaluationError(
            f"{path} holds a damaged line, so reads cannot be counted; mend the line or restore the file"
        ) from None
