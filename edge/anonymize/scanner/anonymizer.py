"""Scanner frames: keep the image region, fill the rest, and remove burned-in text.

A keep-list, not a deny-list. What is kept is the acquisition's own regions (PS3.3 C.8.5.5, Region
Location) or, for modalities whose images have no screen layout around them, the whole frame; any
other layout is unknown and held back (see `regions`). Then text that the detector finds is filled, and
it looks again at the result: text that is still there holds the frame back. Burned In Annotation
(0028,0301) is never asked. A picture without a DICOM header may be a photograph: there faces are
looked for and masked, too. Of text, markers alone may stay (see `markers`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from edge.anonymize.detectors import Detectors
from edge.anonymize.faces.finder import FaceFinder
from edge.anonymize.gate import Evidence, Held, Look, Need, Policy, Where, emit, take_identity
from edge.anonymize.geometry import (
    Box,
    bounds,
    boxes_of,
    fill,
    fill_boxes,
    fill_flat,
    paint,
    suppress_overlaps,
)
from edge.anonymize.scanner.devices import annotation
from edge.anonymize.scanner.markers import markers
from edge.anonymize.scanner.regions import kept_regions
from edge.anonymize.self_test import SelfTest
from edge.anonymize.text.evidence import Trust
from edge.anonymize.text.finder import TextFinder
from edge.anonymize.witness import Witness
from edge.imaging.frames import Acquisition, CleanFrame, Pixels, RawFrame, Region
from edge.messages import SuppressReason
from edge.settings import Anonymize, Scanner

POLICY = "scanner-3"
PICTURE_POLICY = "picture-3"
"""Of a picture that came without a DICOM header."""
FACE_WIDTH = 640
"""Width in pixels at which faces are looked for in a picture: there is time, and no second frame."""

_ROUNDS = 3
"""Look, fill, look again, at most so often: what a fill uncovers is filled too, or the frame is held."""


class TextMask:
    """What `mask_text` found: the mask, how many texts, and how many were left."""

    def __init__(self, rows: int, columns: int) -> None:
        self.mask: NDArray[np.bool_] = np.zeros((rows, columns), bool)
        self.texts = 0
        self.left = 0


def grow_text(box: Box) -> Box:
    """A text's box with room for what the detector cuts off: accents, descenders, first letters."""
    side = min(box.width, box.height)
    return box.padded(max(3.0, 0.5 * side), max(2.0, 0.25 * side))


def mask_text(pixels: Pixels, detectors: Detectors, kept: NDArray[np.bool_] | None = None) -> TextMask:
    """Fill every text in ``pixels``, in place, and look again until none is found there.

    Args:
        pixels: (rows, columns[, 3]).
        detectors: what looks.
        kept: (rows, columns), what is looked at; None: all.

    Raises:
        DetectorUnavailable: the text detector failed.
    """
    result = TextMask(*pixels.shape[:2])
    place = np.s_[:, :] if kept is None else bounds(kept)
    part = pixels[place]
    found = mask_found(part, find_names(part, detectors), np.zeros(part.shape[:2], bool), detectors)
    result.mask[place], result.texts, result.left = found.mask, found.texts, found.left
    return result


def find_names(pixels: Pixels, detectors: Detectors, *, negative: bool = True) -> list[Box]:
    """Every text in ``pixels``, as they are, that is no marker, and what may be text beside it.

    Args:
        pixels: (rows, columns[, 3]).
        detectors: what looks.
        negative: whether our own looks at their negative, too: what is faint may be found in one of the two
            alone. Where frames wait for looks there is no time for it.

    Raises:
        DetectorUnavailable: the text detector failed.
    """
    found = [box for finder in detectors.texts for box in finder.find(pixels)]
    found += detectors.any_script.find(~pixels) if negative else []
    names = _no_markers(pixels, found)
    beside = detectors.any_script.find_beside(pixels, names)
    # What is beside may take a marker with it; it never gives back what was taken for a name.
    return names + [box for box in _no_markers(pixels, found + beside) if box not in names]


def mask_found(
    pixels: Pixels, found: list[Box], covered: NDArray[np.bool_], detectors: Detectors
) -> TextMask:
    """Fill what was found, in place, and look again until nothing is found there.

    The first look has to be at the untouched image: a fill that takes the middle of a name leaves
    ends that nothing finds any more. The later ones judge what the fills left, in and
    around them: elsewhere nothing has changed, and the edge of a fill makes a network see letters.
    They are left to the detector that was made for documents: the other one sees letters there too often.

    Args:
        pixels: what was looked at, (rows, columns[, 3]).
        found: all of `find_names`.
        covered: (rows, columns), what is filled in any case; for a text inside nobody looks again.
        detectors: what looks again.

    Raises:
        DetectorUnavailable: the text detector failed.
    """
    result = TextMask(*pixels.shape[:2])
    paint(result.mask, [grow_text(box) for box in found])
    found = [box for box in found if not _inside(box, covered)]
    for _ in range(_ROUNDS):
        if not found:
            break
        touched = [grow_text(box) for box in found]
        paint(result.mask, touched)
        fill_flat(pixels, result.mask | covered)
        result.texts += len(found)
        near = [box.padded(*[min(box.width, box.height)] * 2) for box in touched]
        again = _no_markers(pixels, detectors.text.find(pixels, near))
        found = [box for box in again if any(box.touches(other) for other in near)]
    result.left = len(found)
    return result


def _inside(box: Box, mask: NDArray[np.bool_]) -> bool:
    alone = np.zeros_like(mask)
    paint(alone, [box])
    return not (alone & ~mask).any()


def _no_markers(pixels: Pixels, found: list[Box]) -> list[Box]:
    kept = markers(pixels, found)
    return [box for box in found if box not in kept]


def _nothing() -> None:
    """No obstacle stands."""


def still_policy(name: str, looked: Sequence[TextFinder | FaceFinder], test: SelfTest) -> Policy:
    """The policy of what stands still: each of ``looked`` must have looked at that very picture."""
    return Policy(name, tuple(Need(d.name, max_age_ns=0) for d in looked), test.max_age_ns)


class ScannerAnonymizer:
    """Cleans frames of scanners, one at a time, in the caller's thread.

    Args:
        settings: the section ``[anonymize]``.
        detectors: what looks for faces and text; see `load_detectors`.
        clock: CLOCK_MONOTONIC in ns.
        scanners: of whose images a part is kept.
        witness: who sees each frame of known layout, and may stop all; see `Witness`.
    """

    def __init__(
        self,
        settings: Anonymize,
        detectors: Detectors,
        clock: Callable[[], int] = time.monotonic_ns,
        *,
        scanners: Sequence[Scanner] = (),
        witness: Witness | None = None,
    ) -> None:
        self._detectors, self._witness = detectors, witness
        self._clock = clock
        self._self_test = SelfTest(detectors, settings.self_test_every, settings.face_width, second=True)
        self._mask_scale = settings.mask_scale
        trust = Trust.of(settings.scripts, detectors.texts)
        self._keeps = partial(kept_regions, trust=trust, scanners=scanners)
        self._policy = still_policy(POLICY, detectors.texts, self._self_test)
        self._picture_policy = still_policy(PICTURE_POLICY, detectors.thorough, self._self_test)
        self._self_test.run_if_due(clock())

    def clean(self, raw: RawFrame) -> CleanFrame | Held:
        """The clean frame, or why there is none. Takes ``raw``'s buffer and gives it back at once."""
        where = Where.of(raw)
        pixels: Pixels = np.array(raw.pixels, dtype=np.uint8, order="C")
        if raw.release is not None:
            raw.release()
        self._self_test.run_if_due(self._clock())
        # Every DICOM object has an Identity, if an empty one; a still never has.
        picture = take_identity(raw) is None
        rows, columns = pixels.shape[:2]
        regions = self._keeps(where.acquisition, rows, columns)
        if self._witness is None or isinstance(regions, str):
            return self._clean(pixels, where, regions, self._detectors, _nothing, picture=picture)[0]
        before = pixels.copy()
        outcome, masked = self._clean(
            pixels, where, regions, self._detectors, self._witness.obstacle, picture=picture
        )
        self._witness.passed(before, boxes_of(masked), outcome, self._self_test, regions, faces=picture)
        return outcome

    def obstacle(self) -> SuppressReason | None:
        """Why nothing may leave now, whatever it shows; what comes meanwhile had better wait."""
        return None if self._witness is None else self._witness.obstacle()

    def asks(self) -> bool:
        """Whether a frame is wanted for a canary, even while nothing may leave."""
        return self._witness is not None and self._witness.asks()

    def again(self, pixels: Pixels, detectors: Detectors, *, picture: bool) -> Pixels | None:
        """What the pixels of a frame, all of which may be kept, look like once cleaned: for canaries.

        Args:
            pixels: (rows, columns[, 3]).
            detectors: what looks.
            picture: whether faces are looked for, too.

        Returns:
            Pixels that nothing takes for a clean frame; None if it would be held back.
        """
        pixels = np.array(pixels, dtype=np.uint8, order="C")
        where = Where.of(RawFrame(pixels, "", 0, self._clock(), 0, Acquisition()))
        whole = (Region(0, 0, pixels.shape[1], pixels.shape[0]),)
        outcome, _ = self._clean(pixels, where, whole, detectors, _nothing, picture=picture)
        return outcome.pixels if isinstance(outcome, CleanFrame) else None

    def _clean(
        self,
        pixels: Pixels,
        where: Where,
        regions: tuple[Region, ...] | SuppressReason,
        detectors: Detectors,
        standing: Callable[[], SuppressReason | None],
        *,
        picture: bool,
    ) -> tuple[CleanFrame | Held, NDArray[np.bool_]]:
        """The outcome, and what was masked of the regions, (rows, columns)."""
        rows, columns = pixels.shape[:2]
        obstacle: SuppressReason | None = None
        texts = TextMask(rows, columns)
        looks: tuple[Look, ...] = ()
        kept = np.zeros((rows, columns), bool)
        covered = np.zeros((rows, columns), bool)
        faces: list[Box] = []
        if isinstance(regions, str):
            obstacle = regions
        elif self._self_test.state()[0] is None:
            for region in regions:
                kept[region.top : region.bottom, region.left : region.right] = True
            fill(pixels, ~kept)
            try:
                if picture:
                    for detector in (detectors.faces, detectors.second):
                        found = detector.find(pixels, FACE_WIDTH)
                        faces += found
                        looks += (Look(detector.name, detector.sha256, 0, 0, len(found)),)
                texts = mask_text(pixels, detectors, kept)  # before faces are filled: half a name is no text
                masks = [box.grown(self._mask_scale) for box in faces]
                fill_boxes(pixels, masks)
                paint(covered, masks)
                faces = suppress_overlaps(faces)
                known = annotation(where.acquisition, rows, columns)
                fill(pixels, known)
                covered |= known
                # What several text detectors found is one finding: all of them must have looked.
                looks += tuple(Look(d.name, d.sha256, 0, 0, texts.texts) for d in detectors.texts)
            except Exception:  # noqa: BLE001  # whatever went wrong, no complete look was had
                obstacle = "detector_failed"
        area, masked = int(kept.sum()), (texts.mask | covered) & kept
        reason, ran_ns = self._self_test.state()
        evidence = Evidence(
            arrived_ns=where.captured_ns,
            looks=looks,
            obstacle=obstacle,
            self_test=reason,
            self_test_ns=ran_ns,
            kept_share=area / kept.size,
            masked_share=int(masked.sum()) / max(1, area),
            faces=len(faces),
            texts=texts.texts,
            text_left=texts.left,
            standing=standing(),
        )
        policy = self._picture_policy if picture else self._policy
        return emit(pixels, where, evidence, policy, self._clock()), masked
