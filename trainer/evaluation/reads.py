"""How often a split was read: each look at a test split makes the next figure a little less honest.

One line of JSON a read, appended under a lock to ``split-reads.log`` in the directory of the ledgers
(`trainer.privacy.folder.default_folder`: EDGE_LEDGER, the site's, the user's own). Images are known by the
beginning of the SHA-256 of their files, so copies, renamed folders and parts of a split count as what they
are: a read counts as a further one if it shows an image that an earlier one has shown. The line names the
model that was judged, and holds nothing else about an image.
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
PREFIX = 16
"""Hex digits of a digest that are kept: two files share them by chance once in 2^64 pairs."""


def split_digest(records: Iterable[Record]) -> str:
    """SHA-256, in hex, over the sorted content digests of a split's images.

    Raises:
        DataError: a file cannot be read.
    """
    found = sorted(digests(list(records)))
    return hashlib.sha256("".join(found).encode("ascii")).hexdigest()


def count_read(
    split: str, name: str, looked_at: Iterable[Record], model: str, where: Path | None = None
) -> int:
    """Record one read and return its number: 1 if none of these images was read before.

    Args:
        split: digest of the whole split.
        name: what the index calls it.
        looked_at: those of its images that are judged now.
        model: SHA-256 of the network that is judged.
        where: directory of the ledgers; None takes `default_folder`.

    Raises:
        EvaluationError: the file is damaged or cannot be written. An uncounted read is not made.
    """
    folder = where or default_folder()
    seen = {digest[:PREFIX] for digest in digests(list(looked_at))}
    path = folder / FILE
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            number = 1 + sum(_shows(line, split, seen, path) for line in file.read().splitlines())
            now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
            entry = {
                "split": split,
                "name": name,
                "images": len(seen),
                "model": model,
                "read": number,
                "at": now,
                "seen": sorted(seen),
            }
            file.write(json.dumps(entry).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise EvaluationError(
            f"{path}: reads cannot be counted ({error.strerror}); set EDGE_LEDGER to a directory of yours"
        ) from None
    return number


def _shows(line: bytes, split: str, seen: set[str], path: Path) -> bool:
    try:
        earlier = json.loads(line)
        return bool(earlier["split"] == split or seen.intersection(earlier.get("seen", ())))
    except (ValueError, KeyError, TypeError):
        raise EvaluationError(
            f"{path} holds a damaged line, so reads cannot be counted; mend the line or restore the file"
        ) from None
