"""The region of a film or monitor, found and seen straight."""

from __future__ import annotations

import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.imaging.perspective import clockwise, find_quad, rectified_size, rectify


def scene(corners: np.ndarray, bright: int = 220) -> np.ndarray:
    image = np.full((360, 640), 15, np.uint8)
    cv2.fillConvexPoly(image, corners.astype(np.int32), bright)
    return image


@given(shake=st.lists(st.integers(-40, 40), min_size=8, max_size=8))
@settings(max_examples=50, deadline=None)
def test_corners_are_found_to_about_one_percent(shake):
    corners = np.array([[180, 70], [470, 70], [470, 290], [180, 290]], np.float32)
    corners += np.array(shake, np.float32).reshape(4, 2)
    quad = find_quad(scene(corners))
    assert quad is not None
    expected = clockwise(corners).array()
    assert np.abs(quad.array() - expected).max() < 10


def test_nothing_stands_out_of_an_even_picture():
    for value in (0, 30, 128, 255):
        assert find_quad(np.full((200, 300), value, np.uint8)) is None


def test_a_lamp_is_no_film():
    image = np.full((360, 640), 15, np.uint8)
    cv2.circle(image, (320, 180), 120, 230, -1)
    assert find_quad(image) is None
    small = np.full((360, 640), 15, np.uint8)
    small[10:50, 10:60] = 230
    assert find_quad(small) is None


def test_rectified_shows_the_inside_alone():
    corners = np.array([[150, 60], [500, 90], [480, 300], [170, 280]], np.float32)
    quad = clockwise(corners)
    straight = rectify(scene(corners), quad)
    assert straight.shape == rectified_size(quad)[::-1]
    assert (straight[4:-4, 4:-4] == 220).all()


@given(st.permutations([(10.0, 10.0), (90.0, 20.0), (80.0, 70.0), (15.0, 60.0)]))
def test_corners_come_out_in_one_order(points):
    quad = clockwise(np.array(points, np.float32))
    assert quad.corners == ((10.0, 10.0), (90.0, 20.0), (80.0, 70.0), (15.0, 60.0))
