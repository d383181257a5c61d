"""Camera frames: a keep-region, faces and text masked, each frame bracketed by detections.

Frames wait in a delay line until a detection at or after their time exists, so that a face that
comes in between two looks is masked by the second. What is not bracketed in time is held back.
Text is looked for more rarely; a frame that shows what no text look saw forces one, see `scene`.
The frame is copied once, at `push`, and its buffer given back at once.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.anonymize.camera import scene
from edge.anonymize.camera.looker import Job, Looker
from edge.anonymize.camera.scan import face_look
from edge.anonymize.camera.track import Glimpse, bracket, face_masks
from edge.anonymize.consent.sight import Sight, sight_of
from edge.anonymize.detectors import Detectors
from edge.anonymize.faces.finder import FaceFinder, shrink
from edge.anonymize.gate import Evidence, Held, Look, Need, Policy, Where, emit
from edge.anonymize.geometry import Box, fill_boxes, paint
from edge.anonymize.self_test import SelfTest
from edge.anonymize.text.any_script import GLANCE_SIDE
from edge.anonymize.text.finder import TextFinder
from edge.anonymize.witness import Witness
from edge.imaging.frames import CleanFrame, Pixels, RawFrame
from edge.imaging.perspective import Quad, find_quad, rectified_size, rectify
from edge.messages import SuppressReason
from edge.settings import Anonymize, Source

POLICY = "camera-3"
AHEAD = 2
"""Looks at later frames that a frame waits for, even if it was looked at itself."""
_AHEAD_S = 0.25
"""Longest that they may take; a slow source waits for one."""
_NEWEST = 0.1
"""Share of the last interval between frames in the running mean of them."""
_LONGEST_STEP_NS = 500_000_000
"""A longer one is a pause, and no rate of a camera."""
TEXT_EVERY = 24
"""Text is looked for on every n-th frame, and when the scene changes."""
_PERSON = 1.5
"""How much larger than a face's mask the part is in which change is taken for the person's motion."""
_TEXTS_KEPT = 24
_SWAY = 6.0
"""Pixels of the frame beside a text: what stands still for the eye may sway between looks."""
_AROUND = 0.08
"""Share of the frame round its kept part that is looked at, too: a face half inside is known by the rest."""
TEXT_MAX_AGE_NS = 3_000_000_000
_REPLAY_MAX_AGE_NS = 60_000_000_000
_MAX_PENDING = 90
"""Frames that may wait; beyond it the oldest is held back (memory is bounded)."""

Outcome = CleanFrame | Held


@dataclass(frozen=True, repr=False)
class _Waiting:
    pixels: Pixels
    where: Where
    arrived_ns: int
    quad: Quad | None
    """The film, where one is looked for."""
    cells: scene.Cells
    needed: scene.Mask | None
    """Cells that may leave; None: all."""

    @property
    def shape(self) -> tuple[int, int]:
        return self.pixels.shape[0], self.pixels.shape[1]


class CameraAnonymizer:
    """Cleans the frames of one camera or video, in order.

    Args:
        source: what the camera looks at and what of it is kept.
        settings: the section ``[anonymize]``.
        detectors: what looks for faces and text; see `load_detectors`.
        realtime: True for a live source: detectors run in threads of their own and a late one
            costs frames. False for a replay as fast as possible: `push` looks at once and nothing
            is late.
        clock: CLOCK_MONOTONIC in ns, that of ``RawFrame.captured_ns``.
        sight: whether the source may see now; None: by its consent mode, without a privacy switch.
        self_test: one that is shared; None: one of its own.
        witness: who sees each frame as it was and as it left, and may stop the source; see `Witness`.
    """

    def __init__(
        self,
        source: Source,
        settings: Anonymize,
        detectors: Detectors,
        *,
        realtime: bool = True,
        clock: Callable[[], int] = time.monotonic_ns,
        sight: Sight | None = None,
        self_test: SelfTest | None = None,
        witness: Witness | None = None,
    ) -> None:
        self._witness = witness
        self._source = source
        self._sight = sight_of(source) if sight is None else sight
        self._settings = settings
        self._detectors = detectors
        self._realtime = realtime
        self._clock = clock
        self._delay_ns = int(settings.delay * 1e9)
        self._self_test = self_test or SelfTest(detectors, settings.self_test_every, settings.face_width)
        # A replay's clock tells when a frame was read, not how the scene moves: there the looks are bound
        # to every n-th frame, and their age in time says nothing.
        max_age_ns = int(settings.max_detection_age * 1e9) if realtime else _REPLAY_MAX_AGE_NS
        self._step_ns = 1e9 / source.rate
        self._policy = Policy(
            name=f"{POLICY}/{source.looks_at}",
            needs=(
                Need(detectors.faces.name, max_age_ns, sides="both"),
                Need(detectors.any_script.name, max(max_age_ns, TEXT_MAX_AGE_NS), sides="one"),
            ),
            self_test_max_age_ns=self._self_test.max_age_ns,
            max_wait_ns=self._delay_ns + int(settings.max_detection_age * 1e9) if realtime else None,
        )
        self._film = source.looks_at in {"film", "monitor"}
        self._faces = Looker("faces", self._tested(face_look(detectors.faces)), threaded=realtime)
        self._texts = Looker(
            "text",
            lambda job: detectors.any_script.glance(job.image, GLANCE_SIDE),
            threaded=realtime,
            keep=_TEXTS_KEPT,
        )
        self._pending: deque[_Waiting] = deque()
        self._count = 0
        self._looks = 1
        self._last_ns = -1
        self._open_since_ns: int | None = None
        if source.blind_because() is None:
            self._self_test.run_if_due(clock())

    def push(self, raw: RawFrame) -> list[Outcome]:
        """Take a frame in, give out those whose wait is over, oldest first."""
        where = Where.of(raw)
        out = self._forget_if_blinded()
        if self._open_since_ns is None or where.captured_ns < self._open_since_ns:
            _give_back(raw)
            return [*out, where.held("blind")]
        pixels: Pixels = np.array(raw.pixels, dtype=np.uint8, order="C")
        _give_back(raw)
        if where.captured_ns < self._last_ns:  # a replay started again: nothing brackets across that
            out += self._give_up("no_bracket")
            self._faces.forget()
            self._texts.forget()
            self._count = 0
        elif self._realtime and self._last_ns >= 0:  # a camera may be slower than it was asked to be
            step_ns = min(where.captured_ns - self._last_ns, _LONGEST_STEP_NS)
            self._step_ns += (step_ns - self._step_ns) * _NEWEST
        self._last_ns = where.captured_ns
        waiting = self._waiting(pixels, where)
        self._pending.append(waiting)
        if self._count % self._every() == 0:
            self._faces.submit(self._face_job(waiting))
        if self._count % TEXT_EVERY == 0:
            self._texts.submit(self._text_job(waiting))
        self._count += 1
        return out + self.poll()

    def poll(self) -> list[Outcome]:
        """Frames whose wait is over, oldest first; also when no new frame comes."""
        out = self._forget_if_blinded()
        now_ns = self._clock()
        if self._pending:
            self._look_for_text(self._pending[-1])
        faces, face_failed = self._faces.state()
        while self._pending:
            head = self._pending[0]
            late = self._realtime and now_ns - head.arrived_ns > self._delay_ns
            ahead = self._seen_ahead(head, faces)
            if ahead and not late:
                # Masks of faces that one side alone had seen were wider: what they hid may be bare by now.
                self._look_for_text(head)
            texts, text_failed = self._texts.state()
            covering = self._covering(head, faces, texts) if ahead else None
            failed = face_failed or text_failed
            if not (covering is not None or late or failed or len(self._pending) > _MAX_PENDING):
                break
            self._pending.popleft()
            obstacle: SuppressReason | None = "detector_failed" if failed else None
            out.append(self._clean(head, faces, covering, obstacle, now_ns))
        return self._still_seen(out)

    def _forget_if_blinded(self) -> list[Outcome]:
        """If the source is blind, or was for a moment: nothing captured or looked at before counts."""
        view = self._sight()
        if view.open_since_ns == self._open_since_ns:
            return []
        self._open_since_ns = view.open_since_ns
        if self._witness is not None:
            self._witness.forget()
        self._faces.forget()
        self._texts.forget()
        self._count = 0
        return self._give_up("blind")

    def _still_seen(self, out: list[Outcome]) -> list[Outcome]:
        """What was cleaned, once more by the sight: the switch may have been closed meanwhile."""
        view = self._sight()
        return [
            item
            if isinstance(item, Held) or view.shows(item.captured_ns)
            else Held("blind", item.source, item.index, item.captured_ns, item.captured_ms)
            for item in out
        ]

    def _every(self) -> int:
        """Faces are looked for on every n-th frame."""
        return max(1, round(self._settings.face_interval * 1e9 / self._step_ns))

    def _seen_ahead(self, waiting: _Waiting, faces: list[Glimpse]) -> bool:
        """Whether looks at later frames are there: what one look misses, the next ones find."""
        at_ns = waiting.where.captured_ns
        wanted = AHEAD if AHEAD * self._every() * self._step_ns <= _AHEAD_S * 1e9 else 1
        return sum(g.at_ns > at_ns and g.shape == waiting.shape for g in faces) >= wanted

    def flush(self) -> list[Outcome]:
        """The rest, at the end of a stream: a last look at the last frame brackets those before it."""
        if self._pending:
            last = self._pending[-1]
            glimpses, _ = self._faces.state()
            if bracket(glimpses, last.where.captured_ns, last.shape)[1] is None:
                self._faces.submit(self._face_job(last))
            left_ns = self._delay_ns - (self._clock() - last.arrived_ns)
            self._faces.wait(max(0.0, left_ns / 1e9) if self._realtime else 0.0)
            self._look_for_text(last)
            left_ns = self._delay_ns - (self._clock() - last.arrived_ns)
            self._texts.wait(max(0.0, left_ns / 1e9) if self._realtime else 0.0)
        out = self.poll()
        now_ns = self._clock()
        faces, face_failed = self._faces.state()
        texts, text_failed = self._texts.state()
        failed: SuppressReason | None = "detector_failed" if face_failed or text_failed else None
        while self._pending:  # nothing more comes: the gate judges by what there is
            head = self._pending.popleft()
            out.append(self._clean(head, faces, self._covering(head, faces, texts), failed, now_ns))
        return self._still_seen(out)

    def close(self) -> None:
        """Stop the threads. Frames that still wait are dropped, uncleaned."""
        self._pending.clear()
        self._faces.stop()
        self._texts.stop()

    def _give_up(self, reason: SuppressReason) -> list[Outcome]:
        held: list[Outcome] = [waiting.where.held(reason) for waiting in self._pending]
        self._pending.clear()
        return held

    def _tested(self, look: Callable[[Job], list[Box]]) -> Callable[[Job], list[Box]]:
        def run(job: Job) -> list[Box]:
            self._self_test.run_if_due(self._clock())
            return look(job)

        return run

    def _face_job(self, waiting: _Waiting) -> Job:
        rows, columns = waiting.shape
        left, top, right, bottom = self._keep_box(rows, columns)
        x, y = round(_AROUND * columns), round(_AROUND * rows)
        left, top, right, bottom = (
            max(0, left - x),
            max(0, top - y),
            min(columns, right + x),
            min(rows, bottom + y),
        )
        crop = waiting.pixels[top:bottom, left:right]
        # Fine and coarse by turns: small faces are found in the one, near and half-covered ones in the other.
        self._looks += 1
        width = self._settings.face_width >> self._looks % 2
        small = shrink(crop, max(1, round(width * crop.shape[1] / columns)))
        return Job(
            small,
            waiting.where.captured_ns,
            waiting.shape,
            offset=(left, top),
            scale=(crop.shape[1] / small.shape[1], crop.shape[0] / small.shape[0]),
            frame=waiting.pixels,
        )

    def _waiting(self, pixels: Pixels, where: Where) -> _Waiting:
        arrived_ns = self._clock()
        area = self._keep_box(*pixels.shape[:2])
        cells = scene.thumbnail(pixels, area)
        quad = self.film(pixels)
        needed = None
        if self._film:  # without a film nothing leaves, and nothing need be looked at
            needed = scene.inside(quad, area) if quad is not None else np.zeros(cells.shape, bool)
        return _Waiting(pixels, where, arrived_ns, quad, cells, needed)

    def _look_for_text(self, waiting: _Waiting) -> None:
        """Hand the frame in if it shows what no look saw and none is under way."""
        if not self._texts.idle():
            return
        texts, failed = self._texts.state()
        if not failed and self._covering(waiting, self._faces.state()[0], texts) is None:
            self._texts.submit(self._text_job(waiting))

    def _covering(
        self, waiting: _Waiting, faces: list[Glimpse], texts: list[Glimpse]
    ) -> list[Glimpse] | None:
        """The text looks that saw all of the frame but its faces and what is next to them, or None."""
        at_ns, shape = waiting.where.captured_ns, waiting.shape
        around, _ = face_masks(faces, at_ns, shape, self._settings.mask_scale)
        masks = [mask.grown(_PERSON) for mask in around]
        same = [g for g in texts if g.shape == shape]
        area = self._keep_box(*shape)
        max_age_ns = self._policy.needs[1].max_age_ns
        return scene.covering(same, waiting.cells, waiting.needed, masks, area, at_ns, max_age_ns)

    def _text_job(self, waiting: _Waiting) -> Job:
        rows, columns = waiting.shape
        area = self._keep_box(rows, columns)
        left, top, right, bottom = area
        if waiting.quad is not None:
            # Two cells more on each side: the corners found in other frames jitter.
            x, y = 2 * (right - left) / scene.WIDTH, 2 * (bottom - top) / waiting.cells.shape[0]
            x0, y0, x1, y1 = waiting.quad.bounds()
            left, top = max(left, int(x0 - x)), max(top, int(y0 - y))
            right, bottom = min(right, int(x1 + x) + 1), min(bottom, int(y1 + y) + 1)
        crop = waiting.pixels[top:bottom, left:right]
        share = min(1.0, GLANCE_SIDE / max(crop.shape[:2]))
        size = (max(1, round(crop.shape[1] * share)), max(1, round(crop.shape[0] * share)))
        small = np.asarray(cv2.resize(crop, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
        return Job(
            small,
            waiting.where.captured_ns,
            waiting.shape,
            offset=(left, top),
            scale=(crop.shape[1] / size[0], crop.shape[0] / size[1]),
            scene=scene.looked_at(waiting.cells, area, (left, top, right, bottom)),
        )

    def _keep_box(self, rows: int, columns: int) -> tuple[int, int, int, int]:
        left, top, right, bottom = self._source.keep or (0.0, 0.0, 1.0, 1.0)
        return (
            min(columns - 1, int(np.ceil(left * columns))),
            min(rows - 1, int(np.ceil(top * rows))),
            max(1, int(right * columns)),
            max(1, int(bottom * rows)),
        )

    def film(self, pixels: Pixels) -> Quad | None:
        """The film or monitor in a frame; None if the source looks at none, or none is found."""
        if not self._film:
            return None
        left, top, right, bottom = self._keep_box(*pixels.shape[:2])
        quad = find_quad(pixels[top:bottom, left:right])
        if quad is None:
            return None
        a, b, c, d = ((x + left, y + top) for x, y in quad.corners)
        # Corners are found to about one percent: drawn in by more, nothing of the room comes in.
        return Quad((a, b, c, d)).inset(0.015)

    def kept_outline(self, pixels: Pixels) -> NDArray[np.float32] | None:
        """Corners of the part of a frame that is kept, (4, 2), x and y in pixels; None: nothing is."""
        film = self.film(pixels)
        if self._film or self._sight().open_since_ns is None:
            return None if film is None else film.array()
        left, top, right, bottom = self._keep_box(*pixels.shape[:2])
        return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32)

    def _clean(
        self,
        waiting: _Waiting,
        faces: list[Glimpse],
        covering: list[Glimpse] | None,
        obstacle: SuppressReason | None,
        now_ns: int,
    ) -> Outcome:
        """The frame, masked by the looks; ``covering``: text looks that saw all of it, or None."""
        at_ns, (rows, columns) = waiting.where.captured_ns, waiting.shape
        pixels = waiting.pixels.copy()  # a closer look at this frame may still be under way
        quad = waiting.quad
        if self._film and quad is None:
            obstacle = obstacle or "film_not_found"
        if covering is None:
            obstacle = obstacle or "no_bracket"
        texts, detectors = covering or [], self._detectors
        around, count = face_masks(faces, at_ns, waiting.shape, self._settings.mask_scale)
        lines = [box.padded(_SWAY, _SWAY) for g in texts for box in g.boxes]
        masks = [*around, *lines]
        mask = np.zeros((rows, columns), bool)
        paint(mask, masks)
        fill_boxes(pixels, masks)
        left, top, right, bottom = self._keep_box(rows, columns)
        inside = mask[top:bottom, left:right]
        kept, masked = inside.size / mask.size, float(np.count_nonzero(inside)) / inside.size
        if quad is not None:
            kept = min(1.0, quad.area() / mask.size)
            covered = rectify(mask.astype(np.uint8) * 255, quad)
            masked = float(np.count_nonzero(covered)) / covered.size
            pixels = rectify(pixels, quad)
            if min(rectified_size(quad)) < 32:
                obstacle = obstacle or "film_not_found"
        else:
            outside = [
                Box(0, 0, columns, top),
                Box(0, bottom, columns, rows),
                Box(0, 0, left, rows),
                Box(right, 0, columns, rows),
            ]
            fill_boxes(pixels, outside)
        reason, ran_ns = self._self_test.state()
        evidence = Evidence(
            arrived_ns=waiting.arrived_ns,
            looks=(
                _look(detectors.faces, faces, waiting, count),
                _look(detectors.any_script, texts, waiting, len(lines)),
            ),
            obstacle=obstacle,
            self_test=reason,
            self_test_ns=ran_ns,
            kept_share=kept,
            masked_share=masked,
            faces=count,
            texts=len(lines),
            standing=None if self._witness is None else self._witness.obstacle(),
        )
        (outcome,) = self._still_seen([emit(pixels, waiting.where, evidence, self._policy, now_ns)])
        if self._witness is not None:
            self._witness.passed(waiting.pixels, masks, outcome, self._self_test)
        return outcome


def _look(detector: FaceFinder | TextFinder, glimpses: list[Glimpse], waiting: _Waiting, found: int) -> Look:
    at_ns = waiting.where.captured_ns
    before, after = bracket(glimpses, at_ns, waiting.shape)
    return Look(
        name=detector.name,
        sha256=detector.sha256,
        before_ns=None if before is None else at_ns - before.at_ns,
        after_ns=None if after is None else after.at_ns - at_ns,
        found=found,
    )


def _give_back(raw: RawFrame) -> None:
    if raw.release is not None:
        raw.release()
