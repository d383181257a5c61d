"""DICOM training images: decoded by the box's own code, refused where they may say who the patient is.

Names have no business on the workstation. An object is taken only if its header claims that the identity was
removed, Patient Identity Removed (0012,0062) is YES (PS3.3 C.7.1.1), and not that it is burned into the
pixels, Burned In Annotation (0028,0301) is YES (PS3.3 C.7.6.1). Neither claim proves anything; the second,
where it is absent, says nothing at all. No value of a header leaves this module.
"""

from __future__ import annotations

import io
import warnings

import pydicom
from pydicom import config

from edge.imaging import dicom as decoder
from edge.imaging.decoded import DecodeLimits, Opened, Undecodable
from edge.imaging.frames import Pixels

_AT = 128
_MAGIC = b"DICM"
_CLAIMS = ("PatientIdentityRemoved", "BurnedInAnnotation")

IDENTIFIED = "Patient Identity Removed (0012,0062) is not YES"
BURNED_IN = "Burned In Annotation (0028,0301) is YES"
REFUSED = {
    IDENTIFIED: "de-identify them with `edge anonymize`, or have the PACS do it, and train on the copies",
    BURNED_IN: "mask the pixels with `edge anonymize` and train on the copies",
}
"""Reasons to refuse an object for what it may say of a person, and what to do about each."""


class ObjectError(Exception):
    """The object is not used. The text is one of `REFUSED` or another reason without any header value."""


def looks_like_dicom(name: str, head: bytes) -> bool:
    """Whether a file is to be read as DICOM: by its suffix or by the prefix of PS3.10 section 7.1."""
    return name.lower().endswith((".dcm", ".dicom")) or head[_AT : _AT + 4] == _MAGIC


def read(data: bytes, frame: int, limits: DecodeLimits | None = None) -> Pixels:
    """Display pixels, (H, W) or (H, W, 3) uint8, of one frame.

    A multi-frame object is many images. Each is a record of its own, so its row in the index must say which
    frame it means; taking the first, or all of them as one, would be a guess.

    Args:
        data: a file of PS3.10, or a data set alone.
        frame: from 1; 0 for an object with one frame.
        limits: checked before decoding.

    Raises:
        ObjectError: refused or not decodable.
    """
    opened = open_clean(data, limits or DecodeLimits())
    if frame == 0 and opened.count > 1:
        raise ObjectError(
            f"{opened.count} frames: give the index a column frame and each frame a row (from 1), or export "
            "them one by one"
        )
    if frame > opened.count:
        raise ObjectError(_beyond(frame, opened.count))
    return pixels_of(opened, max(frame, 1))


def open_clean(data: bytes, limits: DecodeLimits) -> Opened:
    """An object whose header says that it names nobody; no frame is decoded yet.

    Raises:
        ObjectError: refused, or no object that can be shown.
    """
    opened: Opened | Undecodable
    try:
        opened = decoder.open_(data, limits)
    except Undecodable as error:
        opened = error
    if not (isinstance(opened, Undecodable) and opened.reason in ("unreadable", "too_large")):
        _check_claims(data)  # an identified object is refused for that, even if it cannot be shown
    if isinstance(opened, Undecodable):
        raise ObjectError(_words(opened))
    return opened


def pixels_of(opened: Opened, frame: int) -> Pixels:
    """Display pixels of one frame, from 1. An object is asked for one frame only: they are decoded in order.

    Raises:
        ObjectError: it cannot be decoded.
    """
    try:
        for number, pixels in enumerate(opened.frames, 1):
            if number == frame:
                return pixels
    except Undecodable as error:
        raise ObjectError(_words(error)) from None
    raise ObjectError("unreadable")


def check_frame(name: str, data: bytes, frame: int, limits: DecodeLimits) -> None:
    """Refuse the number of a frame that a file of this name and content does not have.

    Raises:
        ObjectError: it has fewer. An object that cannot be read at all passes: reading it will tell.
    """
    if frame < 2:
        return
    if not looks_like_dicom(name, data[: _AT + 4]):
        raise ObjectError(f"frame {frame} is asked for, but the file is no DICOM object; leave frame empty")
    try:
        count = decoder.open_(data, limits).count
    except Undecodable:
        return
    if frame > count:
        raise ObjectError(_beyond(frame, count))


def _beyond(frame: int, count: int) -> str:
    return f"frame {frame} is asked for, the object has {count}"


def _check_claims(data: bytes) -> None:
    removed, burned_in = _claims(data)
    if removed != "YES":
        raise ObjectError(IDENTIFIED)
    if "YES" in burned_in:
        raise ObjectError(BURNED_IN)


def _claims(data: bytes) -> list[str]:
    """The values of both claims in upper case; of several values in one, all, so that none is overheard."""
    with warnings.catch_warnings(), config.disable_value_validation():
        warnings.simplefilter("ignore")  # pydicom's warnings quote values of the header
        try:
            header = pydicom.dcmread(
                io.BytesIO(data), stop_before_pixels=True, force=True, specific_tags=list(_CLAIMS)
            )
            return [str(header.get(keyword) or "").strip().upper() for keyword in _CLAIMS]
        except Exception:  # noqa: BLE001  parsers of foreign bytes raise anything; nothing claimed, refused
            return ["", ""]


def _words(error: Undecodable) -> str:
    return "DICOM: " + error.reason.replace("_", " ")
