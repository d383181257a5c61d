"""Where an object's frames lie: whether they are slices of a body, and how thick. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from edge.imaging import dicom_header
from edge.imaging.dicom_look import functional_group

_TOMOGRAPHY = frozenset({"CT", "MR", "PT"})
_VOLUME_CLASSES = (
    *("1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.128"),
    *("1.2.840.10008.5.1.4.1.1.130", "1.2.840.10008.5.1.4.1.1.13.1"),
)
"""CT, MR, PET, enhanced PET and X-ray 3D, with the classes derived from them (PS3.6 Annex A)."""
_PLANAR_NM = frozenset({"STATIC", "DYNAMIC", "GATED", "WHOLE BODY"})
_AXIAL = math.cos(math.radians(45))


@dataclass(frozen=True)
class Plane:
    """A frame in the patient (PS3.3 C.7.6.2). What is None, the header does not say."""

    axial: bool | None
    pixel: tuple[float, float] | None
    """Distance of rows and of columns, in mm."""
    spacing: float | None
    """Distance of slices in mm, at least."""


def is_volume(header: Dataset) -> bool:
    """Whether the frames can be stacked to a volume: tomography, but neither projection nor localizer.

    A localizer of CT and planar scintigraphy are projections (PS3.3 C.8.2.1.1.1, C.8.4.9.1.1). One of MR
    is not.
    """
    modality, sop_class = (dicom_header.text(header, word) for word in ("Modality", "SOPClassUID"))
    image_type = [str(value).upper() for value in _values(header, "ImageType")]
    kind = image_type[2] if len(image_type) > 2 else ""
    if modality == "NM" and kind in _PLANAR_NM:
        return False
    single = int(dicom_header.text(header, "NumberOfFrames") or 1) == 1
    if modality == "CT" and kind == "LOCALIZER" and single and plane(header, 0).axial is False:
        return False
    family = any(sop_class == start or sop_class.startswith(start + ".") for start in _VOLUME_CLASSES)
    return modality in _TOMOGRAPHY or modality == "NM" or family or _has_position(header)


def plane(header: Dataset, frame: int) -> Plane:
    """The plane of frame number ``frame`` (from 0), from functional groups or the top level."""
    measures = functional_group(header, frame, "PixelMeasuresSequence")
    cosines = _numbers(functional_group(header, frame, "PlaneOrientationSequence"), "ImageOrientationPatient")
    axial = None
    if len(cosines) == 6:
        normal = np.cross(cosines[:3], cosines[3:])
        length = float(np.linalg.norm(normal))
        axial = abs(float(normal[2])) > _AXIAL * length if length > 0.5 else None
    pixel = [number for number in _numbers(measures, "PixelSpacing") if number > 0]
    given = [*_numbers(measures, "SliceThickness"), *_numbers(measures, "SpacingBetweenSlices")]
    apart = [abs(number) for number in given if number]
    return Plane(axial, (pixel[0], pixel[1]) if len(pixel) == 2 else None, min(apart) if apart else None)


def frame_steps(
    header: Dataset, frame: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]] | None:
    """Where frame number ``frame`` lies; None if the header does not say.

    Returns:
        Position of the first pixel, step from column to column and from row to row: (L, P, H) in mm.
    """
    pixel = plane(header, frame).pixel
    cosines = _numbers(functional_group(header, frame, "PlaneOrientationSequence"), "ImageOrientationPatient")
    position = _numbers(functional_group(header, frame, "PlanePositionSequence"), "ImagePositionPatient")
    if pixel is None or len(cosines) != 6 or len(position) != 3:
        return None
    row, column = np.array(cosines[:3]), np.array(cosines[3:])
    if not np.allclose([row @ row, column @ column, row @ column], [1, 1, 0], atol=0.01):
        return None
    return np.array(position), row * pixel[1], column * pixel[0]


def _has_position(header: Dataset) -> bool:
    if "ImagePositionPatient" in header or "ImageOrientationPatient" in header:
        return True
    groups = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
    return any(
        "PlanePositionSequence" in group or "PlaneOrientationSequence" in group
        for keyword in groups
        for group in header.get(keyword) or []
    )


def _values(holder: Dataset, keyword: str) -> Sequence[object]:
    value = holder.get(keyword)
    if value is None or value == "":
        return ()
    return (value,) if isinstance(value, (str, int, float)) else tuple(value)


def _numbers(holder: Dataset, keyword: str) -> list[float]:
    """Values of an element as finite numbers; none if one of them is none."""
    try:
        numbers = [float(str(value)) for value in _values(holder, keyword)]
    except ValueError:
        return []
    return numbers if all(map(math.isfinite, numbers)) else []
