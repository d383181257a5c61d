"""Where received objects go, as the capture room sees it; `edge.store.inbox` is the real one."""

from __future__ import annotations

from typing import Literal, Protocol


class Refused(Exception):  # noqa: N818  it says what happened
    """There is no room: the sender must keep the object."""


class Sink(Protocol):
    """Takes objects for good."""

    def put(self, kind: Literal["dicom", "still"], source: str, data: bytes) -> None:
        """Return only once no kill and no power cut can lose the object.

        Raises:
            Refused: no room.
            OSError: the disk refuses.
        """
