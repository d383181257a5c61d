"""Faces by YuNet, from a file that the operator supplies: OpenCV's own FaceDetectorYN.

Wu et al., "YuNet: A Tiny Millisecond-level Face Detector", 2023. The product ships no weights of it; the file
is checked against the digest in the settings. `face_detection_yunet_2023mar.onnx` of the OpenCV Zoo is meant.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from edge.anonymize.faces.turned import ROTATIONS, find_turned
from edge.anonymize.geometry import Box
from edge.anonymize.models import DetectorUnavailable, Weights
from edge.imaging.frames import Pixels

_MULTIPLE = 32
_OVERLAP = 0.3
"""Share of common area above which the weaker of two finds is dropped."""
_MOST = 5000


class YuNetDetector:
    """YuNet on OpenCV's own network code, looking at turned copies, too: it misses heads not upright.

    Args:
        weights: checked weights.
        score: lowest score that counts, 0 to 1.
        rotations: degrees, each of `ROTATIONS`; every one costs a pass.

    Raises:
        DetectorUnavailable: the file is no network that OpenCV can run as YuNet.
    """

    def __init__(self, weights: Weights, score: float = 0.3, rotations: Sequence[int] = ROTATIONS) -> None:
        self.name = weights.name
        self.sha256 = weights.sha256
        self._rotations = tuple(rotations)
        self._lock = threading.Lock()  # a look is two calls: the size, then the picture
        try:
            self._net = cv2.FaceDetectorYN.create(
                "onnx",
                np.frombuffer(weights.data, np.uint8),
                np.zeros(0, np.uint8),
                (320, 320),
                score,
                _OVERLAP,
                _MOST,
            )
            self._look(np.zeros((64, 96, 3), np.uint8))
        except (cv2.error, DetectorUnavailable) as error:
            raise DetectorUnavailable(
                "OpenCV cannot run anonymize.yunet_model as YuNet: expected "
                "face_detection_yunet_2023mar.onnx of the OpenCV Zoo, not its quantized (int8) form"
            ) from error

    def find(self, image: Pixels, width: int) -> list[Box]:
        """Boxes of faces; see `FaceFinder.find`."""
        return find_turned(image, width, _MULTIPLE, self._rotations, self._look)

    def _look(self, image: Pixels) -> list[Box]:
        bgr = np.ascontiguousarray(image[:, :, ::-1])
        try:
            with self._lock:
                self._net.setInputSize((bgr.shape[1], bgr.shape[0]))
                faces: Any = self._net.detect(bgr)[1]  # None in some versions if there is none
        except cv2.error as error:
            raise DetectorUnavailable("the face detector failed") from error
        if faces is None:
            return []
        if not np.isfinite(faces).all():
            raise DetectorUnavailable("the face detector gave values that are not finite")
        return [Box(x, y, x + w, y + h, score) for x, y, w, h, *_, score in faces.tolist()]
