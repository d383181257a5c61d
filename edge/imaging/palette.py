"""Palettes (PS3.3 C.7.9) applied to stored values."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels.processing import apply_color_lut
from pydicom.uid import ExplicitVRLittleEndian

_TABLES = ("", "Segmented")
_COLOURS = ("Red", "Green", "Blue")


def coloured(stored: NDArray[Any], header: Dataset, *, little_endian: bool) -> NDArray[Any]:
    """Colours of stored values, (..., 3), of 8 or 16 bits.

    Args:
        stored: palette indices, of any shape.
        header: with Palette Color Lookup Tables, as it was read.
        little_endian: the byte order that it was written in. pydicom reads tables of words (VR OW) as
            they stand in the file, so false colours would be looked at, in which letters may drown.

    Raises:
        Exception: of pydicom or NumPy, if there is no palette or it cannot be read.
    """
    return np.asarray(apply_color_lut(stored, header if little_endian else _swapped(header))[..., :3])


def _swapped(header: Dataset) -> Dataset:
    palette = Dataset()
    palette.file_meta = FileMetaDataset()
    palette.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    names = [f"{colour}PaletteColorLookupTableDescriptor" for colour in _COLOURS]
    names += [f"{kind}{colour}PaletteColorLookupTableData" for kind in _TABLES for colour in _COLOURS]
    for name in (*names, "PixelPresentation"):
        if name in header:
            element = header[name]
            words = element.VR == "OW" and isinstance(element.value, bytes)
            value = np.frombuffer(element.value, ">u2").astype("<u2").tobytes() if words else element.value
            palette[name] = DataElement(element.tag, element.VR, value)
    return palette
