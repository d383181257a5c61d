"""What every decoder gives back, and the one way in which it fails."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edge.imaging.frames import Acquisition, Identity, Pixels
from edge.messages import SuppressReason


@dataclass(frozen=True)
class DecodeLimits:
    """Bounds that are checked on the header, before a pixel is decoded."""

    max_pixels: int = 67_108_864
    """Rows x columns of one frame."""
    max_frames: int = 2000
    """Frames of one object."""
    max_bytes: int = 1 << 30
    """Display bytes of one object, all frames; bounds an inflated deflate stream, too."""


class Undecodable(Exception):  # noqa: N818  the word that the rooms agreed on
    """The bytes give no pixels.

    The text is the reason from the closed list of `edge.messages.SuppressReason` and nothing else.
    What the header said before decoding failed comes along, so that the result can still be
    attached to its study.
    """

    def __init__(
        self,
        reason: SuppressReason,
        acquisition: Acquisition | None = None,
        identity: Identity | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason: SuppressReason = reason
        self.acquisition = acquisition
        self.identity = identity


@dataclass(frozen=True, repr=False)
class Opened:
    """A header that was accepted; its frames are decoded one at a time, as the iterator is read.

    ``frames`` yields exactly ``count`` arrays of ``shape``, uint8, or raises `Undecodable`. It can
    be read once.
    """

    count: int
    shape: tuple[int, ...]
    frames: Iterator[Pixels]
    acquisition: Acquisition
    identity: Identity | None


@dataclass(frozen=True, repr=False)
class Decoded:
    """All frames of an object: uint8, (H, W) gray or (H, W, 3) RGB, all of one shape.

    The arrays may be read-only views of memory shared with the decoder.
    """

    frames: Sequence[Pixels]
    acquisition: Acquisition
    identity: Identity | None
