"""One DICOM object to its anonymized copy: header by PS3.15, pixels of every frame."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.uid import UID

from edge.anonymize.detectors import Detectors
from edge.anonymize.files import burned_in, head_series, kinds, palette, stored
from edge.anonymize.files.burned_in import BurnedIn
from edge.anonymize.files.report import FileHeld
from edge.anonymize.headers import clean as headers
from edge.anonymize.headers import media
from edge.anonymize.headers.remap import Remap
from edge.anonymize.heads import judge
from edge.anonymize.heads.cut import Cut
from edge.anonymize.scanner.devices import annotation
from edge.anonymize.scanner.regions import Keeps
from edge.imaging import dicom
from edge.imaging.decoded import DecodeLimits
from edge.imaging.frames import Acquisition

_PIXELS = 0x7FE00000
"""From here on come pixels and what belongs to them; a copy has one element of its own there."""
_PIXEL_KEYWORDS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")


@dataclass(frozen=True)
class Looked:
    """An object that was read, with all that was found in its pixels."""

    header: Dataset
    outside: NDArray[np.bool_]
    burned_in: BurnedIn
    faceless: bool
    """No face, neither alone nor with others of its series: judged so, or cut off."""
    cut: Cut | None = None
    """Where a face is cut off."""

    @property
    def kept_share(self) -> float:
        """Share of the frame that is image region."""
        return float(1 - self.outside.mean())

    @property
    def masked_share(self) -> float:
        """Share of the image region that text covers."""
        kept = ~self.outside
        return float((self.burned_in.mask & kept).sum() / max(1, kept.sum()))


class NotDicomError(Exception):
    """The bytes are no data set that names its SOP class."""


def read_header(data: bytes, *, marked: bool) -> Dataset:
    """The data set of a file.

    Args:
        data: the file.
        marked: whether it has the mark of PS3.10; without it, any bytes could be taken for a data set.

    Raises:
        NotDicomError: no mark, and no SOP class.
        FileHeld: unreadable, or an object of a class, or in a transfer syntax, that is not written.
    """
    try:
        header = pydicom.dcmread(io.BytesIO(data), force=True)
        sop_class = str(header.get("SOPClassUID", "") or "")
        known = marked or (sop_class != "" and UID(sop_class).is_valid)
    except MemoryError:
        raise
    except Exception as error:  # a foreign file may break the parser in any way
        raise (FileHeld("unreadable") if marked else NotDicomError()) from error
    if not known:
        raise NotDicomError
    # A media directory has no SOP Class UID but in its file meta information (PS3.10 8.6).
    meta = str(getattr(header, "file_meta", {}).get("MediaStorageSOPClassUID", ""))
    reason = kinds.by_sop_class(sop_class or meta) or kinds.by_syntax(stored.syntax_of(header))
    if reason is not None:
        raise FileHeld(reason)
    return header


def look(
    data: bytes,
    header: Dataset,
    limits: DecodeLimits,
    detectors: Detectors,
    beat: Callable[[], None],
    cut_of: Callable[[int], Cut] | None,
    keeps: Keeps,
) -> Looked:
    """Decode every frame for display and look for what may not stay.

    Args:
        data: the file.
        header: its data set.
        limits: checked before decoding.
        detectors: what looks.
        beat: called as it goes on.
        cut_of: finds where the face of a head is, given how many frames show it; None: faces are not
            removed, and heads are held.
        keeps: what of its frames may be kept.

    Raises:
        Undecodable: its pixels cannot be shown.
        FileHeld: the layout of its frames is not known, a script that may stand there is not proved, or a
            face could be rendered of its series.
        DetectorUnavailable: a detector failed.
    """
    opened = dicom.open_(data, limits)
    outside = _outside(opened.acquisition, opened.shape, keeps)
    head = judge.judge(header, opened.count)
    if head.reason is not None and cut_of is None:
        raise FileHeld(head.reason)
    found = burned_in.look(opened.frames, outside, detectors, beat)
    known = annotation(opened.acquisition, *outside.shape)
    np.logical_or(found.mask, known, out=found.mask)
    reason = head.reason
    if head.undecided and not judge.trunk(header, stored.Stored(header, opened.count).frames()):
        reason = judge.NOT_EXCLUDED
    if reason is None:
        return Looked(header, outside, found, head.faceless)
    if cut_of is None:
        raise FileHeld(reason)
    return Looked(header, outside, found, faceless=True, cut=cut_of(opened.count))


def _outside(acquisition: Acquisition, shape: tuple[int, ...], keeps: Keeps) -> NDArray[np.bool_]:
    rows, columns = shape[:2]
    regions = keeps(acquisition, rows, columns)
    if isinstance(regions, str):
        raise FileHeld(regions)
    outside = np.ones((rows, columns), bool)
    for region in regions:
        outside[region.top : region.bottom, region.left : region.right] = False
    return outside


def encode(looked: Looked, remap: Remap, options: headers.Options) -> Iterator[bytes]:
    """The copy, PS3.10 in Explicit VR Little Endian, in parts: header, then each frame that was looked at.

    Raises:
        FileHeld: words that name the patient are left in the header, or frames differ in layout.
        UnsupportedPixelsError: the pixels cannot be rewritten without loss.
    """
    original = looked.header
    pixels = stored.Stored(original, looked.burned_in.frames)
    if pixels.layout.shape[:2] != looked.outside.shape:
        raise FileHeld("unreadable")
    if not looked.faceless:
        options = replace(options, clean_recognizable_visual_features=False)
    result = _cleaned(original, remap, options)
    stored.describe(result, pixels.layout, stored.syntax_of(original))
    yield _file(result)
    yield stored.element(pixels.layout)
    for number, frame in enumerate(pixels.frames()):
        if looked.cut is not None:
            head_series.remove_face(frame, original, number, looked.cut, pixels.layout.bits)
        stored.fill(frame, pixels.layout, looked.outside, looked.burned_in.mask, original)
        yield frame.tobytes()
    yield stored.padding(pixels.layout)


def _cleaned(original: Dataset, remap: Remap, options: headers.Options) -> Dataset:
    words = headers.naming_words(original, options)
    result = Dataset()
    for tag in original.keys():  # noqa: SIM118  # iterating gives elements, and would parse each
        if tag < _PIXELS:
            # Elements that were read once are objects: shared, cleaning would change the original's.
            result[tag] = deepcopy(original.get_item(tag))
    headers.clean(result, remap, options)
    _drop_pixels(result)
    if stored.syntax_of(original) == uid.ExplicitVRBigEndian:
        palette.swap_words(result)
    if headers.words_left(_bare(headers.foreign(result)), words):
        raise FileHeld("identity_left")
    return result


def _drop_pixels(dataset: Dataset) -> None:
    """Remove pixels from items at any depth, such as icons: nobody looked at them."""
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                for keyword in _PIXEL_KEYWORDS:
                    if keyword in item:
                        del item[keyword]
                _drop_pixels(item)


def _bare(dataset: Dataset) -> bytes:
    """The data set alone, in Explicit VR Little Endian."""
    return _saved(dataset, enforce_file_format=False)


def _file(dataset: Dataset) -> bytes:
    """PS3.10 file, with file meta information and preamble of our own."""
    dataset.file_meta = media.file_meta(dataset)
    dataset.preamble = b"\0" * 128
    return _saved(dataset, enforce_file_format=True)


def _saved(dataset: Dataset, **how: Any) -> bytes:
    buffer = io.BytesIO()
    dataset.save_as(buffer, implicit_vr=False, little_endian=True, **how)
    return buffer.getvalue()
