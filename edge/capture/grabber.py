"""What a live source is to its worker: open, grab, close."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray


class SourceGone(Exception):  # noqa: N818  it says what happened
    """The source does not open or gives no more frames; it is tried again after a while.

    ``for_good``: nothing but a change of the file or the settings will help.
    """

    def __init__(self, message: str, *, for_good: bool = False) -> None:
        super().__init__(message)
        self.for_good = for_good


@dataclass(frozen=True, eq=False, repr=False)
class Grabbed:
    """One frame as OpenCV gives it: uint8, (H, W, 3) BGR or (H, W) gray."""

    bgr: NDArray[Any]
    index: int
    captured_ns: int
    """CLOCK_MONOTONIC."""
    captured_ms: int
    """Unix time."""
    skipped: int = 0
    """Frames that were passed over before this one, since they came too late."""


class Grabber(Protocol):
    """One live source. All calls come from one thread."""

    def open(self) -> None:
        """Open the source if it is not open.

        Raises:
            SourceGone: it does not open.
        """

    def grab(self) -> Grabbed | None:
        """Wait for the next frame; None at the end of a file.

        Raises:
            SourceGone: the source stopped giving frames.
        """

    def close(self) -> None:
        """Let go of the source. Closing twice is no error; it may be opened again."""
