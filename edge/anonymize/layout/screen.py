"""Frames of a scanner's screen from a grabber: what a signed template keeps, and nothing of any other layout.

Each frame's chrome is compared with the source's templates. A frame that has the layout of none is held
back, ``unknown_layout``; of all others only the keep-regions are copied, the rest is 0. In them faces and
text are looked for all the time (`edge.anonymize.layout.looks`), and masked.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence

import numpy as np

from edge.anonymize.detectors import Detectors
from edge.anonymize.gate import Evidence, Held, Look, Need, Policy, Where, emit
from edge.anonymize.geometry import Box, fill_flat, paint
from edge.anonymize.layout.herald import Herald, LayoutNews
from edge.anonymize.layout.kept import cut, goes_on
from edge.anonymize.layout.looks import Looks, Scene, Seen, Waiting
from edge.anonymize.layout.match import Confirmed, Recognized, recognize
from edge.anonymize.scanner.anonymizer import FACE_WIDTH
from edge.anonymize.self_test import SelfTest
from edge.anonymize.witness import Witness
from edge.imaging.frames import CleanFrame, RawFrame, Region
from edge.imaging.layout_template import LAYOUT
from edge.messages import SuppressReason
from edge.settings import Anonymize, Source

POLICY = "screen-2"
_LOOK_EVERY_S = 0.5
_DELAY_NS = 3_000_000_000
"""Longest that a frame waits for its looks; beyond it, it is held back."""
_MAX_AGE_NS = 3_000_000_000
_REPLAY_MAX_AGE_NS = 60_000_000_000
_MAX_PENDING = 100
"""Frames that may wait; beyond it the oldest is held back (memory is bounded)."""

Outcome = CleanFrame | Held


class ScreenAnonymizer:
    """Cleans the frames of one grabber, in order.

    Args:
        source: whose frames they are.
        settings: the section ``[anonymize]``.
        detectors: what looks for faces and text.
        layouts: the templates that count now; asked for each frame.
        keep: puts a frame of unknown layout into quarantine; gives its id, or None.
        tell: told when a known layout is shown and when no longer.
        realtime: True for a live source, False for a replay as fast as possible, see `CameraAnonymizer`.
        clock: CLOCK_MONOTONIC in ns, that of ``RawFrame.captured_ns``.
        witness: who sees each frame of known layout, and may stop the source; see `Witness`.
    """

    def __init__(
        self,
        source: Source,
        settings: Anonymize,
        detectors: Detectors,
        layouts: Callable[[], Sequence[Confirmed]],
        keep: Callable[[RawFrame], bytes | None],
        tell: Callable[[LayoutNews], None],
        *,
        realtime: bool = True,
        clock: Callable[[], int] = time.monotonic_ns,
        witness: Witness | None = None,
    ) -> None:
        self._witness = witness
        self._detectors, self._layouts = detectors, layouts
        self._herald = Herald(source.name, keep, tell)
        self._scale = settings.mask_scale
        self._realtime, self._clock = realtime, clock
        self._every = max(1, round(_LOOK_EVERY_S * source.rate))
        self._max_age_ns = _MAX_AGE_NS if realtime else _REPLAY_MAX_AGE_NS
        self._self_test = SelfTest(detectors, settings.self_test_every, FACE_WIDTH)
        self._policy = Policy(
            name=POLICY,
            needs=(
                Need(LAYOUT, 0),
                Need(detectors.faces.name, self._max_age_ns),
                *(Need(finder.name, self._max_age_ns) for finder in detectors.texts),
            ),
            self_test_max_age_ns=self._self_test.max_age_ns,
            max_wait_ns=2 * _DELAY_NS if realtime else None,
        )
        self._looks = self._new_looks(detectors, threaded=realtime)
        self._pending: deque[Waiting | Held] = deque()
        self._shown: Recognized | None = None
        self._last: Waiting | None = None
        """The frame before, if its layout was known and more may follow it."""
        self._last_ns = -1
        self._self_test.run_if_due(clock())

    def _new_looks(self, detectors: Detectors, *, threaded: bool) -> Looks:
        def test() -> None:
            self._self_test.run_if_due(self._clock())

        return Looks(detectors, test, self._every, threaded=threaded)

    def push(self, raw: RawFrame) -> list[Outcome]:
        """Take a frame in, give out those whose wait is over, oldest first."""
        out: list[Outcome] = []
        if raw.captured_ns < self._last_ns:  # a replay started again: nothing brackets across that
            out += [p if isinstance(p, Held) else p.where.held("no_bracket") for p in self._pending]
            self._pending.clear()
            self._looks.forget()
            self._last = None
        self._last_ns = raw.captured_ns
        try:
            taken = self._take(raw, Where.of(raw))
        finally:
            if raw.release is not None:
                raw.release()
        self._pending.append(taken)
        self._last = taken if isinstance(taken, Waiting) else None
        return out + self.poll()

    def _take(self, raw: RawFrame, where: Where) -> Waiting | Held:
        known, decision = recognize(self._layouts(), raw.pixels)
        self._herald.see(raw, known, decision, self._clock())
        self._shown = known
        if known is None:
            return where.held("unknown_layout")
        kept, last = cut(raw.pixels, known.regions), self._last
        if last is not None and last.known == known and goes_on(last.kept, kept):
            last.scene.last_ns = where.captured_ns
            scene = last.scene
        else:
            scene = Scene(where.captured_ns, where.captured_ns)
        return Waiting(kept, known, where, self._clock(), scene)

    def poll(self) -> list[Outcome]:
        """Frames whose wait is over, oldest first; also when no new frame comes."""
        waiting = [p for p in self._pending if isinstance(p, Waiting)]
        self._looks.go_on(waiting, None if self._last is None else self._last.scene)
        seen, now_ns = self._looks.seen(), self._clock()
        out: list[Outcome] = []
        while self._pending:
            head = self._pending[0]
            if isinstance(head, Held):
                out.append(head)
            else:
                covered = seen.cover(head)
                late = self._realtime and now_ns - head.arrived_ns > _DELAY_NS
                if not (covered or late or seen.failed or len(self._pending) > _MAX_PENDING):
                    break
                obstacle: SuppressReason | None = None if covered else "no_bracket"
                out.append(self._pass(head, seen, "detector_failed" if seen.failed else obstacle))
            self._pending.popleft()
        return out

    def flush(self) -> list[Outcome]:
        """The rest, at the end of a stream; what cannot be looked at in time is held back."""
        self._last = None
        out = self.poll()
        until_ns = self._clock() + _DELAY_NS
        while self._pending and self._realtime and (left_ns := until_ns - self._clock()) > 0:
            self._looks.wait(left_ns / 1e9)
            out += self.poll()
        seen = self._looks.seen()
        for head in self._pending:
            out.append(head if isinstance(head, Held) else self._pass(head, seen, "no_bracket"))
        self._pending.clear()
        return out

    def close(self) -> None:
        """Stop the threads. Frames that still wait are dropped, uncleaned."""
        self._pending.clear()
        self._looks.stop()

    def clean(self, raw: RawFrame) -> Outcome:
        """Clean one frame by itself, in the caller's thread: one that a person released from quarantine."""
        known, _ = recognize(self._layouts(), raw.pixels)
        if known is None:
            return Where.of(raw).held("unknown_layout")
        return self._by_itself(raw, known, self._standing(), self._detectors)

    def again(self, raw: RawFrame, regions: Sequence[Region], detectors: Detectors) -> Outcome:
        """Clean a frame of which nothing but ``regions`` is there, whatever the standing: for canaries.

        It has no chrome to be known by: it counts as of the layout that was shown last.
        """
        known = self._shown
        if known is None or known.regions != tuple(regions):
            return Where.of(raw).held("unknown_layout")
        return self._by_itself(raw, known, None, detectors)

    def _by_itself(
        self, raw: RawFrame, known: Recognized, standing: SuppressReason | None, detectors: Detectors
    ) -> Outcome:
        where = Where.of(raw)
        scene = Scene(where.captured_ns, where.captured_ns)
        alone = Waiting(cut(raw.pixels, known.regions), known, where, self._clock(), scene)
        looks = self._new_looks(detectors, threaded=False)
        looks.go_on([alone], None)
        seen = looks.seen()
        outcome, _ = self._clean(alone, seen, "detector_failed" if seen.failed else None, standing)
        return outcome

    def _standing(self) -> SuppressReason | None:
        return None if self._witness is None else self._witness.obstacle()

    def _pass(self, waiting: Waiting, seen: Seen, obstacle: SuppressReason | None) -> Outcome:
        """A frame on its way out, seen by the witness."""
        if self._witness is None:
            return self._clean(waiting, seen, obstacle, None)[0]
        kept = waiting.kept
        before = kept.on_black()
        outcome, masks = self._clean(waiting, seen, obstacle, self._witness.obstacle())
        masks = [box.shifted(kept.left, kept.top) for box in masks]
        self._witness.passed(before, masks, outcome, self._self_test, waiting.known.regions)
        return outcome

    def _clean(
        self, waiting: Waiting, seen: Seen, obstacle: SuppressReason | None, standing: SuppressReason | None
    ) -> tuple[Outcome, list[Box]]:
        kept = waiting.kept
        faces, texts, count = self._looks.masks(waiting, seen, self._scale, self._max_age_ns)
        mask = np.zeros(waiting.shape, bool)
        paint(mask, [*faces, *texts])
        mask &= kept.inside
        if faces or texts:
            fill_flat(kept.pixels, mask)
        reason, ran_ns = self._self_test.state()
        evidence = Evidence(
            arrived_ns=waiting.arrived_ns,
            looks=(
                Look(LAYOUT, waiting.known.layout.sha256, 0, 0),
                *self._looks.evidence(waiting, seen, count, len(texts)),
            ),
            obstacle=obstacle,
            self_test=reason,
            self_test_ns=ran_ns,
            kept_share=kept.share,
            masked_share=int(np.count_nonzero(mask)) / max(1, int(np.count_nonzero(kept.inside))),
            faces=count,
            texts=len(texts),
            standing=standing,
        )
        outcome = emit(kept.on_black(), waiting.where, evidence, self._policy, self._clock())
        return outcome, [*faces, *texts]
