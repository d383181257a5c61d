"""A screen layout as data: what of a scanner's screen may be kept, and how the rest of it looks.

It holds no pixels of an image and no field that changed between the samples it was learnt from: of the
static chrome it has the mean gray of cells, from which lines of a screen's usual letters cannot be read.
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from edge.imaging.frames import Region
from edge.messages import Message

LAYOUT = "layout"
"""Name among the detectors of a receipt; the digest beside it is the signed template's."""
CELL = 8
"""Side of a cell in pixels."""
_LEAST_CHROME = 64
"""Cells; with fewer nothing is pinned down."""

Side = Annotated[int, Field(ge=64, le=8192)]
Edge = Annotated[int, Field(ge=0, le=8192)]


class KeepRegion(Message):
    """A rectangle in pixels: left <= x < right, top <= y < bottom."""

    left: Edge
    top: Edge
    right: Edge
    bottom: Edge


class Thresholds(Message):
    """How far a frame's chrome may be from the template's; bounded, so that none lets everything pass."""

    level: float = Field(default=6.0, ge=1, le=16, description="gray levels by which a cell may differ")
    drift: float = Field(default=10.0, ge=0, le=20, description="gray levels by which all may differ alike")
    patch: int = Field(default=8, ge=0, le=32, description="most cells of one connected change")
    share: float = Field(default=0.005, ge=0, le=0.02, description="most of all chrome that may differ")


class LayoutTemplate(Message):
    """One layout of one scanner's screen. Arrays are row by row, cells at the right and bottom cut off."""

    v: Literal[1] = 1
    kind: Literal["layout_template"] = "layout_template"
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,62}$")
    version: int = Field(ge=1, description="rises with each template of this name")
    rows: Side
    columns: Side
    keep: list[KeepRegion] = Field(min_length=1, max_length=4)
    chrome: bytes = Field(description="one bit a cell, most significant first: whether it must look as here")
    levels: bytes = Field(description="mean gray of each cell of the chrome; 0 elsewhere")
    thresholds: Thresholds = Thresholds()

    @property
    def cells(self) -> tuple[int, int]:
        """Rows and columns of cells."""
        return self.rows // CELL, self.columns // CELL

    def chrome_mask(self) -> NDArray[np.bool_]:
        """Cells that must look as in the template, (rows, columns) of `cells`."""
        rows, columns = self.cells
        bits = np.unpackbits(np.frombuffer(self.chrome, np.uint8), count=rows * columns)
        return bits.reshape(rows, columns).astype(bool)

    def chrome_levels(self) -> NDArray[np.uint8]:
        """Mean gray of the cells, (rows, columns) of `cells`; only where `chrome_mask` is set."""
        return np.frombuffer(self.levels, np.uint8).reshape(self.cells)

    def regions(self) -> tuple[Region, ...]:
        """What may be kept."""
        return tuple(Region(r.left, r.top, r.right, r.bottom) for r in self.keep)

    @model_validator(mode="after")
    def _fits_together(self) -> LayoutTemplate:
        rows, columns = self.cells
        if len(self.levels) != rows * columns or len(self.chrome) != -(-rows * columns // 8):
            raise ValueError("expected one level and one bit for each cell")
        mask = self.chrome_mask()
        if mask.sum() < _LEAST_CHROME or self.chrome_levels()[~mask].any():
            raise ValueError("expected levels of the chrome, and of nothing else")
        for r in self.keep:
            if not (r.left < r.right <= self.columns and r.top < r.bottom <= self.rows):
                raise ValueError("expected keep-regions inside the frame")
            if mask[r.top // CELL : -(-r.bottom // CELL), r.left // CELL : -(-r.right // CELL)].any():
                raise ValueError("expected no chrome inside a keep-region")
        return self
