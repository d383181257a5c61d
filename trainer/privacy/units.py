"""Units of privacy: which records are protected together, and how their contributions are added up.

With the unit ``patient`` all records of a patient are one: drawn together, added up, clipped together.
At most a fixed number of them is used, chosen by their names alone, so that one patient's choice depends
on no image and on no other patient.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainer.data.record import Record
from trainer.privacy.fingerprint import DataSet, fingerprint

UnitName = Literal["image", "patient"]
DEFAULT_CAP = 8


class UnitError(ValueError):
    """Nobody can say which records are one unit; the message says what the index lacks."""


@dataclass(frozen=True)
class Units:
    """``of_record[i]`` in 0..count-1 is the unit of record i; every unit has at least one record."""

    of_record: NDArray[np.intp]
    """(N,)."""
    count: int
    """Number of units, treated as public."""
    name: UnitName = "image"
    cap: int = 1
    """Largest number of records of a unit."""
    note: str = ""
    """How records came to their units, where that is no matter of course."""
    names: tuple[str, ...] = ()
    """(count,): pseudonyms of the patients; empty for images. They are hashed, never written."""
    left_out: tuple[tuple[Record, str], ...] = ()
    """Records over the cap, with their patients: not trained on, but of the data set, whatever the cap."""

    @classmethod
    def images(cls, records: int) -> Units:
        """Each record on its own."""
        return cls(np.arange(records), records)

    @property
    def single(self) -> bool:
        """Whether each unit is one record."""
        return self.count == len(self.of_record)

    @property
    def words(self) -> str:
        """The unit as a statement names it."""
        return f"{self.name} ({self.note})" if self.note else self.name


@dataclass(frozen=True)
class Grouped:
    """The records that a run uses, with their units."""

    records: tuple[Record, ...]
    units: Units


def group(records: Sequence[Record], unit: UnitName, cap: int | None = None) -> Grouped:
    """Put records into units.

    Args:
        records: in the order of the index.
        unit: image or patient. A patient is what the column ``patient_id`` says, else ``group_id``.
        cap: records of a patient that are used, at most; None takes `DEFAULT_CAP`.

    Raises:
        UnitError: a record has no patient and no group, the cap is below 1, or the unit image has one.
    """
    if unit == "image" and cap is not None:
        raise UnitError("--per-patient protects nobody without --unit patient; give both or neither")
    cap = DEFAULT_CAP if cap is None else cap
    if cap < 1:
        raise UnitError(f"expected at least one image a patient, got {cap}")
    if unit == "image":
        return Grouped(tuple(records), Units.images(len(records)))
    owners, note = _owners(records)
    kept = _capped(records, owners, cap)
    distinct, place = np.unique(np.array([owners[row] for row in kept]), return_inverse=True)
    names = tuple(str(name) for name in distinct)
    used = set(kept)
    left_out = tuple((records[row], owners[row]) for row in range(len(records)) if row not in used)
    units = Units(place.reshape(-1).astype(np.intp), len(names), "patient", cap, note, names, left_out)
    return Grouped(tuple(records[row] for row in kept), units)


def _owners(records: Sequence[Record]) -> tuple[list[str], str]:
    """The patient of each record by one column for all: a patient must not be two units under two names."""
    if all(record.patient for record in records):
        # No number: one patient would change it, and it leaves without noise.
        guessed = any(not record.patient_known for record in records)
        note = "surrogate ids: some patients are a guess" if guessed else ""
        return [record.patient for record in records], note
    lacking = sum(_lacks_group(record) for record in records)
    if lacking:
        raise UnitError(
            f"--unit patient needs the column patient_id, or group_id, in every row; {lacking} of "
            f"{len(records)} rows have neither. Fill them in, or train with --unit image and say so"
        )
    return [record.group for record in records], "surrogate ids: group_id stands for the patient"


def _lacks_group(record: Record) -> bool:
    """Whether the group is but the file's own name, which stands in where an index has none."""
    return not record.group or f"/{record.file.as_posix()}".endswith(f"/{record.group}")


def _capped(records: Sequence[Record], owners: Sequence[str], cap: int) -> list[int]:
    own: defaultdict[str, list[int]] = defaultdict(list)
    for row, owner in enumerate(owners):
        own[owner].append(row)
    # By a hash of the name: not by what is on the image, and not by the order of classes in the index.
    return sorted(
        row for rows in own.values() for row in sorted(rows, key=lambda row: _lot(records[row]))[:cap]
    )


def _lot(record: Record) -> bytes:
    return hashlib.sha256(f"{record.folder}/{record.file.name}#{record.frame}".encode()).digest()


def sum_by_unit(values: Tensor, unit_positions: NDArray[np.intp]) -> Tensor:
    """Add up rows that belong to one unit.

    Args:
        values: per-record values or gradients, (B, ...).
        unit_positions: unit of each row, (B,), any integers.

    Returns:
        (U, ...), one row for each distinct unit in ascending order; same type and device.
    """
    known, place = np.unique(unit_positions, return_inverse=True)
    total = values.new_zeros((len(known), *values.shape[1:]))
    return total.index_add_(0, torch.from_numpy(place.reshape(-1)).to(values.device), values)


def data_set(name: str, records: Sequence[Record], units: Units) -> DataSet:
    """The records of a run as its ledger knows them, with those that the cap on a patient left out."""
    owners = [units.names[each] if units.names else str(each) for each in units.of_record]
    more = [record for record, _ in units.left_out]
    return fingerprint(
        name, [*records, *more], units.name, [*owners, *(owner for _, owner in units.left_out)]
    )
