"""What any face detector offers, and how a frame is made small enough for it."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import cv2
import numpy as np

from edge.anonymize.geometry import Box
from edge.imaging.frames import Pixels


class FaceFinder(Protocol):
    """What finds faces. ``sha256`` names its weights in the receipt."""

    name: str
    sha256: bytes

    def find(self, image: Pixels, width: int) -> list[Box]:
        """Boxes of faces in the pixels of ``image``, whatever way up they are.

        Args:
            image: (rows, columns[, 3]), display values, RGB.
            width: width in pixels at which to look; a smaller image is looked at as it is.

        Raises:
            DetectorUnavailable: the network failed.
        """
        ...


@runtime_checkable
class CropFinder(FaceFinder, Protocol):
    """A detector that also tells what it is unsure of, and looks at several small pictures at once."""

    sure: float
    """Score from which a find counts."""
    unsure: float
    """Score from which a find is worth a closer look."""

    def candidates(self, images: Pixels) -> list[list[Box]]:
        """Finds, sure or unsure, in each of ``images`` (n, rows, columns, 3); sides are multiples of 64."""
        ...


def rgb(image: Pixels) -> Pixels:
    """``image`` as (rows, columns, 3)."""
    return np.repeat(image[:, :, None], 3, axis=2) if image.ndim == 2 else image


def shrink(image: Pixels, width: int, multiple: int = 64) -> Pixels:
    """``image`` at ``width`` pixels or less, aspect nearly kept, both sides multiples of ``multiple``."""
    rows, columns = image.shape[:2]
    scale = min(1.0, width / columns)
    size = [max(multiple, round(side * scale / multiple) * multiple) for side in (columns, rows)]
    if (columns, rows) == (size[0], size[1]):
        return image
    how = cv2.INTER_AREA if size[0] < columns else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (size[0], size[1]), interpolation=how), dtype=np.uint8)
