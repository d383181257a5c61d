"""Intended use: was the model made for this kind of image?

The bundle names modality, body part and view. What is not listed, or says nothing, is not
intended use: a knee is never told that it has a pituitary tumour.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from edge.imaging.frames import Acquisition


class Use(Protocol):
    """One listed kind of image; the values are DICOM defined terms in upper case."""

    @property
    def group(self) -> str:
        """Name of the set of classes."""

    @property
    def modalities(self) -> Iterable[str]:
        """Modality (0008,0060)."""

    @property
    def body_parts(self) -> Iterable[str]:
        """Body Part Examined (0018,0015)."""

    @property
    def views(self) -> Iterable[str]:
        """View Position (0018,5101); no entry means that any view, or none, is accepted."""


def group_of(acquisition: Acquisition, uses: Iterable[Use]) -> str | None:
    """Return the set of classes that fits, or None if the model was not made for this image."""
    for use in uses:
        views = tuple(use.views)
        if (
            acquisition.modality in use.modalities
            and acquisition.body_part in use.body_parts
            and (not views or acquisition.view in views)
        ):
            return use.group
    return None
