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
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

import numpy as np

from edge.anonymize.gate import Held, take_identity
from edge.capture.client import CaptureLost
from edge.imaging.decoded import Decoded, Undecodable
from edge.imaging.frames import Acquisition, CleanFrame, Identity, Pixels, RawFrame
from edge.messages import Finding, Head, ObjectResult, Outcome, Suppressed, SuppressReason
from edge.pipeline.attempts import MOST, Attempts
from edge.pipeline.figures import Figures
from edge.pipeline.gates import Gates
from edge.pipeline.post import PRIORITY_SCANNER, NoRecipientError, Post
from edge.pipeline.series import SeriesDesk
from edge.pipeline.stage import Pulse
from edge.settings import Box
from edge.store.database import StoreError
from edge.store.inbox import InboxReader
from edge.store.objects import Damaged, Item
from edge.store.quarantine import QuarantineReason
from edge.store.seen import Handles
from edge.store.spool import Spool
from edge.wire.codec import CodecError
from edge.wire.identity import IdentityContext, seal_identity

log = logging.getLogger(__name__)

STREAM = "scanner"
_NO_PIXELS = np.zeros((1, 1), np.uint8)
_IDLE = 1.0
"""Seconds between looks into an empty inbox when nobody says that an object came."""
_AGAIN = 2.0
"""Seconds before objects are tried again when a part of the box was not there."""
_PATIENCE = 10.0
"""A large radiograph takes minutes: so many times longer than others this loop may stand still."""
_REHEARSAL_REST = 9.0
"""So many times as long as a frame for a canary took no other is decoded: cameras need the machine, too."""
_MOST_OUTCOMES = 500
"""Outcomes of one object that surely fit into one body."""
_TRANSIENT: frozenset[SuppressReason] = frozenset(
    {"detector_late", "detector_failed", "self_test_failed", "classifier_failed"}
)
"""Reasons that lie with the box and not with the object."""
_QUARANTINED: frozenset[SuppressReason] = frozenset(
    {
        "unreadable", "too_large", "unsupported_syntax", "no_pixels",
        "unknown_layout", "unproved_script", "text_left", "over_masked",
    }
)  # fmt: skip
"""Reasons for which a person may want to look at the object: it is kept, encrypted, in quarantine."""


_SHUT: frozenset[SuppressReason] = frozenset({"recall_low", "leak_budget_spent"})
"""Reasons of the standing proof: a person opens the source again, and then the object is answered."""


class Decoder(Protocol):
    """The decoder worker in the capture process."""

    def decode(self, kind: str, data: bytes | bytearray) -> Decoded:
        """Decode foreign bytes; raises `Undecodable` or `CaptureLost`."""


class ScannerAnonymizer(Protocol):
    """The anonymization gate for scanner frames."""

    def clean(self, raw: RawFrame) -> CleanFrame | Held:
        """Clean one frame, or say why not."""

    def obstacle(self) -> SuppressReason | None:
        """Why nothing may leave now, or None."""

    def asks(self) -> bool:
        """Whether a frame is wanted for a canary."""


class ShutError(Exception):
    """The standing proof let nothing leave: the object waits, and nobody hears of it yet."""


class ScannerPath:
    """Answers the objects of the inbox, oldest first, in one thread.

    ``stills`` says of the pictures of each watched folder what one of them shows.
    """

    def __init__(
        self,
        box: Box,
        stills: Mapping[str, Callable[[Pixels], Acquisition]],
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
        self._box, self._stills = box, stills
        self._inbox, self._decoder, self._gates, self._anonymizer = inbox, decoder, gates, anonymizer
        self._handles, self._series, self._spool, self._post = handles, series, spool, post
        self._figures = figures
        self._stop, self._arrived = threading.Event(), threading.Event()
        self._waiting = self._rehearsed = 0
        self._rehearse_from = 0.0
        self._shut: SuppressReason | None = None
        self.pulse = Pulse("scanner", lambda: self._waiting, _PATIENCE)
        self._attempts = Attempts(box.state / "attempt")
        self._thread = threading.Thread(target=self._run, name="scanner", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, timeout: float) -> bool:
        """End after the frame under way; what is left stays in the inbox. False if it takes longer."""
        self._stop.set()
        self._arrived.set()
        if self._thread.is_alive():
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        begun = False
        while not self._stop.is_set():
            try:
                if not begun:  # a series whose end a crash interrupted ends before anything joins it
                    self._series.close_due(0.0)
                    begun = True
                # A series is closed by time only when nothing of it can wait in the inbox.
                if self._answer_all():
                    self._series.close_due(time.time())
            except (CaptureLost, NoRecipientError, OSError) as error:
                # Nothing is lost: objects stay in the inbox, series open. The loop turns, so the watchdog
                # does not take an absent partner for a hang.
                log.warning("scanner objects wait: %s", type(error).__name__)
                self._stop.wait(_AGAIN)
            except Exception as error:  # noqa: BLE001 - one series must not end the thread; it is tried again
                log.error("a series was not closed: %s", type(error).__name__)
                self._stop.wait(_AGAIN)
            self._waiting = 0
            self.pulse.turn(moved=False)
            self._arrived.wait(_IDLE)
            self._arrived.clear()

    def wake(self) -> None:
        """An object came into the inbox; from any thread."""
        self._arrived.set()

    def _answer_all(self) -> bool:
        """Answer what is in the inbox, oldest first; False if something is left for later."""
        ids = self._inbox.ids()
        left = False
        for number, object_id in enumerate(ids):
            if self._stop.is_set():
                return False
            self._waiting = len(ids) - number
            if self._is_shut():
                self._rehearse(ids[self._rehearsed % len(ids)])
                return False
            try:
                self.answer(object_id)
            except ShutError:
                self._attempts.not_its_fault(object_id)
                return False
            except (CaptureLost, NoRecipientError, StoreError, InterruptedError):
                self._attempts.not_its_fault(object_id)
                raise
            except OSError as error:
                # A full or failing disk is not the object's doing, however often it is tried.
                self._attempts.not_its_fault(object_id)
                log.warning("an object waits in the inbox: %s", type(error).__name__)
                left = True
            except Exception as error:  # noqa: BLE001 - whatever one object does, the next gets its turn
                log.error("an object was not answered and is tried again: %s", type(error).__name__)
                left = True
            self.pulse.turn(moved=True)
        return not left

    def _is_shut(self) -> bool:
        """Whether the standing proof lets nothing leave: quarantine is bounded, so all waits in the inbox."""
        before, self._shut = self._shut, self._anonymizer.obstacle()
        if self._shut is not None and self._shut != before:
            log.error("scanner objects wait in the inbox: %s", self._shut)
        elif self._shut is None and before is not None:
            log.warning("scanner objects are answered again")
        return self._shut is not None

    def _rehearse(self, object_id: bytes) -> None:
        """Clean a frame of an object that waits, for a canary's sake alone; what comes of it is dropped."""
        began = time.monotonic()
        if began < self._rehearse_from or not self._anonymizer.asks():
            return
        self._rehearsed += 1  # another one the next time: of some nothing may be kept
        try:
            if self._attempts.begin(object_id) <= MOST:
                item = self._inbox.open(object_id)
                decoded = self._decoder.decode(item.kind, item.data)
                self._anonymizer.clean(next(self._raws(decoded, item)))
        except CaptureLost:
            raise
        except Exception as error:  # noqa: BLE001 - it is answered in its turn, and then it counts
            log.info("an object that waits gave no frame for a canary: %s", type(error).__name__)
        finally:
            self._attempts.not_its_fault(object_id)
            ended = time.monotonic()
            self._rehearse_from = ended + _REHEARSAL_REST * (ended - began)

    def answer(self, object_id: bytes) -> None:
        """Answer one object of the inbox, whatever is in it, with exactly one result."""
        if self._spool.answered(object_id):
            self._forget(object_id, self._attempts.fate(object_id))
            return
        # Without somebody to read it there is no use in looking at it.
        self._post.directory.receivers()
        self._post.directory.custodian()
        poison = self._attempts.begin(object_id) > MOST
        try:
            item = self._inbox.open(object_id)
        except KeyError:
            self._attempts.end(object_id)
            return
        except Damaged:
            # Its content is lost, but not the fact that it came: it is answered like any other.
            now_ms = time.time_ns() // 1_000_000
            self._conclude(object_id, now_ms, None, [self._undecodable("unreadable", now_ms)], "damaged")
            return
        if poison:
            log.error("an object was tried %d times in vain; it goes into quarantine", MOST)
            lost: list[Outcome] = [self._undecodable("unreadable", item.received_ms)]
            self._conclude(object_id, item.received_ms, None, lost, "unreadable")
            return
        content = hashlib.sha256(item.data).digest()
        try:
            with self._figures.timed("decode"):
                decoded = self._decoder.decode(item.kind, item.data)
            identity = take_identity(_as_raw(decoded, item))
        except Undecodable as error:
            decoded, identity, reason = None, error.identity, error.reason
        # What has no identity is known by where it came from and what is in it.
        name = identity.sop_uid if identity and identity.sop_uid else f"{item.kind} from {item.source}"
        if not self._handles.claim(name, content, object_id):
            log.info("an object that was answered before came again; nothing is sent twice")
            self._figures.count("scanner_again")
            self._forget(object_id, None)
            return
        if decoded is None:
            outcomes: list[Outcome] = [self._undecodable(reason, item.received_ms)]
        else:
            outcomes = self._outcomes(decoded, item)
        held = [outcome.reason for outcome in outcomes if isinstance(outcome, Suppressed)]
        fate = next((reason for reason in held if reason in _QUARANTINED), None)
        self._conclude(object_id, item.received_ms, identity, outcomes, fate)
        if _TRANSIENT.intersection(held):
            # The box was at fault: what is sent again once it is mended gets its answer.
            self._handles.release(name, content)

    def _conclude(
        self,
        object_id: bytes,
        received_ms: int,
        identity: Identity | None,
        outcomes: list[Outcome],
        fate: QuarantineReason | None,
    ) -> None:
        """Store the result, and only then let the object go."""
        self._attempts.decide(object_id, fate)
        place = self._publish(object_id, received_ms, identity, outcomes)
        self._forget(object_id, fate)
        self._series.close_if_full(*place)
        self._figures.count("scanner_objects")

    def _undecodable(self, reason: SuppressReason, received_ms: int) -> Suppressed:
        self._figures.held_back(reason)
        return Suppressed(frame=0, captured_ms=received_ms, stage="decode", reason=reason)

    def _outcomes(self, decoded: Decoded, item: Item) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for raw in self._raws(decoded, item):
            if self._stop.is_set():
                raise InterruptedError  # an OSError: the object stays, and is answered at the next start
            outcomes.append(self._outcome(raw))
            self.pulse.turn(moved=True)
        return outcomes

    def _raws(self, decoded: Decoded, item: Item) -> Iterator[RawFrame]:
        received = time.monotonic_ns()
        # A picture says nothing of itself: its folder's setting says it.
        told = self._stills.get(item.source) if item.kind == "still" else None
        for index, pixels in enumerate(decoded.frames):
            acquisition = decoded.acquisition if told is None else told(pixels)
            yield RawFrame(pixels, STREAM, index, received, item.received_ms, acquisition, decoded.identity)

    def _outcome(self, raw: RawFrame) -> Outcome:
        group = self._gates.before(raw, camera=False)
        if isinstance(group, Suppressed):
            return group
        try:
            with self._figures.timed("anonymize"):
                cleaned = self._anonymizer.clean(raw)
        except Exception as error:  # noqa: BLE001 - fail closed (F1): whatever broke, this frame does not leave
            log.error("a frame was held back, its anonymization failed: %s", type(error).__name__)
            return self._gates.hold(raw, "anonymize", "detector_failed")
        if isinstance(cleaned, Held):
            if cleaned.reason in _SHUT:
                raise ShutError
            return self._gates.hold(raw, "anonymize", cleaned.reason, cleaned.receipt)
        return self._gates.after(cleaned, group)

    def _publish(
        self, object_id: bytes, received_ms: int, identity: Identity | None, outcomes: list[Outcome]
    ) -> tuple[bytes, bytes]:
        if identity:
            # What names no study or series is one of its own, under the handle that it keeps if done again.
            study = self._handles.study(identity.study_uid) if identity.study_uid else object_id
            series = self._handles.series(identity.series_uid) if identity.series_uid else object_id
            custodian = self._post.directory.custodian()
            context = IdentityContext(self._box.site, self._box.device, study, object_id)
            block: bytes | None = seal_identity(identity, custodian, context)
            kid: bytes | None = custodian.kid
        else:
            # Nobody is named: the object is a study of its own under its own random handle.
            study = series = object_id
            block, kid = None, None
        findings = [outcome for outcome in outcomes if isinstance(outcome, Finding)]
        held = [outcome for outcome in outcomes if isinstance(outcome, Suppressed)]
        self._series.add(study, series, object_id, findings, held, time.time())

        def build(head: Head) -> ObjectResult:
            return ObjectResult(
                head=head,
                study=study,
                series=series,
                object=object_id,
                received_ms=received_ms,
                outcomes=outcomes,
                identity=block,
                identity_kid=kid,
                receipts=self._post.receipts.sign(head, outcomes),
            )

        try:
            self._post.send(STREAM, build, source=object_id, priority=PRIORITY_SCANNER)
        except CodecError:
            # More frames than one body holds: the first of them are told, and the series tells of the rest.
            log.error("a result of %d frames was cut to %d", len(outcomes), _MOST_OUTCOMES)
            outcomes = outcomes[:_MOST_OUTCOMES]
            self._post.send(STREAM, build, source=object_id, priority=PRIORITY_SCANNER)
        return study, series

    def _forget(self, object_id: bytes, quarantine: QuarantineReason | None) -> None:
        if quarantine is None:
            self._inbox.delete(object_id)
        else:
            self._inbox.quarantine(object_id, quarantine)
        self._spool.forget_source(object_id)
        self._attempts.end(object_id)


def _as_raw(decoded: Decoded, item: Item) -> RawFrame:
    """A frame without pixels, for the one room that may ask it who the patient is."""
    return RawFrame(_NO_PIXELS, STREAM, 0, 0, item.received_ms, decoded.acquisition, decoded.identity)
