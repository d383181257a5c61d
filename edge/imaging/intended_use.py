"""Intended use: was the model made for this kind of image?

The bundle names modality, body part and view. What is not listed, or says nothing, is not
intended use: a knee is never told that it has a pituitary tumour. A header may lie, and a camera has none,
so the network's own features are asked, too.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

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


class Alike(Protocol):
    """How the images of one group look to the network."""

    @property
    def direction(self) -> Iterable[float]:
        """(F,); features times this is 1 for the group's mean image."""

    @property
    def least(self) -> float:
        """What an image of the group reaches at least."""


def looks_intended(features: NDArray[np.floating], alike: Alike) -> bool:
    """Whether an image's features (F,) are like those of its group. What is not a number is not.

    Raises:
        ValueError: the features are of another length than the direction.
    """
    direction = np.asarray(tuple(alike.direction), np.float64)
    if features.shape != direction.shape:
        raise ValueError(
            f"expected {direction.size} features, got {features.shape}; the bundle is inconsistent"
        )
    return bool(features.astype(np.float64) @ direction >= alike.least)
