"""From a record to the network's gray image, by the box's own decoders and preprocessing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.imaging import still
from edge.imaging.decoded import DecodeLimits, Undecodable
from edge.imaging.frames import Pixels
from edge.imaging.preprocess import SIDE, Preprocessing
from trainer.data import dicom
from trainer.data.record import DataError, Record
from trainer.progress import quietly

PLAIN = Preprocessing()
_SHOWN = 40
_UNREADABLE = "mend the files or take their rows out of the index (out of the folder)"


@dataclass(frozen=True)
class Fault:
    """A record whose image cannot be used, and why. The reason quotes nothing from the file."""

    record: Record
    reason: str

    @property
    def refused(self) -> bool:
        """Whether it may say who the patient is, rather than being broken."""
        return self.reason in dicom.REFUSED

    @property
    def remedy(self) -> str:
        """What to do about it."""
        return dicom.REFUSED.get(self.reason, _UNREADABLE)


class UnusableError(DataError):
    """Some images cannot be used. ``faults`` names every one; the text the first forty of each reason."""

    def __init__(self, faults: Sequence[Fault], total: int) -> None:
        self.faults = tuple(faults)
        super().__init__(_text(faults, total))


@dataclass(frozen=True, eq=False)
class Loaded:
    """The images of those records that can be used, in their order, and the others."""

    records: tuple[Record, ...]
    images: NDArray[np.uint8]
    """(N, 224, 224), one for each of ``records``."""
    faults: tuple[Fault, ...]


def display_pixels(record: Record) -> Pixels:
    """The image as the box would show it: (H, W) or (H, W, 3) RGB uint8, before any preprocessing.

    Raises:
        ObjectError: it cannot or must not be shown; the text is the reason.
    """
    try:
        data = record.file.read_bytes()
    except OSError as error:
        raise dicom.ObjectError(error.strerror or type(error).__name__) from None
    if dicom.looks_like_dicom(record.file.name, data[:132]):
        return dicom.read(data, record.frame)
    dicom.check_frame(record.file.name, data, record.frame, DecodeLimits())
    try:
        return still.decode(data, DecodeLimits()).frames[0]
    except Undecodable as error:
        reason = "no whole PNG, JPEG or DICOM file" if error.reason == "unreadable" else error.reason
        raise dicom.ObjectError(reason.replace("_", " ")) from None


def load_each(records: Sequence[Record], preprocessing: Preprocessing = PLAIN) -> Loaded:
    """Load what can be loaded, and tell of everything else."""
    kept: list[Record] = []
    faults: list[Fault] = []
    # One array from the start: a list of images and then their stack would need the memory twice.
    images = np.empty((len(records), SIDE, SIDE), np.uint8)
    with quietly("reading images", len(records)) as advance:
        for record in records:
            try:
                images[len(kept)] = preprocessing.to_gray(display_pixels(record))
                kept.append(record)
            except dicom.ObjectError as error:
                faults.append(Fault(record, str(error)))
            advance("")
    return Loaded(tuple(kept), images[: len(kept)], tuple(faults))


def load_all(records: Sequence[Record], preprocessing: Preprocessing = PLAIN) -> NDArray[np.uint8]:
    """All images, (N, 224, 224) uint8, by the preprocessing that the bundle will name.

    Raises:
        UnusableError: some cannot be used. Leaving them out silently would change n.
    """
    loaded = load_each(records, preprocessing)
    if loaded.faults:
        raise UnusableError(loaded.faults, len(records))
    return loaded.images


def levels(image: NDArray[np.uint8]) -> int:
    """Gray levels between the darkest and the brightest hundredth of an image: a marker does not count."""
    below = np.cumsum(np.bincount(image.ravel(), minlength=256))
    return int(np.searchsorted(below, 0.99 * image.size) - np.searchsorted(below, 0.01 * image.size))


def _text(faults: Sequence[Fault], total: int) -> str:
    lines = [f"{len(faults)} of {total} images cannot be used, so nothing was done."]
    for reason in sorted({fault.reason for fault in faults}):
        these = [fault for fault in faults if fault.reason == reason]
        what = "refused" if these[0].refused else "unreadable"
        lines.append(f"{len(these)} {what}: {reason}; {these[0].remedy}:")
        lines += [f"  {fault.record.file}" for fault in these[:_SHOWN]]
        if len(these) > _SHOWN:
            lines.append(f"  and {len(these) - _SHOWN} more; trainer data lists all of them")
    return "\n".join(lines)
