"""Detectors blind but to the self-test: masks of one kind must not hide what the other missed."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from edge.anonymize.detectors import Detectors
from edge.anonymize.geometry import Box
from edge.imaging.frames import Pixels

_SELF_TEST = 320
"""Pixels of the longer side of its picture, at most; every frame's is longer."""


def without_text(detectors: Detectors) -> Detectors:
    """All that look for text find it in the self-test alone."""
    found = {each.name: getattr(detectors, each.name) for each in fields(detectors)}
    blind: dict[str, Any] = {name: _NoText(real) for name, real in found.items() if hasattr(real, "glance")}
    return replace(detectors, **blind)


def without_faces(detectors: Detectors) -> Detectors:
    """The camera's faces are found in the self-test alone."""
    return replace(detectors, faces=_NoFaces(detectors.faces))


class _Blind:
    def __init__(self, real: Any) -> None:
        self._real, self.name, self.sha256 = real, real.name, real.sha256


class _NoText(_Blind):
    def find(self, image: Pixels, within: list[Box] | None = None) -> list[Box]:
        return self._real.find(image, within) if max(image.shape) <= _SELF_TEST else []

    def glance(self, image: Pixels, side: int) -> list[Box]:
        return self._real.glance(image, side) if max(image.shape) <= _SELF_TEST else []

    def find_beside(self, *_: object) -> list[Box]:
        return []


class _NoFaces(_Blind):
    def find(self, image: Pixels, width: int) -> list[Box]:
        return self._real.find(image, width) if max(image.shape) <= _SELF_TEST else []
