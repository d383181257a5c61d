"""The grayscale display pipeline: stored values to display values (PS3.3 C.11, PS3.4 N.2).

Stored value -> modality LUT or rescale -> VOI LUT or window -> inversion of MONOCHROME1 -> 0..255.
Up to 16 bits the whole pipeline is computed once for each possible stored value, and the image is
one table look-up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.imaging.frames import Pixels

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Lut:
    """A LUT of PS3.3 C.11.1.1: input ``first`` maps to ``entries[0]``; inputs beyond are clamped."""

    first: int
    entries: Values
    bits: int

    def __call__(self, values: Values) -> Values:
        """Output for each input, in units of 0 to ``2**bits - 1``."""
        index = np.clip(np.rint(values) - self.first, 0, len(self.entries) - 1).astype(np.intp)
        found: Values = self.entries[index]
        return found


@dataclass(frozen=True)
class Look:
    """How one frame's stored values become display values."""

    slope: float = 1.0
    intercept: float = 0.0
    modality: Lut | None = None
    voi: Lut | None = None
    window: tuple[float, float] | None = None
    """Center and width of the first window; None: from the frame's own least and greatest value."""
    function: str = "LINEAR"
    """VOI LUT Function: LINEAR, LINEAR_EXACT or SIGMOID (PS3.3 C.11.2.1.2, C.11.2.1.3)."""
    inverted: bool = False
    """MONOCHROME1: the least value is white."""
    padding: tuple[int, int] | None = None
    """Pixel Padding Value and Range Limit, inclusive, in stored values; shown black."""


def render(stored: NDArray[Any], bits: int, signed: bool, look: Look) -> Pixels:
    """Stored values of one frame to display values.

    Args:
        stored: (rows, columns), integer or float.
        bits: Bits Stored. What stands above them in an integer, such as an embedded overlay of
            old, is not looked at.
        signed: Pixel Representation is 1.
        look: the pipeline of this frame.

    Returns:
        uint8, (rows, columns).
    """
    if stored.dtype.kind not in "iub" or bits > 16:
        values = stored.astype(np.float64)
        hidden = ~np.isfinite(values) | _padded(values, look)
        return _curve(values, hidden, ~hidden, look)
    size = 1 << bits
    codes = stored.astype(np.uint16) & np.uint16(size - 1)
    values = np.arange(size, dtype=np.float64)
    if signed:
        values[size // 2 :] -= size
    hidden = _padded(values, look)
    counted = ~hidden & (np.bincount(codes.ravel(), minlength=size) > 0)
    shown: Pixels = _curve(values, hidden, counted, look)[codes]
    return shown


def _padded(values: Values, look: Look) -> NDArray[np.bool_]:
    if look.padding is None:
        return np.zeros(values.shape, dtype=np.bool_)
    return (values >= look.padding[0]) & (values <= look.padding[1])


def _curve(values: Values, hidden: NDArray[np.bool_], counted: NDArray[np.bool_], look: Look) -> Pixels:
    """The pipeline on plain values; ``hidden`` ones are black, ``counted`` ones set the default window."""
    values = np.where(np.isfinite(values), values, 0.0)
    values = look.modality(values) if look.modality else values * look.slope + look.intercept
    if look.voi is not None:
        # The output of a VOI LUT spans its own bits (PS3.3 C.11.2.1.1).
        share = look.voi(values) / float((1 << look.voi.bits) - 1)
    elif look.window is not None:
        share = _window(values, *look.window, look.function)
    else:
        inside = values[counted]
        low, high = (float(inside.min()), float(inside.max())) if inside.size else (0.0, 0.0)
        share = (values - low) / (high - low) if high > low else np.zeros_like(values)
    share = np.clip(share, 0.0, 1.0)
    if look.inverted:
        share = 1.0 - share
    shown = np.rint(share * 255.0).astype(np.uint8)
    shown[hidden] = 0
    return shown


def _window(values: Values, center: float, width: float, function: str) -> Values:
    """Share of the display range, not yet clipped (PS3.3 C.11.2.1.2.1, .3.1, .3.2)."""
    if function == "SIGMOID":
        return 1.0 / (1.0 + np.exp(np.clip(-4.0 * (values - center) / width, -700.0, 700.0)))
    if function == "LINEAR_EXACT":
        return (values - center) / width + 0.5
    if width <= 1.0:
        return (values > center - 0.5).astype(np.float64)
    return (values - (center - 0.5)) / (width - 1.0) + 0.5
