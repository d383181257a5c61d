"""Track and scan: the whole frame small, and a closer look where a face was or may be.

The scan sees all of the frame at a low resolution. What it is unsure of, and faces that the last look
had and the scan has not, are looked at once more in the frame's own resolution, all in one batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from edge.anonymize.camera.looker import Job
from edge.anonymize.faces.finder import CropFinder, FaceFinder, rgb
from edge.anonymize.geometry import Box, suppress_overlaps
from edge.imaging.frames import Pixels

CROP = 128
"""Side of a closer look, in pixels."""
_AROUND = 5.0
"""Side of a closer look in radii of the face: it has room to have moved."""
MOST = 8
"""Closer looks in one round: their cost is bounded, whatever the scene."""
_SAME = 0.3


def face_look(faces: FaceFinder) -> Callable[[Job], list[Box]]:
    """How a detector looks at a job: by track and scan if it can look closer, else at the small picture."""
    if isinstance(faces, CropFinder):
        return TrackingScan(faces)
    return lambda job: faces.find(job.image, job.image.shape[1])


class TrackingScan:
    """Looks at a job's small picture, and closer at its frame where that is worth it.

    Args:
        faces: the detector.
    """

    def __init__(self, faces: CropFinder) -> None:
        self._faces = faces
        self._last: tuple[Box, ...] = ()

    def __call__(self, job: Job) -> list[Box]:
        """Boxes of faces in the pixels of ``job.image``; raises DetectorUnavailable."""
        (found,) = self._faces.candidates(rgb(job.image)[None])
        sure = [box for box in found if box.score >= self._faces.sure]
        # Looks take turns at different scales; what is remembered is where it was in the frame.
        last = [job.in_picture(box) for box in self._last]
        doubtful = worth_a_look(sure, found[len(sure) :], last)
        if doubtful and job.frame is not None:
            sure = suppress_overlaps([*sure, *self._closer(job, doubtful)])
        self._last = tuple(job.in_frame(box) for box in sure)
        return sure

    def _closer(self, job: Job, places: Sequence[Box]) -> list[Box]:
        assert job.frame is not None
        crops, back = [], []
        for place in places:
            crop, x, y, scale = _crop(job.frame, job.in_frame(place))
            crops.append(crop)
            back.append((x, y, scale))
        result = []
        for boxes, (x, y, scale) in zip(self._faces.candidates(np.stack(crops)), back, strict=True):
            found = [box for box in boxes if box.score >= self._faces.sure]
            result += [job.in_picture(box.scaled(scale, scale).shifted(x, y)) for box in found]
        return result


def worth_a_look(sure: Sequence[Box], unsure: Sequence[Box], last: Sequence[Box]) -> list[Box]:
    """Where to look closer: faces of the last look that the scan has not, then the likeliest finds. Pure.

    Not at large ones: a closer look would show less of them than the picture does.
    """
    lost = [box for box in last if all(box.overlap(other) <= _SAME for other in sure)]
    likely = sorted(unsure, key=lambda box: -box.score)
    places: list[Box] = []
    for box in [*lost, *likely]:
        large = _AROUND * max(box.width, box.height) / 2 > CROP
        if not large and all(box.overlap(other) <= _SAME for other in [*sure, *places]):
            places.append(box)
    return places[:MOST]


def _crop(frame: Pixels, place: Box) -> tuple[Pixels, float, float, float]:
    """A square around ``place`` (CROP, CROP, 3), its corner in the frame, and frame pixels to one of its."""
    side = max(_AROUND * max(place.width, place.height) / 2, 32.0)
    x, y = (place.left + place.right) / 2 - side / 2, (place.top + place.bottom) / 2 - side / 2
    scale = side / CROP
    # Half a pixel: OpenCV counts from the middle of the first pixel.
    to_frame = np.array([[scale, 0, x + scale / 2 - 0.5], [0, scale, y + scale / 2 - 0.5]], np.float32)
    if scale > 1.5:
        return _averaged(frame, x, y, side), x, y, scale
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    crop = cv2.warpAffine(frame, to_frame, (CROP, CROP), flags=how, borderMode=cv2.BORDER_REPLICATE)
    return rgb(np.asarray(crop, np.uint8)), x, y, scale


def _averaged(frame: Pixels, x: float, y: float, side: float) -> Pixels:
    rows, columns = frame.shape[:2]
    left, top, right, bottom = int(x), int(y), int(x + side), int(y + side)
    inside = frame[max(0, top) : min(rows, bottom), max(0, left) : min(columns, right)]
    if inside.size == 0:
        return np.zeros((CROP, CROP, 3), np.uint8)
    rims = (max(0, -top), max(0, bottom - rows), max(0, -left), max(0, right - columns))
    whole = cv2.copyMakeBorder(inside, *rims, cv2.BORDER_REPLICATE)
    return rgb(np.asarray(cv2.resize(whole, (CROP, CROP), interpolation=cv2.INTER_AREA), np.uint8))
