"""Standing proof (`edge.anonymize.proof`), as the rooms that clean frames see it."""

from __future__ import annotations

from typing import Protocol

from edge.anonymize.gate import Held
from edge.anonymize.geometry import Box
from edge.anonymize.self_test import SelfTest
from edge.imaging.frames import CleanFrame, Pixels, Region
from edge.messages import SuppressReason


class Witness(Protocol):
    """Sees each frame of one source as it was and as it left, and may stop it. Calls return at once."""

    def obstacle(self) -> SuppressReason | None:
        """Why nothing of this source may leave now, or None."""

    def passed(
        self,
        pixels: Pixels,
        masks: list[Box],
        outcome: CleanFrame | Held,
        self_test: SelfTest,
        regions: tuple[Region, ...] = (),
        *,
        faces: bool = True,
    ) -> None:
        """See a frame as it came, and what became of it.

        Args:
            pixels: (rows, columns[, 3]); never written into.
            masks: what was masked of it, in its pixels.
            outcome: what became of it.
            self_test: that of the source.
            regions: what of it is kept, where the frame itself says so, as a screen's layout does.
            faces: whether faces are looked for in it.
        """

    def asks(self) -> bool:
        """Whether it waits for a frame to plant a canary in."""

    def forget(self) -> None:
        """Drop what was kept of frames: the source was blinded."""
