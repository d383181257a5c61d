"""Pixel Data as stored values: read, fill, write back (PS3.3 C.7.6.3, PS3.5 section 8).

What is not filled stays bit for bit what the decoder gave.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID

from edge.anonymize.geometry import fill_flat

_PLUGINS = ("pydicom", "pylibjpeg", "pyjpegls", "gdcm")
"""In this order, as each is there; none is GPL, and Pillow is not asked for medical pixels."""


class UnsupportedPixelsError(Exception):
    """The pixels cannot be rewritten without loss. The text names no value of the header."""


@dataclass(frozen=True, repr=False)
class Stored:
    """Stored values (frames, rows, columns[, 3]) and how they are to be read."""

    values: NDArray[Any]
    photometric: str
    bits_stored: int


def read(dataset: Dataset) -> Stored:
    """Decode Pixel Data without any colour transform or display curve.

    Raises:
        UnsupportedPixelsError: no decoder, or pixels of a kind that is not rewritten.
    """
    if "PixelData" not in dataset or int(dataset.get("BitsAllocated", 0)) not in {8, 16, 32}:
        raise UnsupportedPixelsError("no Pixel Data of 8, 16 or 32 bits")
    syntax = UID(dataset.file_meta.TransferSyntaxUID)
    try:
        decoder = get_decoder(syntax)
        plugins = decoder.available_plugins if syntax.is_encapsulated else ("",)
        plugin = next(name for name in (*_PLUGINS, "") if name in plugins)
        values, meta = decoder.as_array(dataset, raw=True, decoding_plugin=plugin)
    except Exception as error:  # decoders of foreign bytes raise anything; none may be there at all
        raise UnsupportedPixelsError("Pixel Data cannot be decoded") from error
    samples = int(dataset.get("SamplesPerPixel", 1))
    shape = (-1, int(dataset.Rows), int(dataset.Columns), *((3,) if samples == 3 else ()))
    values = np.array(values, dtype=values.dtype.newbyteorder("<")).reshape(shape)
    photometric = str(meta["photometric_interpretation"])
    if photometric.startswith("YBR_FULL"):
        photometric = "YBR_FULL"  # the decoder gives every pixel its own chrominance
    elif photometric.startswith("YBR_"):
        photometric = "RGB"  # a JPEG 2000 codestream undoes its own transform
    bits = min(int(meta["bits_stored"]), values.dtype.itemsize * 8)
    return Stored(_used_bits(values, bits), photometric, bits)


def _used_bits(values: NDArray[Any], bits: int) -> NDArray[Any]:
    """Unused high bits cleared or sign-extended: old objects keep overlays in them (PS3.5 8.1.2)."""
    unused = values.dtype.itemsize * 8 - bits
    if unused <= 0:
        return values
    return np.asarray(np.right_shift(np.left_shift(values, unused), unused))


def fill(stored: Stored, outside: NDArray[np.bool_], text: NDArray[np.bool_], dataset: Dataset) -> None:
    """Overwrite pixels of every frame, in place.

    Args:
        stored: values of the object.
        outside: (rows, columns), True outside the image region: filled with what shows as black.
        text: (rows, columns), True where text stood: filled with one value of its surroundings.
        dataset: its header, for the palette.
    """
    nominal = stored.photometric == "PALETTE COLOR"
    for frame in stored.values:
        if outside.any():
            frame[outside] = _black(stored, frame[~outside], dataset)
        if text.any():
            fill_flat(frame, text & ~outside, nominal=nominal)


def _black(stored: Stored, kept: NDArray[Any], dataset: Dataset) -> Any:
    """The stored value that shows as black."""
    dtype = stored.values.dtype
    if stored.photometric == "RGB":
        return 0
    if stored.photometric == "YBR_FULL":
        half = 1 << (stored.bits_stored - 1)
        return np.array([0, half, half], dtype)
    if stored.photometric == "PALETTE COLOR":
        return _darkest(dataset, dtype)
    # The darkest value that the kept pixels have: a value of its own would shift a window that
    # viewers derive from the extremes.
    if kept.size == 0:
        return 0
    return kept.max() if stored.photometric == "MONOCHROME1" else kept.min()


def _darkest(dataset: Dataset, dtype: Any) -> Any:
    """Stored value of the darkest entry of the palette (PS3.3 C.7.9)."""
    total: NDArray[np.int64] | None = None
    _, first, bits = (int(v) for v in dataset.RedPaletteColorLookupTableDescriptor)
    for colour in ("Red", "Green", "Blue"):
        data = getattr(dataset, f"{colour}PaletteColorLookupTableData", b"")
        table = np.frombuffer(data, "<u2" if bits > 8 else "u1").astype(np.int64)
        total = table if total is None else total[: len(table)] + table[: len(total)]
    assert total is not None
    return np.array(first + (int(np.argmin(total)) if len(total) else 0)).astype(dtype)


def write(dataset: Dataset, stored: Stored) -> None:
    """Put the values back as native Pixel Data for Explicit VR Little Endian."""
    values = stored.values
    frames = values.shape[0]
    data = values.tobytes()
    dataset.PixelData = data + b"\0" * (len(data) % 2)
    dataset["PixelData"].VR = "OB" if values.dtype.itemsize == 1 else "OW"
    dataset["PixelData"].is_undefined_length = False
    dataset.PhotometricInterpretation = stored.photometric
    dataset.BitsAllocated = values.dtype.itemsize * 8
    dataset.BitsStored = stored.bits_stored
    dataset.HighBit = stored.bits_stored - 1
    dataset.PixelRepresentation = 1 if values.dtype.kind == "i" else 0
    dataset.SamplesPerPixel = 3 if values.ndim == 4 else 1
    if values.ndim == 4:
        dataset.PlanarConfiguration = 0
    if frames > 1:
        dataset.NumberOfFrames = frames
