"""The self-test: a known face and a known text must be found, or nothing leaves.

Zero detections prove nothing: a detector that finds nothing at all looks the same as an empty
scene. So the room shows each detector something that it must find, at start and from time to time.
"""

from __future__ import annotations

import threading
from importlib import resources

import cv2
import numpy as np

from edge.anonymize.detectors import Detectors
from edge.anonymize.geometry import Box
from edge.anonymize.models import DetectorUnavailable
from edge.anonymize.text.any_script import GLANCE_SIDE
from edge.imaging.frames import Pixels
from edge.messages import SuppressReason

_RETRY_NS = 10_000_000_000
"""A self-test that failed is tried again after so long, or sooner if the period is shorter."""
_GRACE = 2
"""The gate takes a result that is at most so many periods old: a stalled test closes it."""


def face_picture() -> Pixels:
    """The known face itself, (160, 160, 3), RGB; it fills about the middle half.

    Raises:
        DetectorUnavailable: the picture is missing from the installation.
    """
    try:
        data = (resources.files("edge.anonymize") / "data" / "known-face.png").read_bytes()
    except OSError as error:
        raise DetectorUnavailable("the known face is missing: install the package again") from error
    face = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if face is None:
        raise DetectorUnavailable("the known face cannot be read: install the package again")
    return np.ascontiguousarray(face[:, :, ::-1], dtype=np.uint8)


def known_face() -> tuple[Pixels, Box]:
    """The known face (rows, columns, 3) on a gray ground, and where it is; raises as `face_picture`."""
    face = face_picture()
    scene = np.full((192, 320, 3), 96, np.uint8)
    rows, columns = face.shape[:2]
    top, left = (192 - rows) // 2, 60
    scene[top : top + rows, left : left + columns] = face
    box = Box(left + columns * 0.25, top + rows * 0.15, left + columns * 0.75, top + rows * 0.85)
    return scene, box


def known_text() -> tuple[Pixels, Box]:
    """A drawn name (rows, columns) on a dark ground, and where it is."""
    scene = np.full((320, 320), 20, np.uint8)
    cv2.putText(scene, "SELF^TEST 01.02.1903", (24, 172), cv2.FONT_HERSHEY_SIMPLEX, 0.75, 230, 2, cv2.LINE_AA)
    return scene, Box(24, 154, 300, 176)


def run(detectors: Detectors, width: int, *, second: bool = False) -> SuppressReason | None:
    """Look for the known face and the known text; None if both were found where they are.

    Args:
        detectors: what looks.
        width: width in pixels at which faces are looked for in service.
        second: whether the second face detector has to find the face, too.
    """
    try:
        scene, face = known_face()
        for finder in (detectors.faces, detectors.second)[: 2 if second else 1]:
            if not any(box.overlap(face) > 0.3 for box in finder.find(scene, width)):
                return "self_test_failed"
        scene, text = known_text()
        # Images are looked at one way and video another: both must find it.
        looks = [finder.find(scene) for finder in detectors.texts]
        looks.append(detectors.any_script.glance(scene, GLANCE_SIDE))
    except DetectorUnavailable:
        return "detector_failed"
    return None if all(_covers(found, text) for found in looks) else "self_test_failed"


def _covers(found: list[Box], text: Box) -> bool:
    covered = np.zeros(int(np.ceil(text.right)), bool)
    for box in found:
        if box.touches(text):
            covered[max(0, int(box.left)) : max(0, int(np.ceil(box.right)))] = True
    return bool(covered[int(text.left) :].mean() >= 0.9)


class SelfTest:
    """Keeps the last result, and runs the test again when it is due. Safe from several threads."""

    def __init__(self, detectors: Detectors, every_s: float, width: int, *, second: bool = False) -> None:
        self._detectors = detectors
        self._width = width
        self._second = second
        self._every_ns = int(every_s * 1e9)
        self._lock = threading.Lock()
        self._ran_ns: int | None = None
        self._reason: SuppressReason | None = "self_test_failed"

    @property
    def max_age_ns(self) -> int:
        """Age at which a result counts no more."""
        return self._every_ns * _GRACE + _RETRY_NS

    def state(self) -> tuple[SuppressReason | None, int | None]:
        """The last reason (None: passed) and when it ran."""
        with self._lock:
            return self._reason, self._ran_ns

    def run_if_due(self, now_ns: int) -> None:
        """Run the test if it never ran, if its period is over, or if it failed a while ago."""
        reason, ran_ns = self.state()
        if ran_ns is not None:
            wait = self._every_ns if reason is None else min(self._every_ns, _RETRY_NS)
            if now_ns - ran_ns < wait:
                return
        result = run(self._detectors, self._width, second=self._second)
        with self._lock:
            self._reason, self._ran_ns = result, now_ns
