"""Frames that a person released from quarantine: anonymized again, each by itself, by what is signed now.

A frame is erased once its finding lies in the spool. A box that loses power between the two answers it twice.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Protocol

from edge.anonymize.gate import Held
from edge.imaging.frames import CleanFrame, RawFrame
from edge.messages import SuppressReason
from edge.pipeline.live import LivePath
from edge.pipeline.post import NoRecipientError
from edge.store.objects import Damaged
from edge.store.quarantine import Quarantine, QuarantineReason, as_frame

log = logging.getLogger(__name__)


class Cleaner(Protocol):
    """A gate that can judge one frame by itself."""

    def clean(self, raw: RawFrame) -> CleanFrame | Held:
        """The clean frame, or why there is none."""


class Released:
    """Works off what was released, a frame a turn. What is held back once more returns to quarantine.

    Args:
        quarantine: where they lie.
        lives: the paths of live sources.
        cleaners: those of the sources whose frames can be judged one by one.
    """

    def __init__(
        self, quarantine: Quarantine, lives: Mapping[str, LivePath], cleaners: Mapping[str, Cleaner]
    ) -> None:
        self._quarantine, self._lives, self._cleaners = quarantine, lives, cleaners
        self._waits: bytes | None = None

    def turn(self) -> None:
        """Answer the oldest.

        Raises:
            OSError: the disk refuses; it is tried again.
        """
        for object_id in self._quarantine.released()[:1]:
            try:
                self._quarantine.settle(object_id, self._judge(object_id))
            except KeyError:
                log.info("a released frame was discarded before it was answered")
            except NoRecipientError:
                if object_id != self._waits:
                    log.warning("a released frame waits: there is no receiver to seal its finding to")
                self._waits = object_id

    def _judge(self, object_id: bytes) -> QuarantineReason | None:
        try:
            raw = as_frame(self._quarantine.open(object_id), time.monotonic_ns())
        except Damaged:
            return "damaged"
        held = self._answer(raw)
        log.info("a released frame of %s was %s", raw.source, f"held: {held}" if held else "answered")
        return held

    def _answer(self, raw: RawFrame) -> SuppressReason | None:
        path, cleaner = self._lives.get(raw.source), self._cleaners.get(raw.source)
        if path is None or cleaner is None:
            return "unknown_layout"
        try:
            return path.again(raw, cleaner.clean)
        except (NoRecipientError, OSError):
            raise
        except Exception as error:  # noqa: BLE001 - fail closed (F1): whatever broke, this frame does not leave
            log.error("a released frame was held back: %s", type(error).__name__)
            return "detector_failed"
