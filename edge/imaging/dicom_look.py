"""Reads from a DICOM header how stored values are to be shown (PS3.3 C.11, C.7.6.16)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from edge.imaging.gray import Look, Lut

_FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")


def look_of(header: Dataset, frame: int, *, bits: int, signed: bool, little_endian: bool) -> Look:
    """How frame number ``frame`` (from 0) is shown.

    An enhanced multi-frame object says so for each frame or for all in its functional groups
    (PS3.3 C.7.6.16.2.9, .10); other objects at the top level. Of several windows the first counts.
    A window that is none (width not above 0, not a number) is left out.
    """
    transform = functional_group(header, frame, "PixelValueTransformationSequence")
    voi = functional_group(header, frame, "FrameVOILUTSequence")
    center, width = _number(voi, "WindowCenter"), _number(voi, "WindowWidth")
    function = str(voi.get("VOILUTFunction") or "LINEAR").strip().upper()
    exact = function in ("LINEAR_EXACT", "SIGMOID")
    window = None
    if center is not None and width is not None and (width > 0 if exact else width >= 1):
        window = (center, width)
    modality = _lut(transform, "ModalityLUTSequence", signed=signed, little_endian=little_endian)
    slope = _number(transform, "RescaleSlope")
    intercept = _number(transform, "RescaleIntercept")
    return Look(
        # A slope of 0 would make every image flat: it is a known fault of headers, not a wish.
        slope=slope or 1.0,
        intercept=intercept or 0.0,
        modality=modality,
        voi=_lut(voi, "VOILUTSequence", signed=True, little_endian=little_endian),
        window=window,
        function=function if function in _FUNCTIONS else "LINEAR",
        inverted=str(header.get("PhotometricInterpretation")) == "MONOCHROME1",
        padding=_padding(header, bits, signed=signed, little_endian=little_endian),
    )


def functional_group(header: Dataset, frame: int, macro: str) -> Dataset:
    """The data set that holds a functional group macro for this frame; the header itself if none."""
    per_frame = header.get("PerFrameFunctionalGroupsSequence") or []
    shared = header.get("SharedFunctionalGroupsSequence") or []
    for holder in [*per_frame[frame : frame + 1], *shared[:1]]:
        items = holder.get(macro)
        if items:
            return items[0]  # type: ignore[no-any-return]
    return header


def _first(value: Any) -> Any:
    if isinstance(value, (list, tuple, MultiValue)):
        return value[0] if len(value) else None
    return value


def _number(holder: Dataset, keyword: str) -> float | None:
    value = _first(holder.get(keyword))
    if value is None or value == "":
        return None
    number = float(value)
    return number if math.isfinite(number) else None


def integers(value: Any, *, little_endian: bool, signed: bool = False) -> list[int]:
    """Values of an element of VR US, SS or OW; as bytes where its VR depends on others."""
    if isinstance(value, (bytes, bytearray)):
        code = ("<" if little_endian else ">") + ("i2" if signed else "u2")
        return [int(item) for item in np.frombuffer(value[: len(value) // 2 * 2], dtype=code)]
    if isinstance(value, (list, tuple, MultiValue)):
        return [int(item) for item in value]
    return [] if value is None or value == "" else [int(value)]


def _lut(holder: Dataset, sequence: str, *, signed: bool, little_endian: bool) -> Lut | None:
    """First LUT of a sequence (PS3.3 C.11.1.1.1): descriptor is entries, first input, bits an entry.

    The first input of a modality LUT follows Pixel Representation; that of a VOI LUT is taken as
    signed where it was written as bytes, since rescaled values may be negative.
    """
    items = holder.get(sequence)
    if not items:
        return None
    size, first, bits = integers(items[0].get("LUTDescriptor"), little_endian=little_endian)
    size = size or 1 << 16
    if first >= 1 << 15 and signed:
        first -= 1 << 16
    if not 1 <= bits <= 16:
        raise ValueError("LUT entries of an unknown size")
    data = items[0].get("LUTData")
    if isinstance(data, (bytes, bytearray)) and len(data) in (size, size + size % 2) and bits <= 8:
        entries = np.frombuffer(data, np.uint8)[:size].astype(np.float64)
    else:
        entries = np.asarray(integers(data, little_endian=little_endian)[:size], dtype=np.float64)
    if len(entries) != size:
        raise ValueError("LUT shorter than its descriptor says")
    return Lut(first=first, entries=entries, bits=bits)


def _padding(header: Dataset, bits: int, *, signed: bool, little_endian: bool) -> tuple[int, int] | None:
    """Pixel Padding Value and Range Limit (PS3.3 C.7.5.1.1.2) as stored values, least first."""
    ends = []
    for keyword in ("PixelPaddingValue", "PixelPaddingRangeLimit"):
        for value in integers(header.get(keyword), little_endian=little_endian)[:1]:
            code = value & ((1 << bits) - 1)
            ends.append(code - (1 << bits) if signed and code >= 1 << (bits - 1) else code)
    return (min(ends), max(ends)) if ends else None
