"""The canary: a known face and a known text in a copy of a live frame, cleaned as a real frame is.

The copy goes through a `CameraAnonymizer` of its own with the source's settings, detectors and self-test.
What comes out is looked at and forgotten: it has no way to classifier, spool or network.
It takes the fewest looks on which a real frame may leave, so recall in service is not below what is measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from edge.anonymize.camera.anonymizer import AHEAD, CameraAnonymizer
from edge.anonymize.consent.sight import unhindered
from edge.anonymize.detectors import Detectors
from edge.anonymize.faces.finder import FaceFinder
from edge.anonymize.geometry import Box
from edge.anonymize.proof import planting
from edge.anonymize.self_test import SelfTest
from edge.anonymize.text.finder import TextFinder
from edge.imaging.frames import Acquisition, CleanFrame, Pixels, RawFrame, Region
from edge.imaging.perspective import rectify
from edge.settings import Anonymize, Source


@dataclass(frozen=True, repr=False)
class Material:
    """A raw frame that nobody writes into, and the masks that it left with. Stays in this process."""

    pixels: Pixels
    captured_ns: int
    masks: Sequence[Box]
    regions: tuple[Region, ...] = ()
    """What of it is kept, where the frame itself says so; empty: the source's settings do."""
    faces: bool = True
    """Whether faces are looked for in it."""


@dataclass(frozen=True)
class Result:
    """Whether face and text were covered; None: not planted, or held back, which proves nothing."""

    face: bool | None = None
    text: bool | None = None


class Singer(Protocol):
    """Plants canaries in the frames of one source, and judges what becomes of them."""

    def sing(self, material: Material) -> Result:
        """Plant the next canary in a copy of the frame, clean it, and see what is left of it.

        Raises:
            DetectorUnavailable: the known face is missing from the installation.
        """
        ...


class Unseeing:
    """In the place of a detector whose masks are not asked for: it looks, and finds nothing."""

    def __init__(self, real: FaceFinder | TextFinder) -> None:
        self.name, self.sha256 = real.name, real.sha256

    def find(self, *_: object) -> list[Box]:
        """Nothing."""
        return []

    glance = find_beside = find


def by_turns(detectors: Detectors, *, face: bool) -> Detectors:
    """Those in service, of which only those that look for a face, or for text, find anything."""
    if not face:
        return replace(detectors, faces=Unseeing(detectors.faces))
    text, any_script = Unseeing(detectors.text), Unseeing(detectors.any_script)
    return replace(detectors, text=text, any_script=any_script)


class Canary:
    """The canaries of a camera or video.

    Args:
        source: as in the settings.
        settings: the section ``[anonymize]``.
        detectors: those in service.
        self_test: that of the source in service, so that it is run once for both.
        key: from which all canaries follow.
    """

    def __init__(
        self, source: Source, settings: Anonymize, detectors: Detectors, self_test: SelfTest, key: int
    ) -> None:
        # So slow that each frame is looked at: what lies between looks costs time and shows nothing new.
        self._source = source.model_copy(update={"rate": min(source.rate, 1 / settings.face_interval)})
        self._settings, self._detectors, self._self_test = settings, detectors, self_test
        self._key, self._number = key, 0

    def sing(self, material: Material) -> Result:
        """See `Singer.sing`. Face and text by turns: a mask of one must not hide what the other missed."""
        self._number += 1
        face = self._number % 2 == 1
        detectors = by_turns(self._detectors, face=face)
        camera = CameraAnonymizer(
            self._source,
            self._settings,
            detectors,
            realtime=False,
            sight=unhindered,  # the frame came past the source's own sight, and nothing of this one leaves
            self_test=self._self_test,
        )
        try:
            area = camera.kept_outline(material.pixels)
            if area is None:
                return Result()
            draw = planting.generator(self._key, self._number)
            planted = planting.plant(material.pixels, area, material.masks, draw, faces=face, texts=not face)
            return self._judge(camera, planted, material.captured_ns)
        finally:
            camera.close()

    def _judge(self, camera: CameraAnonymizer, planted: planting.Planted, at_ns: int) -> Result:
        step_ns = int(1e9 / self._source.rate)
        frames = [
            RawFrame(planted.pixels, self._source.name, i, at_ns + i * step_ns, 0, Acquisition())
            for i in range(AHEAD + 1)
        ]
        outcomes = [outcome for frame in frames for outcome in camera.push(frame)] + camera.flush()
        first = next((outcome for outcome in outcomes if outcome.index == 0), None)
        if not isinstance(first, CleanFrame):
            return Result()
        return Result(*(self._covered(camera, planted, mask, first) for mask in (planted.face, planted.text)))

    @staticmethod
    def _covered(
        camera: CameraAnonymizer, planted: planting.Planted, mask: planting.Mask | None, clean: CleanFrame
    ) -> bool | None:
        if mask is None:
            return None
        film = camera.film(planted.pixels)
        seen = mask if film is None else rectify(mask, film)
        return planting.covered(seen, clean.pixels) if np.any(seen > 127) else None
