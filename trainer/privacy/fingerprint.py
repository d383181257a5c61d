"""Which images a data set holds, so that a ledger knows them again whatever the index is called."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from trainer.data import dataset
from trainer.data.record import Record

_SHORT = 32
"""Hex digits of a keyed digest that are kept: 128 bits."""


class FingerprintError(ValueError):
    """The data set cannot be told apart from others; the message says what to mend."""


@dataclass(frozen=True)
class Image:
    """One training record, as digests."""

    content: str
    """SHA-256 of the file's bytes, in hex: the same under any name and in any index."""
    row: str
    """SHA-256 over content, label, modality and unit."""


@dataclass(frozen=True)
class DataSet:
    """The training records of a run."""

    name: str
    """Where they were read from and what was chosen of them: for people, and to notice a change."""
    unit: str
    """Unit of privacy: image or patient."""
    count: int
    """Number of units, treated as public."""
    images: tuple[Image, ...]
    """Sorted by content, then row."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the sorted rows."""
        return hashlib.sha256("\n".join(sorted(image.row for image in self.images)).encode()).hexdigest()

    def keyed(self, key: bytes) -> dict[str, str]:
        """Content -> row, both under HMAC-SHA256, so that a ledger alone tells of no image that it is in."""
        return {mark(key, image.content): mark(key, image.row) for image in self.images}


def mark(key: bytes, text: str) -> str:
    """The first half of HMAC-SHA256, in hex."""
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()[:_SHORT]


def fingerprint(name: str, records: Sequence[Record], unit: str, units: Sequence[str]) -> DataSet:
    """Digest all images of a run. Their content is hashed, not decoded.

    Args:
        name: for people.
        records: the records that will be trained on.
        unit: image or patient.
        units: name of each record's unit, (N,).

    Raises:
        FingerprintError: two units hold one and the same image; the guarantee of each would be void.
        DataError: a file cannot be read.
    """
    images: list[Image] = []
    owners: defaultdict[str, set[str]] = defaultdict(set)
    for record, owner, content in zip(records, units, dataset.digests(records), strict=True):
        own = owner if unit != "image" else ""
        row = json.dumps([content, record.label, record.modality, own])
        images.append(Image(content, hashlib.sha256(row.encode()).hexdigest()))
        owners[content].add(owner)
    twice = sum(len(each) > 1 for each in owners.values())
    if twice:
        raise FingerprintError(
            f"{twice} images are there more than once, under different names; what is trained on twice is "
            f"protected half as well. Take the copies out (trainer data lists them)"
        )
    ordered = tuple(sorted(images, key=lambda image: (image.content, image.row)))
    return DataSet(name, unit, len(set(units)), ordered)
