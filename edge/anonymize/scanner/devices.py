"""Where known devices burn annotation in: a catalogue, `data/devices.csv`, of masks beyond all others.

It adds and never excuses: what it names is filled after the text detector has looked at the whole frame,
so a match leaves nothing less covered, and a device that it does not list is treated like any other.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from edge.anonymize.geometry import Box, paint
from edge.imaging.frames import Acquisition


@dataclass(frozen=True)
class Device:
    """One row: texts that the header's must contain (in any case), sizes that it must have; empty is any."""

    manufacturer: str
    model: str
    software: str
    modality: str
    image_type: str
    rows: int | None
    columns: int | None
    box: Box
    """What is masked, in pixels; may reach beyond a smaller image."""
    source: str

    def fits(self, acquisition: Acquisition, rows: int, columns: int) -> bool:
        """Whether an image of that size is of this device."""
        texts = (
            (self.manufacturer, acquisition.manufacturer),
            (self.model, acquisition.model_name),
            (self.software, acquisition.software),
            (self.image_type, acquisition.image_type),
        )
        return (
            self.modality in {"", acquisition.modality}
            and self.rows in {None, rows}
            and self.columns in {None, columns}
            and all(part.casefold() in whole.casefold() for part, whole in texts)
        )


@lru_cache(maxsize=1)
def catalogue() -> tuple[Device, ...]:
    """All rows."""
    text = (resources.files("edge.anonymize") / "data" / "devices.csv").read_text("utf-8")
    return tuple(
        Device(
            manufacturer=row["manufacturer"],
            model=row["model"],
            software=row["software"],
            modality=row["modality"],
            image_type=row["image_type"],
            rows=int(row["rows"]) if row["rows"] else None,
            columns=int(row["columns"]) if row["columns"] else None,
            box=_box(row),
            source=row["source"],
        )
        for row in csv.DictReader(text.splitlines())
    )


def _box(row: dict[str, str]) -> Box:
    left, top, width, height = (int(row[key]) for key in ("left", "top", "width", "height"))
    return Box(left, top, left + width, top + height)


def annotation(acquisition: Acquisition, rows: int, columns: int) -> NDArray[np.bool_]:
    """Where the catalogue knows annotation in an image of that size: (rows, columns)."""
    mask = np.zeros((rows, columns), bool)
    paint(mask, [device.box for device in catalogue() if device.fits(acquisition, rows, columns)])
    return mask
