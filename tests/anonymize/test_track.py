"""Masks from detections before and after a frame."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge.anonymize.camera.track import Glimpse, bracket, face_masks
from edge.anonymize.geometry import Box

SHAPE = (720, 1280)


def seen(at_ns: int, *boxes: Box) -> Glimpse:
    return Glimpse(at_ns, SHAPE, boxes)


def holds(mask: Box, box: Box) -> bool:
    return (
        mask.left <= box.left
        and mask.top <= box.top
        and mask.right >= box.right
        and mask.bottom >= box.bottom
    )


@given(
    x=st.floats(0, 1000), y=st.floats(0, 600), size=st.floats(10, 200),
    dx=st.floats(-1.5, 1.5), dy=st.floats(-1.5, 1.5), share=st.floats(0, 1),
)  # fmt: skip
def test_a_face_that_moves_on_a_line_is_inside_its_mask_at_every_moment(x, y, size, dx, dy, share):
    first = Box(x, y, x + size, y + size)
    second = first.shifted(dx * size, dy * size)
    glimpses = [Glimpse(0, SHAPE, (first,)), Glimpse(1000, SHAPE, (second,))]
    masks, faces = face_masks(glimpses, round(share * 1000), SHAPE, 1.8)
    there = first.shifted(dx * size * share, dy * size * share)
    assert any(holds(mask, there) for mask in masks)
    assert faces >= 1


def test_a_face_seen_on_one_side_alone_is_masked_wider():
    face = Box(100, 100, 200, 200)
    glimpses = [Glimpse(0, SHAPE, ()), Glimpse(1000, SHAPE, (face,))]
    (mask,), faces = face_masks(glimpses, 500, SHAPE, 1.8)
    assert faces == 1
    assert mask.width > face.grown(1.8).width


def test_a_face_that_the_last_looks_missed_stays_masked():
    face = Box(100, 100, 200, 200)
    glimpses = [Glimpse(0, SHAPE, (face,)), *(Glimpse(t, SHAPE, ()) for t in (100, 200, 300))]
    masks, _ = face_masks(glimpses, 250, SHAPE, 1.8)
    assert any(holds(mask, face) for mask in masks)


def test_where_a_face_was_that_the_looks_followed_stays_bare():
    """Else a face that walks through the room takes the whole of the room with it."""
    looks = [seen(n * 100, Box(100 * n, 100, 100 * n + 120, 220)) for n in range(7)]
    masks, faces = face_masks(looks, 300, SHAPE, 1.5)
    assert faces == 1
    assert len(masks) == 1
    lost = [*looks[:2], seen(200), *looks[3:]]  # the control: one look saw nothing, and both its sides count
    assert len(face_masks(lost, 250, SHAPE, 1.5)[0]) > 1


def test_what_the_looks_on_both_sides_saw_stays_masked_though_the_frames_own_look_saw_its_neighbour():
    face, beside = Box(300, 300, 400, 400), Box(390, 300, 490, 400)
    looks = [seen(-100, face), seen(0, beside), seen(100, face), seen(200, face)]
    masks, _ = face_masks(looks, 0, SHAPE, 1.5)
    assert any(holds(mask, face) for mask in masks)


def test_two_faces_keep_their_own_masks():
    left, right = Box(100, 100, 180, 180), Box(900, 100, 980, 180)
    glimpses = [
        Glimpse(0, SHAPE, (left, right)),
        Glimpse(10, SHAPE, (right.shifted(5, 0), left.shifted(5, 0))),
    ]
    masks, faces = face_masks(glimpses, 5, SHAPE, 1.8)
    assert faces == 2
    assert all(mask.width < 250 for mask in masks)


def test_detections_of_frames_of_another_shape_do_not_bracket():
    glimpses = [Glimpse(0, (1280, 720), ()), Glimpse(10, SHAPE, ())]
    assert bracket(glimpses, 5, SHAPE) == (None, glimpses[1])
