"""Whether a face could be rendered of the series that an object belongs to.

Each object is judged alone, as if all the others of its series were there: they may lie in another
archive, or come with the next run, and would get the same Series Instance UID. So neither how many
slices there are counts, nor what they cover. What the object itself says of faces (0028,0302) is not
believed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray
from pydicom.dataset import Dataset

from edge.anonymize.heads import outline
from edge.anonymize.heads.body_part import place
from edge.anonymize.heads.planes import is_volume, plane
from edge.imaging import dicom_header
from edge.imaging.dicom_look import look_of

RECOGNIZABLE = "recognizable_head"
"""Reason: slices of a head."""
NOT_EXCLUDED = "head_not_excluded"
"""Reason: slices of a body that neither the header nor the pixels show to be no head."""
NOT_DEFACED = "head_not_defaced"
"""Reason: slices of a head, or of what may be one, whose face could not be removed."""
COARSE = 20.0
"""Distance of axial slices in mm from which no surface can be rendered that shows a face."""


@dataclass(frozen=True)
class Judgement:
    """What the header says."""

    reason: str | None = None
    """Why the object is held; None if nothing in its header holds it."""
    undecided: bool = False
    """The pixels must show that this is no head; see `trunk`."""
    faceless: bool = False
    """Once decided, it may be said that the object has no recognizable visual features."""


def judge(header: Dataset, frames: int) -> Judgement:
    """What the header of an image says. Pure; whatever it does not say counts against it.

    Args:
        header: of an object that has pixels.
        frames: how many it has.
    """
    part = place(header)
    if not is_volume(header):
        # One projection gives no surface. But of a head it may show a profile, so nothing is claimed.
        return Judgement(faceless=part != "head")
    planes = [plane(header, frame) for frame in range(frames)]
    if all(item.axial and item.spacing is not None and item.spacing >= COARSE for item in planes):
        return Judgement(faceless=part != "head")
    if part == "elsewhere":
        return Judgement(faceless=True)
    if part == "head":
        return Judgement(RECOGNIZABLE)
    if all(item.axial and item.pixel is not None for item in planes):
        return Judgement(undecided=True, faceless=True)
    return Judgement(NOT_EXCLUDED)


def trunk(header: Dataset, frames: Iterable[NDArray[Any]]) -> bool:
    """Whether every frame shows a body larger than a head.

    Args:
        header: of an object that `judge` left undecided.
        frames: stored values (rows, columns) of all of its frames.
    """
    for number, values in enumerate(frames):
        pixel = plane(header, number).pixel
        if values.ndim != 2 or pixel is None:
            return False
        slope, intercept = rescale(header, number)
        rescaled = values.astype("f4") * slope + intercept
        if outline.area(rescaled, pixel, hounsfield=is_ct(header)) < outline.TRUNK:
            return False
    return True


def is_ct(header: Dataset) -> bool:
    """Whether rescaled values are Hounsfield units."""
    return dicom_header.text(header, "Modality") == "CT"


def rescale(header: Dataset, frame: int) -> tuple[float, float]:
    """Slope and intercept of frame number ``frame`` (from 0); 1 and 0 where the header does not say."""
    look = look_of(header, frame, bits=16, signed=True, little_endian=True)
    return look.slope, look.intercept
