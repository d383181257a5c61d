"""Runs canaries and second looks for all sources, in one thread of lowest priority, beside the data path.

The data path only hands over references: each source has a place for one raw frame, which waits for a canary,
and one for one frame that left, which waits for a second look. While a place is taken nothing is handed over.
"""

from __future__ import annotations

import logging
import os
import secrets
import threading
import time
from collections.abc import Callable
from functools import partial

from edge.anonymize.camera.anonymizer import Outcome
from edge.anonymize.detectors import Detectors
from edge.anonymize.geometry import Box
from edge.anonymize.proof.canary import Canary, Material, Result, Singer
from edge.anonymize.proof.consequences import Consequences, Meter
from edge.anonymize.proof.pace import Pace
from edge.anonymize.proof.recall import Recall
from edge.anonymize.proof.second_look import SecondLook
from edge.anonymize.self_test import SelfTest
from edge.imaging.frames import CleanFrame, Pixels, Region
from edge.messages import CanaryRecall, LatchCause, SuppressReason
from edge.settings import Anonymize, Proof, Source

log = logging.getLogger(__name__)

MakeSinger = Callable[[SelfTest, int], Singer]
"""Makes what plants a source's canaries, from its self-test and a key."""

_SOONER = 6
"""After a miss the next canary comes so many times sooner."""
_CANARY_SHARE = 0.2
"""Share of a core that canaries may take even then."""
_UNPROVEN_PERIODS, _UNPROVEN_S = 4, 60.0
"""Periods, and seconds more, that frames may leave for without a canary that proves something."""
_NO_GAP_S = 3.0
"""Of the time between two frames that left so much counts: while nothing leaves nothing need be proved."""


class Watch:
    """One source's standing proof; the `Witness` of its anonymizer. Made by `Examiner.watch`."""

    def __init__(self, name: str, examiner: Examiner, singer: MakeSinger, *, second: bool) -> None:
        self.name, self._second = name, second
        self._faces, self._texts = Recall(), Recall()
        self.faces, self.texts = _told(self._faces), _told(self._texts)
        self.second_looks = 0
        self._examiner, self._make_singer = examiner, singer
        self._canary: Singer | None = None
        self._canary_due = self._waits_since = float("-inf")
        self._material: Material | None = None
        self._left: CleanFrame | None = None
        self._looked_at = float("-inf")
        self._unproven_s, self._left_at = 0.0, float("-inf")
        self._low = self._latched = False
        self._standing = threading.Lock()

    # --- from the data path -----------------------------------------------------------------------

    def obstacle(self) -> SuppressReason | None:
        """Why nothing of this source may leave now, or None."""
        stopped = self._stopped()
        if stopped is not None:
            return stopped
        return "recall_low" if self.unproven() else None

    def _stopped(self) -> LatchCause | None:
        """Why the source is latched. Once a person has opened it, what was missed before is answered for."""
        with self._standing:
            stopped = self._examiner.consequences.stopped(self.name)
            if stopped is None and self._latched:
                self._faces, self._texts = Recall(), Recall()
                self.faces, self.texts = _told(self._faces), _told(self._texts)
                self._low, self._unproven_s = False, 0.0
            self._latched = stopped is not None
        return stopped

    def asks(self) -> bool:
        """Whether it waits for a frame to plant a canary in."""
        return self._material is None and self._examiner.clock() >= self._canary_due

    def unproven(self) -> bool:
        """Whether canaries are missed, or none has proved anything for too long while frames left."""
        limit = _UNPROVEN_PERIODS * self._examiner.proof.canary_every + _UNPROVEN_S
        return self._low or self._unproven_s > limit

    def passed(
        self,
        pixels: Pixels,
        masks: list[Box],
        outcome: Outcome,
        self_test: SelfTest,
        regions: tuple[Region, ...] = (),
        *,
        faces: bool = True,
    ) -> None:
        """Take what is due from a frame that came by."""
        now, examiner, given = self._examiner.clock(), self._examiner, False
        if self._canary is None:
            # Under a key that nobody knows beforehand.
            self._canary = self._make_singer(self_test, secrets.randbits(64))
        if self.asks():
            self._material, given = Material(pixels, outcome.captured_ns, masks, regions, faces), True
            self._waits_since = now
        if isinstance(outcome, CleanFrame):
            with self._standing:
                self._unproven_s += min(now - self._left_at, _NO_GAP_S)
            self._left_at = now
            if self._second and self._left is None and examiner.pace.due(now):
                self._left, given = outcome, True
        if given:
            examiner.wake()

    def forget(self) -> None:
        """Drop the frames that wait: the source was blinded."""
        self._material = self._left = None

    # --- in the examiner's thread -----------------------------------------------------------------

    def waits(self) -> tuple[bool, bool]:
        """Whether a frame waits for a canary, and one for a second look that is due."""
        due = self._left is not None and self._examiner.pace.due(self._examiner.clock())
        return self._material is not None, due

    @property
    def waits_since(self) -> float:
        """Since when a frame waits for a canary, monotonic seconds."""
        return self._waits_since

    @property
    def looked_at(self) -> float:
        """When the last second look was, monotonic seconds."""
        return self._looked_at

    def sing(self) -> None:
        """Do the canary whose frame waits, and draw the consequences."""
        canary, material = self._canary, self._material
        if canary is None or material is None:  # forgotten meanwhile
            return
        began = time.thread_time()
        try:
            result = canary.sing(material)
        except Exception as error:  # noqa: BLE001  # whatever went wrong, nothing was proved
            log.error("a canary of %s failed: %s", self.name, type(error).__name__)
            result = Result(face=False, text=False)
        cpu = time.thread_time() - began
        self._examiner.meter.took("canary_cpu", cpu)
        self._note(result)
        # Face and text take turns: what was missed is asked for again soon, until it is covered.
        whole = all(recall.results[-1:] != (False,) for recall in (self._faces, self._texts))
        every = self._examiner.proof.canary_every / (1 if whole else _SOONER)
        self._canary_due = self._examiner.clock() + max(every, cpu / _CANARY_SHARE)
        self._material = None

    def _note(self, result: Result) -> None:
        meter, required = self._examiner.meter, self._examiner.proof.canary_recall
        for thing, found in (("face", result.face), ("text", result.text)):
            if found is not None:
                meter.count(f"canary_{thing}_{'covered' if found else 'missed'}")
        if result.face is None and result.text is None:
            meter.count("canary_without_result")
            return
        self._stopped()
        with self._standing:
            if result.face is not None:
                self._faces = self._faces.after(found=result.face)
            if result.text is not None:
                self._texts = self._texts.after(found=result.text)
            self.faces, self.texts = _told(self._faces), _told(self._texts)
            self._low = self._faces.too_low(required) or self._texts.too_low(required)
            self._unproven_s = 0.0
        if self._low:  # written to disk: outside of what the data path waits for
            self._examiner.consequences.recall_fell(self.name)
            with self._standing:
                self._latched = True

    def look_again(self) -> None:
        """Have a second look at the frame that waits, and draw the consequences."""
        frame, examiner = self._left, self._examiner
        if frame is None:  # forgotten meanwhile
            return
        began, cpu_began = examiner.clock(), time.thread_time()
        try:
            objected = bool(examiner.second_look.objections(frame.pixels))
        except Exception as error:  # noqa: BLE001  # without a second look the first one still stands
            log.error("a second look at %s failed: %s", self.name, type(error).__name__)
            examiner.meter.count("second_look_failed")
        else:
            self.second_looks += 1
            examiner.meter.count("second_looks")
            if objected and self._left is frame:
                examiner.meter.count("second_look_objected")
                examiner.consequences.objected(self.name, frame)
        cpu = time.thread_time() - cpu_began
        examiner.meter.took("second_look_cpu", cpu)
        examiner.pace.took(began, cpu)
        self._looked_at, self._left = examiner.clock(), None


def _told(recall: Recall) -> CanaryRecall:
    return CanaryRecall(planted=recall.looked, covered=recall.found, bound=recall.bound())


class Examiner:
    """See the module.

    Args:
        anonymize: the section ``[anonymize]``.
        proof: the section ``[proof]``.
        detectors: those in service.
        consequences: what follows.
        meter: where counts and costs go.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        anonymize: Anonymize,
        proof: Proof,
        detectors: Detectors,
        consequences: Consequences,
        meter: Meter,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._anonymize, self._detectors = anonymize, detectors
        self.proof, self.consequences, self.meter, self.clock = proof, consequences, meter, clock
        self.second_look = SecondLook(detectors.second, proof.second_score)
        self.pace = Pace(proof.second_share)
        self._watches: list[Watch] = []
        self._change = threading.Condition()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="proof", daemon=True)

    def watch(self, source: Source) -> Watch:
        """The standing proof of a camera or video, to be given to its anonymizer; starts the thread."""
        singer = partial(Canary, source, self._anonymize, self._detectors)
        return self._started(Watch(source.name, self, singer, second=True))

    def watch_still(self, name: str, singer: MakeSinger) -> Watch:
        """That of a scanner's screen or objects. A second look tells masks by black, and their fill is not.

        Args:
            name: of the source.
            singer: makes what plants its canaries.
        """
        return self._started(Watch(name, self, singer, second=False))

    def _started(self, watch: Watch) -> Watch:
        with self._change:
            self._watches.append(watch)
            if self._thread.ident is None and not self._stopped:
                self._thread.start()
        return watch

    def wake(self) -> None:
        """Something waits."""
        with self._change:
            self._change.notify_all()

    def stop(self) -> None:
        """End the thread; work under way is waited for, briefly."""
        with self._change:
            self._stopped = True
            self._change.notify_all()
        if self._thread.is_alive():
            self._thread.join(timeout=5.0)

    def _next(self) -> Callable[[], None] | None:
        singing = [watch for watch in self._watches if watch.waits()[0]]
        if singing:  # whoever has waited longest, so that a busy source leaves the others their turn
            return min(singing, key=lambda watch: watch.waits_since).sing
        left = [watch for watch in self._watches if watch.waits()[1]]
        return min(left, key=lambda watch: watch.looked_at).look_again if left else None

    def _run(self) -> None:
        _step_back()
        while True:
            with self._change:
                # A frame that waits for its turn by the pace is no event: so there is a time-out.
                self._change.wait_for(lambda: self._stopped or self._next() is not None, timeout=1.0)
                if self._stopped:
                    return
                work = self._next()
            if work is not None:
                work()


def _step_back() -> None:
    """Let everything else of this process run first.

    Nice 19 (weight 15 against 1024) and not SCHED_IDLE (weight 3): a thread that holds the interpreter's lock
    must get to the point where it gives it back.
    """
    try:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
    except OSError:  # a filter of system calls; the proof matters more than its manners
        log.warning("the standing proof runs at the priority of all else")
