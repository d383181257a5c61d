"""Scanner objects: out of the inbox, into the spool, nothing lost and nothing twice.

An object stays in the inbox until its result is in the spool. The spool row and the note that this
object is answered are one transaction, so a crash at any line below repeats work, never a result
(threat model, T15).
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from typing import Protocol

import numpy as np

from edge.anonymize.gate import Held, take_identity
from edge.capture.client import CaptureLost
from edge.imaging.dicom import Decoded, Undecodable
from edge.imaging.frames import Acquisition, CleanFrame, Identity, RawFrame
from edge.messages import Finding, Head, ObjectResult, Outcome, Suppressed, SuppressReason
from edge.pipeline.figures import Figures
from edge.pipeline.gates import Gates
from edge.pipeline.post import PRIORITY_SCANNER, NoRecipientError, Post
from edge.pipeline.series import SeriesDesk
from edge.pipeline.stage import Pulse
from edge.store.inbox import InboxReader, Item
from edge.store.seen import Handles
from edge.store.spool import Spool
from edge.wire.identity import seal_identity

log = logging.getLogger(__name__)

STREAM = "scanner"
_NO_PIXELS = np.zeros((1, 1), np.uint8)
_IDLE = 0.2
"""Seconds between looks into an empty inbox."""
_AGAIN = 1.0
"""Seconds before an object is tried again when a part of the box was not there."""
_QUARANTINED: frozenset[SuppressReason] = frozenset(
    {"unreadable", "too_large", "unsupported_syntax", "no_pixels", "unknown_layout", "text_left"}
)
"""Reasons for which a person may want to look at the object: it is kept, encrypted, in quarantine."""


class Decoder(Protocol):
    """The decoder worker in the capture process."""

    def decode(self, kind: str, data: bytes | bytearray) -> Decoded:
        """Decode foreign bytes; raises `Undecodable` or `CaptureLost`."""


class ScannerAnonymizer(Protocol):
    """The anonymization gate for scanner frames."""

    def clean(self, raw: RawFrame) -> CleanFrame | Held:
        """Clean one frame, or say why not."""


class ScannerPath:
    """Answers the objects of the inbox, oldest first, in one thread."""

    def __init__(
        self,
        inbox: InboxReader,
        decoder: Decoder,
        gates: Gates,
        anonymizer: ScannerAnonymizer,
        handles: Handles,
        series: SeriesDesk,
        spool: Spool,
        post: Post,
        figures: Figures,
    ) -> None:
        self._inbox, self._decoder, self._gates, self._anonymizer = inbox, decoder, gates, anonymizer
        self._handles, self._series, self._spool, self._post = handles, series, spool, post
        self._figures = figures
        self._stop = threading.Event()
        self._waiting = 0
        self.pulse = Pulse("scanner", lambda: self._waiting)
        self._thread = threading.Thread(target=self._run, name="scanner", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """End after the object under way; what is left stays in the inbox."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def _run(self) -> None:
        while not self._stop.is_set():
            ids = self._inbox.ids()
            for number, object_id in enumerate(ids):
                if self._stop.is_set():
                    return
                self._waiting = len(ids) - number
                try:
                    self.answer(object_id)
                except (CaptureLost, NoRecipientError, OSError) as error:
                    # Nothing is lost: the object stays where it is. The loop turns, so the watchdog
                    # does not take an absent partner for a hang.
                    log.warning("an object waits in the inbox: %s", type(error).__name__)
                    self._waiting = 0
                    self.pulse.turn(moved=False)
                    self._stop.wait(_AGAIN)
                    break
                self.pulse.turn(moved=True)
            self._waiting = 0
            self._series.close_due(time.time())
            self.pulse.turn(moved=False)
            self._stop.wait(_IDLE)

    def answer(self, object_id: bytes) -> None:
        """Answer one object of the inbox, whatever is in it, with exactly one result."""
        if self._spool.answered(object_id):
            self._forget(object_id, None)
            return
        item = self._inbox.open(object_id)
        content = hashlib.sha256(item.data).digest()
        try:
            with self._figures.timed("decode"):
                decoded = self._decoder.decode(item.kind, item.data)
            identity = take_identity(
                RawFrame(_NO_PIXELS, STREAM, 0, 0, item.received_ms, decoded.acquisition, decoded.identity)
            )
            if identity and not self._handles.claim(identity.sop_uid, content, object_id):
                log.info("an object that was answered before came again; nothing is sent twice")
                self._figures.count("scanner_again")
                self._forget(object_id, None)
                return
            outcomes = self._outcomes(decoded, item)
        except Undecodable as error:
            identity, decoded = None, None
            self._figures.held_back(error.reason)
            outcomes = [
                Suppressed(frame=0, captured_ms=item.received_ms, stage="decode", reason=error.reason)
            ]
        self._publish(object_id, item, identity, outcomes)
        held = next((o.reason for o in outcomes if isinstance(o, Suppressed) and o.reason in _QUARANTINED), None)
        self._forget(object_id, held)
        self._figures.count("scanner_objects")

    def _outcomes(self, decoded: Decoded, item: Item) -> list[Outcome]:
        outcomes: list[Outcome] = []
        received = time.monotonic_ns()
        for index, pixels in enumerate(decoded.frames):
            raw = RawFrame(
                pixels, STREAM, index, received, item.received_ms, decoded.acquisition, decoded.identity
            )
            outcomes.append(self._outcome(raw))
            self.pulse.turn(moved=True)
        return outcomes

    def _outcome(self, raw: RawFrame) -> Outcome:
        group = self._gates.before(raw, camera=False)
        if isinstance(group, Suppressed):
            return group
        with self._figures.timed("anonymize"):
            cleaned = self._anonymizer.clean(raw)
        if isinstance(cleaned, Held):
            return self._gates.hold(raw, "anonymize", cleaned.reason)
        return self._gates.after(cleaned, group)

    def _publish(
        self, object_id: bytes, item: Item, identity: Identity | None, outcomes: list[Outcome]
    ) -> None:
        if identity:
            study, series = self._handles.study(identity.study_uid), self._handles.series(identity.series_uid)
            custodian = self._post.directory.custodian()
            block = seal_identity(identity, custodian, study=study, object_=object_id)
            kid: bytes | None = custodian.kid
        else:
            # Nobody is named: the object is a study of its own under its own random handle.
            study = series = object_id
            block, kid = None, None
        findings = [outcome for outcome in outcomes if isinstance(outcome, Finding)]
        self._series.add(study, series, object_id, findings, len(outcomes) - len(findings), time.time())

        def build(head: Head) -> ObjectResult:
            return ObjectResult(
                head=head,
                study=study,
                series=series,
                object=object_id,
                received_ms=item.received_ms,
                outcomes=outcomes,
                identity=block,
                identity_kid=kid,
            )

        self._post.send(STREAM, build, source=object_id, priority=PRIORITY_SCANNER)

    def _forget(self, object_id: bytes, quarantine: SuppressReason | None) -> None:
        if quarantine is None:
            self._inbox.delete(object_id)
        else:
            self._inbox.quarantine(object_id, quarantine)
        self._spool.forget_source(object_id)
