"""DICOM objects to display pixels: bytes in, arrays out, no files (PS3.10, PS3.5, PS3.3 C.7.6.3).

Overlays (60xx) are never drawn, neither from their own element nor from unused high bits; colour
profiles are not applied.
"""

from __future__ import annotations

import io
import logging
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom import config, uid
from pydicom.dataset import Dataset
from pydicom.encaps import generate_fragments
from pydicom.filereader import read_dataset
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID

from edge.imaging import codestream, dicom_header
from edge.imaging.decoded import Decoded, DecodeLimits, Opened, Undecodable
from edge.imaging.dicom_look import look_of
from edge.imaging.frames import Acquisition, Identity, Pixels
from edge.imaging.gray import render
from edge.imaging.palette import coloured
from edge.messages import SuppressReason

__all__ = ["DecodeLimits", "Decoded", "Opened", "Undecodable", "decode", "open_", "transfer_syntaxes"]

# Which plug-in of pydicom decodes which syntax; the first that is installed. Pillow is not asked.
_PLUGINS: dict[UID, tuple[str, ...]] = {
    uid.JPEGBaseline8Bit: ("gdcm",),
    uid.JPEGExtended12Bit: ("gdcm",),
    uid.JPEGLossless: ("gdcm",),
    uid.JPEGLosslessSV1: ("gdcm",),
    uid.JPEGLSLossless: ("pyjpegls", "gdcm"),
    uid.JPEGLSNearLossless: ("pyjpegls", "gdcm"),
    uid.JPEG2000Lossless: ("pylibjpeg", "gdcm"),
    uid.JPEG2000: ("pylibjpeg", "gdcm"),
    uid.HTJ2KLossless: ("pylibjpeg",),
    uid.HTJ2KLosslessRPCL: ("pylibjpeg",),
    uid.HTJ2K: ("pylibjpeg",),
    uid.RLELossless: ("pydicom",),
}
_NATIVE = (
    uid.ExplicitVRLittleEndian,
    uid.ImplicitVRLittleEndian,
    uid.ExplicitVRBigEndian,
    uid.DeflatedExplicitVRLittleEndian,
)
_GRAY = ("MONOCHROME1", "MONOCHROME2")
_COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
_PREAMBLE = 128

# Its warnings quote values of the header, so they must not reach a journal.
logging.getLogger("pydicom").setLevel(logging.CRITICAL)


def transfer_syntaxes() -> list[UID]:
    """Transfer syntaxes for which a decoder is installed."""
    return [*_NATIVE, *(syntax for syntax in _PLUGINS if plugin(syntax))]


def decode(data: bytes | bytearray | memoryview, limits: DecodeLimits) -> Decoded:
    """Decode all frames of a DICOM object.

    Raises:
        Undecodable: with a reason of the closed list; no other exception.
    """
    opened = open_(data, limits)
    return Decoded(list(opened.frames), opened.acquisition, opened.identity)


def open_(data: bytes | bytearray | memoryview, limits: DecodeLimits) -> Opened:
    """Read and check the header of a DICOM object; its frames are decoded as they are taken.

    Args:
        data: a file of PS3.10, or a data set alone that names its SOP class.
        limits: checked against the header, before decoding.

    Raises:
        Undecodable: with a reason of the closed list; no other exception, here or in the iterator.
    """
    with _undecodable():
        header = _read(bytes(data), limits)
    known: tuple[Acquisition | None, Identity | None] = (None, None)
    with _undecodable():
        rows, columns = _integer(header, "Rows", 0), _integer(header, "Columns", 0)
        known = (dicom_header.acquisition(header, rows, columns), dicom_header.identity(header))
    with _undecodable(*known):
        image = _Image.of(header, limits)
    assert known[0] is not None
    return Opened(image.count, image.shape, _frames(image, *known), known[0], known[1])


@contextmanager
def _undecodable(acquisition: Acquisition | None = None, identity: Identity | None = None) -> Iterator[None]:
    """Every failure of foreign parsers becomes `Undecodable`; their warnings quote values: unheard."""
    reason: SuppressReason
    try:
        with warnings.catch_warnings(), config.disable_value_validation():
            warnings.simplefilter("ignore")
            yield
    except Undecodable as error:
        reason = error.reason
    except MemoryError:
        reason = "too_large"
    except Exception:  # noqa: BLE001  parsers of foreign bytes raise anything
        reason = "unreadable"
    else:
        return
    raise Undecodable(reason, acquisition, identity) from None


def plugin(syntax: UID) -> str:
    """The plug-in of pydicom that decodes an encapsulated syntax; empty if none is installed."""
    installed = get_decoder(syntax).available_plugins
    return next((name for name in _PLUGINS[syntax] if name in installed), "")


def _read(data: bytes, limits: DecodeLimits) -> Dataset:
    """Parse the data set; deflated ones are inflated here, within the byte limit."""
    has_preamble = data[_PREAMBLE : _PREAMBLE + 4] == b"DICM"
    if uid.DeflatedExplicitVRLittleEndian.encode() in data[: 1 << 16]:
        header = _read_deflated(data, limits)
    else:
        header = pydicom.dcmread(io.BytesIO(data), force=not has_preamble)
    if not has_preamble and not UID(dicom_header.text(header, "SOPClassUID")).is_valid:
        raise Undecodable("unreadable")  # forced reading takes any bytes for a data set
    return header


def _read_deflated(data: bytes, limits: DecodeLimits) -> Dataset:
    """PS3.5 A.5: all after the file meta information is one deflate stream."""
    # (0002,0000) UL: the length of the rest of group 2, PS3.10 7.1.
    head = data[_PREAMBLE + 4 : _PREAMBLE + 16]
    if head[:8] != b"\x02\x00\x00\x00UL\x04\x00":
        raise Undecodable("unreadable")
    start = _PREAMBLE + 16 + int.from_bytes(head[8:12], "little")
    meta = read_dataset(io.BytesIO(data[_PREAMBLE + 4 : start]), False, True)
    if meta.get("TransferSyntaxUID") != uid.DeflatedExplicitVRLittleEndian:
        return pydicom.dcmread(io.BytesIO(data))  # the UID stood somewhere else
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    plain = inflater.decompress(data[start:], limits.max_bytes)
    if inflater.unconsumed_tail:
        raise Undecodable("too_large")
    header = read_dataset(io.BytesIO(plain), False, True)
    header.file_meta = pydicom.dataset.FileMetaDataset()
    header.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    header.set_original_encoding(False, True, None)
    return header


def _integer(header: Dataset, keyword: str, default: int) -> int:
    text = dicom_header.text(header, keyword)
    return int(text) if text else default


@dataclass(frozen=True)
class _Image:
    """The Image Pixel module of a header (PS3.3 C.7.6.3), checked against the limits."""

    header: Dataset
    syntax: UID
    count: int
    rows: int
    columns: int
    photometric: str
    bits: int
    shift: int
    signed: bool
    little_endian: bool

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.rows, self.columns) if self.photometric in _GRAY else (self.rows, self.columns, 3)

    @classmethod
    def of(cls, header: Dataset, limits: DecodeLimits) -> _Image:
        present = [keyword for keyword in _PIXELS if keyword in header]
        if not present:
            raise Undecodable("no_pixels")
        image = cls._geometry(header, present[0])
        if image.rows * image.columns > limits.max_pixels or image.count > limits.max_frames:
            raise Undecodable("too_large")
        if int(np.prod(image.shape)) * image.count > limits.max_bytes:
            raise Undecodable("too_large")
        if not header[present[0]].value:
            raise Undecodable("no_pixels")
        if image.syntax in _PLUGINS:
            image.check_codestreams(limits)
        return image

    @classmethod
    def _geometry(cls, header: Dataset, pixels: str) -> _Image:
        implicit, little_endian = header.original_encoding
        syntax = getattr(header, "file_meta", {}).get("TransferSyntaxUID")
        if syntax is None:
            syntax = uid.ImplicitVRLittleEndian if implicit else _NATIVE[0 if little_endian else 2]
        if syntax not in transfer_syntaxes():
            raise Undecodable("unsupported_syntax")
        rows, columns = _integer(header, "Rows", 0), _integer(header, "Columns", 0)
        count = _integer(header, "NumberOfFrames", 1)
        if rows < 1 or columns < 1 or count < 1:
            raise Undecodable("unreadable")
        photometric = dicom_header.text(header, "PhotometricInterpretation").upper()
        if photometric not in (*_GRAY, *_COLOUR, "PALETTE COLOR"):
            raise Undecodable("unreadable")
        allocated = _integer(header, "BitsAllocated", 0)
        stored = allocated if pixels != "PixelData" else _integer(header, "BitsStored", allocated)
        if not 1 <= stored <= allocated <= 64:
            raise Undecodable("unreadable")
        if syntax == uid.JPEGExtended12Bit and stored > 8:
            raise Undecodable("unsupported_syntax")  # no installed decoder does 12-bit lossy JPEG
        high = _integer(header, "HighBit", stored - 1)
        shift = max(0, high + 1 - stored) if syntax in _NATIVE and high < allocated else 0
        signed = _integer(header, "PixelRepresentation", 0) == 1
        return cls(
            header, syntax, count, rows, columns, photometric, stored, shift, signed, bool(little_endian)
        )

    def check_codestreams(self, limits: DecodeLimits) -> None:
        """No frame may declare another size inside than the header does outside."""
        for fragment in generate_fragments(self.header.PixelData):
            declared = codestream.size(fragment)
            if declared is None:
                continue
            if declared[0] * declared[1] > limits.max_pixels:
                raise Undecodable("too_large")
            if declared != (self.rows, self.columns):
                raise Undecodable("unreadable")


def _frames(image: _Image, acquisition: Acquisition | None, identity: Identity | None) -> Iterator[Pixels]:
    with _undecodable(acquisition, identity):
        arrays = _arrays(image)
    for index in range(image.count):
        with _undecodable(acquisition, identity):
            found = next(arrays, None)
            if found is None:
                raise Undecodable("unreadable")
            shown = _display(image, index, found[0], str(found[1]["photometric_interpretation"]))
            if shown.shape != image.shape:
                raise Undecodable("unreadable")
        yield shown


def _arrays(image: _Image) -> Iterator[tuple[NDArray[Any], dict[str, Any]]]:
    """Stored values and what the decoder says of them, frame by frame."""
    decoder = get_decoder(image.syntax)
    how: dict[str, Any] = {"correct_unused_bits": False}  # done by `gray.render`, which masks them
    if image.syntax in _PLUGINS:
        encoded: Iterator[tuple[NDArray[Any], dict[str, Any]]] = decoder.iter_array(
            image.header, decoding_plugin=plugin(image.syntax), allow_excess_frames=False, **how
        )
        return encoded
    # One by one: pydicom's iterator loses its place in native frames of YBR_FULL_422.
    return (decoder.as_array(image.header, index=index, **how) for index in range(image.count))


def _display(image: _Image, index: int, stored: NDArray[Any], photometric: str) -> Pixels:
    if image.photometric in _GRAY:
        bits, signed = image.bits, image.signed
        look = look_of(image.header, index, bits=bits, signed=signed, little_endian=image.little_endian)
        return render(stored >> image.shift if image.shift else stored, bits, signed, look)
    if image.photometric == "PALETTE COLOR":
        indices = stored & ((1 << image.bits) - 1)
        colours = coloured(indices, image.header, little_endian=image.little_endian)
        # Some makers write 8-bit entries into 16 bits.
        wide = colours.dtype != np.uint8 and int(colours.max(initial=0)) > 255
        return np.ascontiguousarray(colours >> 8 if wide else colours).astype(np.uint8, copy=False)
    if photometric not in ("RGB", "YBR_ICT", "YBR_RCT"):
        raise Undecodable("unreadable")
    if stored.dtype == np.uint8 and image.bits == 8:
        return np.ascontiguousarray(stored)
    # 16-bit colour (and 32-bit, which some write): the upper eight of the stored bits.
    scaled = stored >> (image.bits - 8) if image.bits >= 8 else stored << (8 - image.bits)
    return np.ascontiguousarray(scaled & 0xFF).astype(np.uint8, copy=False)
