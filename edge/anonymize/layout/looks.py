"""Looks for faces and text in what is kept of a screen: at which frame, and what they say of the others.

An ultrasound image moves all over, so a look at one frame says nothing of the pixels of another one. What it
says is what stands in the scene; and a scene ends where a patch of the image changes at once
(`kept.goes_on`), as when a menu or a line of text comes up. Looks count within their own scene alone, and a
frame needs one before and one after it: what comes and goes between two looks is a scene without a look.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import dropwhile

from edge.anonymize.camera.looker import Job, Looker
from edge.anonymize.camera.track import Glimpse, bracket, face_masks, match
from edge.anonymize.detectors import Detectors
from edge.anonymize.gate import Look, Where
from edge.anonymize.geometry import Box
from edge.anonymize.layout.kept import Kept
from edge.anonymize.layout.match import Recognized
from edge.anonymize.scanner.anonymizer import FACE_WIDTH, find_names, grow_text


@dataclass(repr=False)
class Scene:
    """Frames in a row, by CLOCK_MONOTONIC in ns, in which nothing came up at once."""

    first_ns: int
    last_ns: int

    def of(self, glimpses: Iterable[Glimpse]) -> list[Glimpse]:
        """Those of ``glimpses`` that saw a frame of it."""
        return [g for g in glimpses if self.first_ns <= g.at_ns <= self.last_ns]


@dataclass(frozen=True, repr=False)
class Waiting:
    """A frame of known layout that waits for looks."""

    kept: Kept
    known: Recognized
    where: Where
    arrived_ns: int
    scene: Scene

    @property
    def at_ns(self) -> int:
        """When it was captured, CLOCK_MONOTONIC."""
        return self.where.captured_ns

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of what is kept."""
        rows, columns = self.kept.inside.shape
        return rows, columns

    @property
    def job(self) -> Job:
        """A copy to look at: what waits is masked in place when its time comes."""
        return Job(self.kept.pixels.copy(), self.at_ns, self.shape)

    def bracketed(self, glimpses: Iterable[Glimpse]) -> bool:
        """Whether its scene was looked at before and after it, or it itself was."""
        return None not in self.around(glimpses)

    def around(self, glimpses: Iterable[Glimpse]) -> tuple[Glimpse | None, Glimpse | None]:
        """The nearest look before and after it, in its scene."""
        return bracket(self.scene.of(glimpses), self.at_ns, self.shape)


@dataclass(frozen=True)
class Seen:
    """All looks that are known, and whether the last one of either kind failed."""

    faces: list[Glimpse]
    texts: list[Glimpse]
    failed: bool

    def cover(self, waiting: Waiting) -> bool:
        """Whether ``waiting`` has all the looks that it needs."""
        return waiting.bracketed(self.faces) and waiting.bracketed(self.texts)


class Looks:
    """Both detectors, each in a thread of its own or, if not ``threaded``, at once.

    Args:
        detectors: what looks.
        before_look: called in the looking thread before each look.
        every: frames after which a scene that goes on is looked at again.
        threaded: whether looks take place beside the caller.
    """

    def __init__(
        self, detectors: Detectors, before_look: Callable[[], None], every: int, *, threaded: bool
    ) -> None:
        self._detectors, self._before_look, self._every = detectors, before_look, every
        self._threaded = threaded
        self._faces = Looker("screen-faces", self._find_faces, threaded=threaded)
        self._texts = Looker("screen-text", self._find_text, threaded=threaded)

    def _find_faces(self, job: Job) -> list[Box]:
        self._before_look()
        return self._detectors.faces.find(job.image, FACE_WIDTH)

    def _find_text(self, job: Job) -> list[Box]:
        return [grow_text(box) for box in find_names(job.image, self._detectors, negative=False)]

    def seen(self) -> Seen:
        """The looks so far."""
        faces, face_failed = self._faces.state()
        texts, text_failed = self._texts.state()
        return Seen(faces, texts, face_failed or text_failed)

    def go_on(self, pending: list[Waiting], present: Scene | None) -> None:
        """Start the next look if none is under way and one is worth it.

        Args:
            pending: frames that wait, oldest first.
            present: the scene to which more frames may come; None: none will.
        """
        while self._faces.idle() and self._texts.idle():
            seen = self.seen()
            chosen = self._choose(list(dropwhile(seen.cover, pending)), seen, present)
            if chosen is None:
                return
            self._faces.submit(chosen.job)
            self._texts.submit(chosen.job)
            if self._threaded or self.seen().failed:
                return

    def _choose(self, bare: list[Waiting], seen: Seen, present: Scene | None) -> Waiting | None:
        """The oldest frame if its scene has no look before it, else the newest that may bracket it.

        So a scene is looked at in its first frame and in its last one, and now and then between them.
        """
        if not bare:
            return None
        head = bare[0]
        if any(head.around(glimpses)[0] is None for glimpses in (seen.faces, seen.texts)):
            return head
        same = [p for p in bare if p.scene is head.scene]
        return same[-1] if head.scene is not present or len(same) >= self._every else None

    def wait(self, seconds: float) -> None:
        """Wait until no look is under way, or each kind took so long."""
        self._faces.wait(seconds)
        self._texts.wait(seconds)

    def forget(self) -> None:
        """Drop all looks."""
        self._faces.forget()
        self._texts.forget()

    def stop(self) -> None:
        """End the threads."""
        self._faces.stop()
        self._texts.stop()

    # --- what they say of one frame -----------------------------------------------------------------

    def masks(
        self, waiting: Waiting, seen: Seen, scale: float, max_age_ns: int
    ) -> tuple[list[Box], list[Box], int]:
        """Faces and texts in what is kept of a frame, in its pixels, and how many faces these are.

        Text is masked where any look of the scene, at most ``max_age_ns`` away, found it: the detector
        flickers, and what stands in a scene stays. Faces as in video, see `face_masks`.
        """
        faces, count = face_masks(waiting.scene.of(seen.faces), waiting.at_ns, waiting.shape, scale)
        near = [g for g in waiting.scene.of(seen.texts) if abs(g.at_ns - waiting.at_ns) <= max_age_ns]
        lines = [box for glimpse in near for box in glimpse.boxes]
        before, after = waiting.around(near)
        if before is not None and after is not None:  # a label that is dragged: its way, too
            lines += [a.hull(b) for a, b in match(before.boxes, after.boxes)]
        return list(faces), lines, count

    def evidence(self, waiting: Waiting, seen: Seen, faces: int, texts: int) -> tuple[Look, ...]:
        """How fresh the looks at a frame's scene were, for the gate."""
        detectors = self._detectors
        return (
            _look(detectors.faces.name, detectors.faces.sha256, waiting, seen.faces, faces),
            *(_look(d.name, d.sha256, waiting, seen.texts, texts) for d in detectors.texts),
        )


def _look(name: str, sha256: bytes, waiting: Waiting, glimpses: list[Glimpse], found: int) -> Look:
    before, after = waiting.around(glimpses)
    return Look(
        name=name,
        sha256=sha256,
        before_ns=None if before is None else waiting.at_ns - before.at_ns,
        after_ns=None if after is None else after.at_ns - waiting.at_ns,
        found=found,
    )
