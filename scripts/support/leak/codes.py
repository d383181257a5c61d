"""Bar codes and QR codes of an invented patient number. Pure."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
_DIGITS = ("nnwwn", "wnnnw", "nwnnw", "wwnnn", "nnwnw", "wnwnn", "nwwnn", "nnnww", "wnnwn", "nwnwn")
"""Interleaved 2 of 5 (ISO/IEC 16390): widths of a digit's five bars, or of the spaces between another's."""
_START, _STOP = "nnnn", "wnn"
_WIDE = 3
LEAST = 1.25
"""Pixels of the narrowest bar or square: what is finer, no camera resolves."""


def bars(number: str, module: float, height: int) -> Picture:
    """Opacity (height, columns) of an interleaved 2 of 5 code.

    Args:
        number: digits; an odd count gets a leading 0.
        module: pixels of the narrowest bar.
        height: of the bars, in pixels.
    """
    digits = [_DIGITS[int(digit)] for digit in number.zfill(len(number) + len(number) % 2)]
    pairs = zip(digits[::2], digits[1::2], strict=True)
    inner = "".join(bar + space for pair in pairs for bar, space in zip(*pair, strict=True))
    widths = [_WIDE if width == "w" else 1 for width in _START + inner + _STOP]
    row = np.concatenate([np.full(width, 255 * (i % 2 == 0)) for i, width in enumerate(widths)])
    return _enlarged(row[None], round(row.size * module), height)


def squares(text: str, module: float) -> Picture:
    """Opacity of a QR code (ISO/IEC 18004) without its quiet zone."""
    code = np.asarray(255 - cv2.QRCodeEncoder.create().encode(text))
    ys, xs = np.nonzero(code)
    code = code[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]
    return _enlarged(code, round(code.shape[1] * module), round(code.shape[0] * module))


def _enlarged(code: NDArray[np.generic], columns: int, rows: int) -> Picture:
    """Edges between pixels become gray, as area does."""
    fine = np.repeat(np.repeat(code.astype(np.uint8), 8, 0), 8, 1)
    return np.asarray(cv2.resize(fine, (columns, rows), interpolation=cv2.INTER_AREA), np.uint8)
