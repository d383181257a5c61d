"""Track and scan: where a closer look is worth it, and what it finds."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edge.anonymize.camera.looker import Job
from edge.anonymize.camera.scan import CROP, MOST, TrackingScan, face_look, worth_a_look
from edge.anonymize.geometry import Box

boxes = st.builds(
    lambda x, y, size, score: Box(x, y, x + size, y + size, score),
    st.floats(0, 600), st.floats(0, 300), st.floats(4, 200), st.floats(0.1, 1),
)  # fmt: skip


@given(
    sure=st.lists(boxes, max_size=6), unsure=st.lists(boxes, max_size=20), last=st.lists(boxes, max_size=12)
)
def test_a_face_that_was_lost_is_looked_for_and_the_looks_are_bounded(sure, unsure, last):
    places = worth_a_look(sure, unsure, last)
    assert len(places) <= MOST
    assert all(box.width <= 2 * CROP / 5 for box in places)
    lost = [box for box in last if box.width <= 50 and all(box.overlap(other) <= 0.3 for other in sure)]
    if lost:
        assert places[0] == lost[0]
    for place in places:
        assert all(place.overlap(other) <= 0.3 for other in sure)


class Near:
    """Sees a bright square, and is sure of it only where it is large in the picture."""

    name, sha256, sure, unsure = "near", b"n" * 32, 0.5, 0.1

    def __init__(self):
        self.batches = []

    def candidates(self, images):
        self.batches.append(images.shape)
        return [self._in(image) for image in images]

    def _in(self, image):
        ys, xs = np.nonzero(image[:, :, 0] > 200)
        if not len(xs):
            return []
        box = (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
        return [Box(*box, 0.9 if box[2] - box[0] >= 16 else 0.2)]

    def find(self, image, width):
        raise AssertionError("track and scan asks for candidates")


def job(x: int, y: int, size: int = 16) -> Job:
    frame = np.full((360, 640, 3), 60, np.uint8)
    frame[y : y + size, x : x + size] = 255
    return Job(frame[::2, ::2], 0, (360, 640), scale=(2.0, 2.0), frame=frame)


def test_what_the_scan_is_unsure_of_is_found_by_a_closer_look_and_where_it_is():
    near = Near()
    (box,) = face_look(near)(job(400, 200))
    assert near.batches == [(1, 180, 320, 3), (1, CROP, CROP, 3)]
    at = box.scaled(2, 2)
    assert np.allclose((at.left, at.top, at.right, at.bottom), (400, 200, 416, 216), atol=1.5)


def test_a_face_near_the_edge_of_the_frame_is_looked_at_too():
    (box,) = TrackingScan(Near())(job(0, 344))
    at = box.scaled(2, 2)
    assert at.left <= 1.5
    assert at.top <= 345.5
    assert at.right >= 14.5
    assert at.bottom >= 358.5


def test_a_face_of_the_last_look_is_looked_for_again_where_it_was():
    near = Near()
    look = TrackingScan(near)
    assert len(look(job(300, 100, 40))) == 1
    assert len(near.batches) == 1  # the scan was sure by itself
    gone = Job(
        np.full((180, 320, 3), 60, np.uint8), 1, (360, 640), scale=(2.0, 2.0), frame=job(300, 100, 40).frame
    )
    (box,) = look(gone)
    assert abs(box.left - 150) < 2


def test_a_face_is_looked_for_again_where_it_was_when_looks_take_turns_at_two_scales():
    look = TrackingScan(Near())
    frame = job(300, 100, 40).frame
    assert len(look(Job(frame, 0, (360, 640), frame=frame))) == 1
    (box,) = look(Job(np.full((180, 320, 3), 60, np.uint8), 1, (360, 640), scale=(2.0, 2.0), frame=frame))
    assert abs(box.left - 150) < 2


def test_a_part_of_the_frame_is_looked_at_closer_in_its_place():
    frame = job(400, 200).frame
    part = Job(frame[100:300:2, 200:520:2], 0, (360, 640), offset=(200, 100), scale=(2.0, 2.0), frame=frame)
    (box,) = TrackingScan(Near())(part)
    at = part.in_frame(box)
    assert np.allclose((at.left, at.top, at.right, at.bottom), (400, 200, 416, 216), atol=1.5)


def test_a_detector_that_cannot_look_closer_looks_at_the_small_picture_alone():
    class Plain:
        name, sha256 = "plain", b"p" * 32

        def find(self, image, width):
            assert width == image.shape[1]
            return [Box(1, 2, 3, 4)]

    assert face_look(Plain())(job(0, 0)) == [Box(1, 2, 3, 4)]
