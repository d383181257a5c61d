"""Palettes of stored values (PS3.3 C.7.9) and look-up tables, as bytes of a header."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from edge.imaging.palette import coloured

_WORDS = ("OW",)


def darkest(header: Dataset) -> int:
    """The stored value that the palette shows darkest; the first one if the palette cannot be read."""
    _, first, _ = (int(value) for value in header.RedPaletteColorLookupTableDescriptor)
    entries = int(header.RedPaletteColorLookupTableDescriptor[0]) or 1 << 16  # 0 stands for 65,536
    try:
        values: NDArray[np.int64] = first + np.arange(entries)
        little_endian = header.original_encoding[1] is not False
        shown = coloured(values[None], header, little_endian=little_endian)[0].astype(np.int64).sum(axis=1)
    except Exception:  # noqa: BLE001  # a palette that no parser reads is filled with some colour, as solid
        return first
    return first + int(np.argmin(shown))


def swap_words(header: Dataset) -> None:
    """Turn the words of every element of VR OW, at any depth, from big to little endian, in place.

    pydicom leaves such bytes as they stand in the file (PS3.5 7.3), and would write them so.
    """
    for item in header.iterall():
        if item.VR in _WORDS and isinstance(item.value, bytes):
            even = item.value + b"\0" * (len(item.value) % 2)
            item.value = np.frombuffer(even, "<u2").byteswap().tobytes()
