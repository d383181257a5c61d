"""The two kinds of frame, and the wall between them.

A `RawFrame` may show a person. It cannot be pickled, copied, serialized or printed. A
`CleanFrame` went through the anonymization gate, and only `edge.anonymize` may make one: its
constructor asks for the gate's key, and a test walks the syntax tree of every other room to see
that none calls it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from edge.messages import Receipt

Pixels = NDArray[np.uint8]
"""Display values, shape (rows, columns) for gray or (rows, columns, 3) for RGB, uint8."""


class _NeverLeaves:
    """Refuses every standard way by which an object leaves the process or enters a log."""

    __slots__ = ()

    def _refuse(self, *_: object) -> NoReturn:
        raise TypeError(f"{type(self).__name__} may show who the patient is: it stays in this process")

    __reduce__ = __reduce_ex__ = __copy__ = __deepcopy__ = _refuse
    __getstate__ = _refuse
    __bytes__ = _refuse
    __format__ = _refuse

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


@dataclass(frozen=True, eq=False, repr=False)
class Identity(_NeverLeaves):
    """Who the patient is and where the object belongs (PS3.3 C.7.1.1, C.7.2.1).

    It exists between the header parser and the custodian's seal, in memory alone.
    """

    patient_id: str
    issuer: str
    accession_number: str
    study_uid: str
    series_uid: str
    sop_uid: str
    names: tuple[str, ...] = ()
    """Words that name the patient; the text gate looks for them in pixels. Never sealed."""


@dataclass(frozen=True)
class Region:
    """A rectangle of pixels: ``left <= x < right``, ``top <= y < bottom``."""

    left: int
    top: int
    right: int
    bottom: int


@dataclass(frozen=True)
class Acquisition:
    """What a header or a source's setting says about an image, and nothing about a person."""

    modality: str = ""
    """Defined term of Modality (0008,0060), e.g. ``MR``, ``CR``, ``DX``; empty if unknown."""
    body_part: str = ""
    """Body Part Examined (0018,0015), upper case; empty if unknown."""
    view: str = ""
    """View Position (0018,5101); empty if unknown."""
    manufacturer: str = ""
    model_name: str = ""
    regions: tuple[Region, ...] = ()
    """SequenceOfUltrasoundRegions (0018,6011) as rectangles."""
    secondary: bool = False
    """Secondary capture, screen save or derived report: its layout is unknown."""
    software: str = ""
    """Software Versions (0018,1020)."""
    image_type: str = ""
    """Image Type (0008,0008): code strings, upper case, joined by a backslash."""
    scripts: tuple[str, ...] = ()
    """Scripts beside Latin that the header is written in; see `edge.imaging.scripts`."""


@dataclass(frozen=True, eq=False, repr=False)
class RawFrame(_NeverLeaves):
    """Pixels that may show a person.

    ``captured_ns`` is monotonic (CLOCK_MONOTONIC), ``captured_ms`` is Unix time for the record.
    """

    pixels: Pixels
    source: str
    index: int
    captured_ns: int
    captured_ms: int
    acquisition: Acquisition
    identity: Identity | None = None
    release: Callable[[], None] | None = None
    """Gives the buffer back to the capture process; the pixels are invalid afterwards."""


_GATE_KEY = object()


@dataclass(frozen=True, eq=False, repr=False)
class CleanFrame:
    """Pixels that passed the gate of `edge.anonymize`, and the receipt of what was done."""

    pixels: Pixels
    source: str
    index: int
    captured_ns: int
    captured_ms: int
    acquisition: Acquisition
    receipt: Receipt
    _key: Any = None

    def __post_init__(self) -> None:
        if self._key is not _GATE_KEY:
            raise TypeError("a CleanFrame is made by the gate of edge.anonymize alone")

    def __repr__(self) -> str:
        return f"<CleanFrame {self.source}#{self.index} {self.pixels.shape}>"
