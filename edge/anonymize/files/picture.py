"""One still image to its anonymized copy: faces and text go, and all that is not pixels."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from edge.anonymize.detectors import Detectors
from edge.anonymize.files.report import FileHeld
from edge.anonymize.geometry import fill_boxes, paint, suppress_overlaps
from edge.anonymize.scanner.anonymizer import FACE_WIDTH, mask_text
from edge.imaging import still
from edge.imaging.decoded import DecodeLimits
from edge.imaging.frames import Pixels


@dataclass(frozen=True)
class CleanPicture:
    """Masked pixels and what was masked in them."""

    pixels: Pixels
    faces: int
    texts: int
    left: int
    """Texts that were still found after masking."""
    masked_share: float


def clean(data: bytes, limits: DecodeLimits, detectors: Detectors, mask_scale: float) -> CleanPicture:
    """Mask faces and text.

    Raises:
        Undecodable: no image comes out of the bytes.
        DetectorUnavailable: a detector failed.
    """
    pixels: Pixels = np.array(still.decode(data, limits).frames[0])
    boxes = [box for finder in (detectors.faces, detectors.second) for box in finder.find(pixels, FACE_WIDTH)]
    masks = [box.grown(mask_scale) for box in boxes]
    text = mask_text(pixels, detectors)  # before faces are filled: half a name is no text to a detector
    fill_boxes(pixels, masks)
    paint(text.mask, masks)
    return CleanPicture(pixels, len(suppress_overlaps(boxes)), text.texts, text.left, float(text.mask.mean()))


def encode(pixels: Pixels) -> bytes:
    """The pixels as PNG.

    Raises:
        FileHeld: OpenCV cannot encode them.
    """
    done, png = cv2.imencode(".png", pixels if pixels.ndim == 2 else pixels[:, :, ::-1])
    if not done:
        raise FileHeld("unreadable")
    return png.tobytes()
