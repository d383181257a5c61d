"""Live sources: the newest frame wins, one envelope a second, an event when the label changes."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Protocol

from edge.anonymize.consent.sight import Sight, View, unhindered
from edge.anonymize.gate import Held
from edge.imaging.frames import CleanFrame, RawFrame
from edge.messages import Finding, Head, LabelChange, LiveBatch, Outcome, Suppressed, SuppressReason
from edge.pipeline.figures import Figures
from edge.pipeline.gates import Gates
from edge.pipeline.post import EVENTS, PRIORITY_EVENT, PRIORITY_LIVE, NoRecipientError, Post
from edge.pipeline.stage import Stage

log = logging.getLogger(__name__)

_SMOOTHED_OVER = 15
"""Findings whose probabilities are averaged for the smoothed label: half a second at 30 a second."""
_MAX_BATCH = 256
"""Frames in one envelope at most, so that a fast replay stays under the broker's packet size."""


class CameraAnonymizer(Protocol):
    """The anonymization gate for camera frames, with its delay line."""

    def push(self, raw: RawFrame) -> list[CleanFrame | Held]:
        """Take one frame in; give out those whose detections are complete, in order."""

    def poll(self) -> list[CleanFrame | Held]:
        """Give out those whose wait is over, also when no new frame comes."""

    def flush(self) -> list[CleanFrame | Held]:
        """Give out what is left at the end of a source."""

    def close(self) -> None:
        """Stop the detector's thread."""


class SmoothedLabel:
    """The label of the mean probabilities over the last findings; pure."""

    def __init__(self) -> None:
        self._recent: deque[dict[str, float]] = deque(maxlen=_SMOOTHED_OVER)
        self.label: str | None = None

    def add(self, finding: Finding) -> tuple[str | None, str | None] | None:
        """Take one finding in; return (before, after) if the smoothed label changed."""
        self._recent.append({} if finding.abstained else finding.probabilities)
        total: Counter[str] = Counter()
        for probabilities in self._recent:
            total.update(probabilities)
        spoken = sum(1 for probabilities in self._recent if probabilities)
        after = max(total, key=lambda name: total[name]) if 2 * spoken > len(self._recent) else None
        if len(self._recent) < _SMOOTHED_OVER or after == self.label:
            return None
        before, self.label = self.label, after
        return before, after


class _Batch:
    """What one source gave since the last envelope."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []
        """Of each frame; ``suppressed`` counts those held back, and those of a second that was not sent."""
        self.captured_ns: list[int] = []
        self.suppressed: Counter[SuppressReason] = Counter()
        self.dropped = 0

    def __bool__(self) -> bool:
        return bool(self.outcomes or self.suppressed or self.dropped)

    @property
    def findings(self) -> list[Finding]:
        return [outcome for outcome in self.outcomes if isinstance(outcome, Finding)]


class LivePath:
    """One camera or video: gates and anonymization in one thread, classification in another."""

    def __init__(
        self,
        name: str,
        gates: Gates,
        anonymizer: CameraAnonymizer,
        post: Post,
        figures: Figures,
        *,
        realtime: bool,
        sight: Sight = unhindered,
        published: Callable[[str, int, list[int]], None] = lambda *_: None,
    ) -> None:
        self.name = name
        self._gates, self._anonymizer, self._post, self._figures = gates, anonymizer, post, figures
        self._sight, self._view = sight, View(None)
        self._published = published
        self._lock = threading.Lock()
        self._batch = _Batch()
        self._smoothed = SmoothedLabel()
        self._group: str | None = None
        self._last_frame_ns: int | None = None
        self._anonymize: Stage[RawFrame | None] = Stage(
            f"anonymize:{name}",
            self._take,
            size=4,
            newest_wins=realtime,
            failed=self._take_failed,
            dropped=self._drop,
            idle=self._poll,
        )
        # Frames that passed the gate are few and small: the classifier works them off in order.
        self._classify: Stage[tuple[CleanFrame, str]] = Stage(
            f"classify:{name}",
            self._finish,
            size=8,
            newest_wins=realtime,
            failed=self._finish_failed,
            dropped=lambda _: self._count_drop(),
        )
        self.pulses = [self._anonymize.pulse, self._classify.pulse]

    def start(self) -> None:
        """Start both threads."""
        self._anonymize.start()
        self._classify.start()

    def put(self, raw: RawFrame) -> None:
        """Take a frame from the capture process."""
        self._figures.count("live_captured")
        self._anonymize.put(raw)

    def again(self, raw: RawFrame, clean: Callable[[RawFrame], CleanFrame | Held]) -> SuppressReason | None:
        """Answer one frame that a person released from quarantine, in the caller's thread.

        Args:
            raw: the frame.
            clean: anonymizes it by itself.

        Returns:
            Why it was held back once more; None: it passed, and its finding lies in the spool.

        Raises:
            NoRecipientError: nobody is there to seal it to.
            OSError: the spool refuses it.
        """
        outcome = self._judge(raw, clean)
        batch = _Batch()
        batch.outcomes.append(outcome)
        if isinstance(outcome, Suppressed):
            batch.suppressed[outcome.reason] += 1
        # In an envelope of its own, and not by the queue: that gives way to newer frames when it is full.
        self._seal(batch)
        return outcome.reason if isinstance(outcome, Suppressed) else None

    def _judge(self, raw: RawFrame, clean: Callable[[RawFrame], CleanFrame | Held]) -> Outcome:
        group = self._gates.before(raw, camera=True)
        if isinstance(group, Suppressed):
            return group
        result = clean(raw)
        if isinstance(result, Held):
            return self._gates.hold(result, "anonymize", result.reason, result.receipt)
        return self._gates.after(result, group)

    def idle(self) -> bool:
        """Tell whether nothing is under way."""
        return self._anonymize.idle() and self._classify.idle()

    def finish(self) -> None:
        """The source ended: bring out the frames that still wait in the delay line. Returns at once."""
        self._anonymize.put(None)

    def stop(self, timeout: float) -> None:
        """End both threads and the detector."""
        self._anonymize.stop(timeout)
        self._anonymizer.close()
        self._classify.stop(timeout)

    def _take(self, raw: RawFrame | None) -> None:
        if raw is None:
            for result in self._anonymizer.flush():
                self._emit(result)
            return
        if not self._sight().shows(raw.captured_ns):
            self._poll()
            self._suppress(self._blind(raw))
            _give_back(raw)
            return
        self._last_frame_ns = time.monotonic_ns()
        self._figures.took("queue", (self._last_frame_ns - raw.captured_ns) / 1e9)
        verdict = self._gates.before(raw, camera=True)
        if isinstance(verdict, Suppressed):
            self._suppress(verdict)
            _give_back(raw)
            return
        self._group = verdict
        with self._figures.timed("anonymize"):
            results = self._anonymizer.push(raw)
        for result in results:
            self._emit(result)

    def _poll(self) -> None:
        """A source fell silent: what waited for a later frame goes out, or is held back, all the same."""
        for result in self._anonymizer.poll():
            self._emit(result)

    def _emit(self, result: CleanFrame | Held) -> None:
        if isinstance(result, Held):
            self._suppress(self._gates.hold(result, "anonymize", result.reason, result.receipt))
        elif self._group is not None:
            self._figures.took("anonymized_after", (time.monotonic_ns() - result.captured_ns) / 1e9)
            self._classify.put((result, self._group))

    def _take_failed(self, raw: RawFrame | None, error: Exception) -> None:
        # Fail closed: a frame whose anonymization broke is gone, and the clinic learns that.
        log.error(
            "a frame of %s was held back, its anonymization failed: %s", self.name, type(error).__name__
        )
        if raw is not None:
            self._suppress(self._gates.hold(raw, "anonymize", "detector_failed"))
            _give_back(raw)
            return
        self._figures.held_back("detector_failed")  # at the end of a source: which frames is not known
        with self._lock:
            self._batch.suppressed["detector_failed"] += 1

    def _finish(self, item: tuple[CleanFrame, str]) -> None:
        clean, group = item
        self._forget_if_blinded()
        if not self._view.shows(clean.captured_ns):
            self._suppress(self._blind(clean))
            return
        outcome = self._gates.after(clean, group)
        self._forget_if_blinded()
        if not self._view.shows(clean.captured_ns):
            outcome = self._blind(clean)
        if isinstance(outcome, Suppressed):
            self._suppress(outcome)
            return
        with self._lock:
            self._batch.outcomes.append(outcome)
            self._batch.captured_ns.append(clean.captured_ns)
            full = len(self._batch.outcomes) >= _MAX_BATCH
        change = self._smoothed.add(outcome)
        if change is not None:
            self._announce(change, outcome.captured_ms)
        if full:
            self.publish()

    def _forget_if_blinded(self) -> None:
        """What was smoothed before the source was blind, for however short a time, counts no more."""
        view = self._sight()
        if view.open_since_ns != self._view.open_since_ns:
            self._smoothed = SmoothedLabel()
        self._view = view

    def _blind(self, frame: RawFrame | CleanFrame | Held) -> Suppressed:
        return self._gates.hold(frame, "anonymize", "blind")

    def _finish_failed(self, _: tuple[CleanFrame, str], error: Exception) -> None:
        log.error("a finding of %s was not published: %s", self.name, type(error).__name__)
        self._figures.count("unpublished")

    def _announce(self, change: tuple[str | None, str | None], captured_ms: int) -> None:
        def build(head: Head) -> LabelChange:
            return LabelChange(
                head=head, source=self.name, before=change[0], after=change[1], captured_ms=captured_ms
            )

        try:
            self._post.send(EVENTS, build, priority=PRIORITY_EVENT, event="label_change")
        except (NoRecipientError, OSError) as error:
            log.warning("a change of label was not published: %s", type(error).__name__)

    def _suppress(self, outcome: Suppressed) -> None:
        with self._lock:
            self._batch.suppressed[outcome.reason] += 1
            self._batch.outcomes.append(outcome)
            full = len(self._batch.outcomes) >= _MAX_BATCH
        if full:
            self.publish()

    def _drop(self, raw: RawFrame | None) -> None:
        _give_back(raw)
        self._count_drop()

    def _count_drop(self) -> None:
        self._figures.count("dropped")
        with self._lock:
            self._batch.dropped += 1

    def publish(self) -> None:
        """Seal what came since the last call into one envelope; called once a second."""
        with self._lock:
            batch, self._batch = self._batch, _Batch()
        if not batch:
            return
        self._withdraw(batch)
        try:
            seq = self._seal(batch)
        except (NoRecipientError, OSError) as error:
            # Live findings are not kept without a spool: the next second is as good. The count is told.
            log.warning("a second of %s was not published: %s", self.name, type(error).__name__)
            self._figures.count("unpublished", len(batch.findings))
            with self._lock:
                self._batch.dropped += batch.dropped + len(batch.findings)
                self._batch.suppressed.update(batch.suppressed)
            return
        if seq is not None:
            self._published(self.name, seq, batch.captured_ns)

    def _seal(self, batch: _Batch) -> int | None:
        """Seal a batch into the spool; its number there. Raises NoRecipientError and OSError."""
        age = None if self._last_frame_ns is None else (time.monotonic_ns() - self._last_frame_ns) / 1e6

        def build(head: Head) -> LiveBatch:
            return LiveBatch(
                head=head,
                source=self.name,
                findings=batch.findings,
                suppressed=dict(batch.suppressed),
                dropped=batch.dropped,
                last_frame_age_ms=age,
                receipts=self._post.receipts.sign(head, batch.outcomes, batch.dropped),
            )

        return self._post.send(self.name, build, priority=PRIORITY_LIVE)

    def _withdraw(self, batch: _Batch) -> None:
        """Take back the findings of frames that the source may show no more."""
        view = self._sight()
        captured, batch.captured_ns = iter(batch.captured_ns), []
        for number, outcome in enumerate(batch.outcomes):
            if not isinstance(outcome, Finding):
                continue
            captured_ns = next(captured)
            if view.shows(captured_ns):
                batch.captured_ns.append(captured_ns)
            else:
                held = Held("blind", self.name, outcome.frame, captured_ns, outcome.captured_ms)
                batch.outcomes[number] = self._blind(held)
                batch.suppressed["blind"] += 1


def _give_back(raw: RawFrame | None) -> None:
    if raw is not None and raw.release is not None:
        raw.release()
