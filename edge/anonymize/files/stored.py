"""Pixel Data as stored values: read a frame at a time, fill, write back (PS3.3 C.7.6.3, PS3.5 section 8).

What is not filled stays bit for bit what the decoder gave.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID

from edge.anonymize.files import palette
from edge.anonymize.geometry import fill_flat
from edge.imaging import dicom

_LOSSY = (uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit, uid.JPEGLSNearLossless)
_MAX_VALUE = 0xFFFFFFFE
"""Bytes of one element (PS3.5 7.1.1); 0xFFFFFFFF would say undefined."""


_Decoded = tuple[NDArray[Any], dict[str, Any]]


class UnsupportedPixelsError(Exception):
    """The pixels cannot be rewritten without loss. The text names no value of the header."""


def syntax_of(header: Dataset) -> UID:
    """Transfer syntax of a data set; of one without file meta information the one that it was read in."""
    named = getattr(header, "file_meta", {}).get("TransferSyntaxUID")
    if named:
        return UID(named)
    implicit, little_endian = header.original_encoding
    if implicit:
        return uid.ImplicitVRLittleEndian
    return uid.ExplicitVRLittleEndian if little_endian else uid.ExplicitVRBigEndian


@dataclass(frozen=True)
class Layout:
    """How the values of an object are stored, the same in all of its frames."""

    photometric: str
    dtype: np.dtype[Any]
    bits: int
    shape: tuple[int, ...]
    """(rows, columns[, 3])."""
    frames: int

    @property
    def length(self) -> int:
        """Bytes of all frames, without padding."""
        return self.frames * int(np.prod(self.shape)) * self.dtype.itemsize


class Stored:
    """Stored values of an object, a frame at a time, as its bits have it: no colour transform, no window.

    Args:
        header: with Pixel Data.
        frames: how many it must have.

    Raises:
        UnsupportedPixelsError: no decoder, or pixels of a kind that is not rewritten.
    """

    def __init__(self, header: Dataset, frames: int) -> None:
        if "PixelData" not in header or int(header.get("BitsAllocated", 0)) not in {8, 16, 32}:
            raise UnsupportedPixelsError("no Pixel Data of 8, 16 or 32 bits")
        self._header = header
        self._syntax = syntax_of(header)
        self._low = _low_bits(header, self._syntax)
        self._count = frames
        values, photometric, bits = next(self._decoded())
        self.layout = Layout(photometric, values.dtype, bits, values.shape, frames)
        if self.layout.length > _MAX_VALUE:
            raise UnsupportedPixelsError("more than one element holds")

    def frames(self) -> Iterator[NDArray[Any]]:
        """Every frame, (rows, columns[, 3]), each an array of its own.

        Raises:
            UnsupportedPixelsError: a frame is missing, or of another layout than the first.
        """
        count = 0
        for values, photometric, bits in self._decoded():
            found = Layout(photometric, values.dtype, bits, values.shape, self._count)
            if found != self.layout:
                raise UnsupportedPixelsError("frames of several layouts")
            count += 1
            yield values
        if count != self._count:
            raise UnsupportedPixelsError("frames are missing")

    def _decoded(self) -> Iterator[tuple[NDArray[Any], str, int]]:
        try:
            decoder = get_decoder(self._syntax)
            how: dict[str, Any] = {"raw": True, "correct_unused_bits": False}
            if self._syntax.is_encapsulated:  # by the same plug-in that showed them to the detector
                plugin = dicom.plugin(self._syntax)
                decoded: Iterable[_Decoded] = decoder.iter_array(
                    self._header, decoding_plugin=plugin, allow_excess_frames=False, **how
                )
            else:  # one by one: pydicom's iterator loses its place in frames of YBR_FULL_422
                decoded = (decoder.as_array(self._header, index=i, **how) for i in range(self._count))
            for values, told in decoded:
                bits = min(int(told["bits_stored"]), values.dtype.itemsize * 8)
                photometric = _photometric(str(told["photometric_interpretation"]))
                yield _used_bits(values, bits, self._low), photometric, bits
        except (UnsupportedPixelsError, MemoryError):
            raise
        except Exception as error:  # decoders of foreign bytes raise anything; none may be there at all
            raise UnsupportedPixelsError("Pixel Data cannot be decoded") from error


def _photometric(named: str) -> str:
    if named.startswith("YBR_FULL"):
        return "YBR_FULL"  # the decoder gives every pixel its own chrominance
    if named in {"YBR_RCT", "YBR_ICT"}:
        return "RGB"  # a JPEG 2000 codestream undoes its own transform
    return named


def _low_bits(header: Dataset, syntax: UID) -> int:
    """Unused bits below the value, where High Bit is not Bits Stored - 1 (PS3.5 8.1.1, older editions)."""
    stored = int(header.get("BitsStored", header.BitsAllocated))
    low = int(header.get("HighBit", stored - 1)) + 1 - stored
    if low == 0 or (syntax.is_encapsulated and syntax != uid.RLELossless):
        return 0  # the codestreams' own values have no unused bits
    if syntax == uid.RLELossless or low < 0 or low + stored > int(header.BitsAllocated):
        raise UnsupportedPixelsError("bits that are displayed in one way and stored in another")
    return low


def _used_bits(values: NDArray[Any], bits: int, low: int) -> NDArray[Any]:
    """The value's own bits, sign-extended if signed: old objects keep overlays in the rest (PS3.5 8.1.2)."""
    values = np.array(values, dtype=values.dtype.newbyteorder("<"))
    unused = values.dtype.itemsize * 8 - bits
    if unused <= 0:
        return values
    return np.asarray(np.right_shift(np.left_shift(values, unused - low), unused))


def fill(
    frame: NDArray[Any],
    layout: Layout,
    outside: NDArray[np.bool_],
    text: NDArray[np.bool_],
    header: Dataset,
) -> None:
    """Overwrite pixels of one frame, in place.

    Args:
        frame: stored values.
        layout: of the object.
        outside: (rows, columns), True outside the image region: filled with what shows as black.
        text: (rows, columns), True where text stood: filled with one value of its surroundings.
        header: the object's, for the palette.
    """
    if outside.any():
        frame[outside] = _black(frame[~outside], layout, header)
    if text.any():
        fill_flat(frame, text & ~outside, nominal=layout.photometric == "PALETTE COLOR")


def _black(kept: NDArray[Any], layout: Layout, header: Dataset) -> Any:
    """The stored value that shows as black."""
    if layout.photometric == "RGB":
        return 0
    if layout.photometric == "YBR_FULL":
        half = 1 << (layout.bits - 1)
        return np.array([0, half, half], layout.dtype)
    if layout.photometric == "PALETTE COLOR":
        return np.array(palette.darkest(header)).astype(layout.dtype)
    # The darkest value that the kept pixels have: a value of its own would shift a window that
    # viewers derive from the extremes.
    if kept.size == 0:
        return 0
    return kept.max() if layout.photometric == "MONOCHROME1" else kept.min()


def describe(header: Dataset, layout: Layout, source: UID) -> None:
    """Set the Image Pixel module for native Pixel Data in Explicit VR Little Endian.

    Args:
        header: of the copy, in place.
        layout: of the values that follow it.
        source: transfer syntax of the original: a lossy one is owned up to (PS3.3 C.7.6.1.1.5).
    """
    colour = len(layout.shape) == 3
    header.PhotometricInterpretation = layout.photometric
    header.BitsAllocated = layout.dtype.itemsize * 8
    header.BitsStored, header.HighBit = layout.bits, layout.bits - 1
    header.PixelRepresentation = 1 if layout.dtype.kind == "i" else 0
    header.SamplesPerPixel = 3 if colour else 1
    header.Rows, header.Columns = layout.shape[:2]
    if colour:
        header.PlanarConfiguration = 0
    if layout.frames > 1:
        header.NumberOfFrames = layout.frames
    if source in _LOSSY:
        header.LossyImageCompression = "01"


def element(layout: Layout) -> bytes:
    """Tag, VR and length of Pixel Data (7FE0,0010), to be followed by the frames and `padding`."""
    vr = b"OB" if layout.dtype.itemsize == 1 else b"OW"
    length = layout.length + layout.length % 2
    return b"\xe0\x7f\x10\x00" + vr + b"\0\0" + length.to_bytes(4, "little")


def padding(layout: Layout) -> bytes:
    """What makes the length even (PS3.5 8.1.1)."""
    return b"\0" * (layout.length % 2)
