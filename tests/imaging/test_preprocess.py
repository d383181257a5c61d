"""Preprocessing: one code for box and trainer."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.imaging.perspective import clockwise, rectify
from edge.imaging.preprocess import NAME, Preprocessing, parse, standardise, to_gray, to_network_input


def test_shape_type_and_equal_channels() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (300, 500), np.uint8)
    out = to_network_input(pixels)
    assert out.shape == (1, 3, 224, 224)
    assert out.dtype == np.float32
    assert out.flags.c_contiguous
    assert np.array_equal(out[0, 0], out[0, 1])
    assert np.array_equal(out[0, 0], out[0, 2])


def test_each_image_is_standardised_on_its_own() -> None:
    dim = np.random.default_rng(1).integers(20, 60, (224, 224), np.uint8)
    bright = (dim * 3).astype(np.uint8)
    a, b = to_network_input(dim), to_network_input(bright)
    assert abs(float(a.mean())) < 1e-4
    assert float(a.std()) == pytest.approx(1, abs=1e-4)
    # Exposure is taken out: a film lit three times as bright is the same picture.
    assert np.allclose(a, b, atol=1e-3)


def test_flat_image_is_all_zeros_and_finite() -> None:
    assert np.array_equal(standardise(np.full((224, 224), 77, np.uint8)), np.zeros((224, 224), np.float32))


def test_colour_becomes_luma() -> None:
    red = np.zeros((224, 224, 3), np.uint8)
    red[..., 0] = 255
    assert set(np.unique(to_gray(red))) == {76}  # 0.299 x 255


def test_shrinking_averages_areas_and_drops_the_aspect() -> None:
    checker = np.indices((896, 448)).sum(0) % 2 * np.uint8(255)
    gray = to_gray(checker.astype(np.uint8))
    assert gray.shape == (224, 224)
    assert gray.min() >= 127
    assert gray.max() <= 128


def test_enlarging_is_smooth() -> None:
    ramp = np.tile(np.arange(0, 240, 16, dtype=np.uint8), (15, 1))
    assert len(np.unique(to_gray(ramp))) > 100


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 700), st.integers(1, 700), st.booleans())
def test_any_size(rows: int, columns: int, colour: bool) -> None:
    shape = (rows, columns, 3) if colour else (rows, columns)
    out = to_network_input(np.full(shape, 9, np.uint8))
    assert out.shape == (1, 3, 224, 224)
    assert np.isfinite(out).all()


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((5, 5), np.float32),
        np.zeros((0, 5), np.uint8),
        np.zeros((5, 5, 4), np.uint8),
        np.zeros(5, np.uint8),
    ],
)
def test_anything_else_is_refused(wrong: np.ndarray) -> None:
    with pytest.raises(ValueError, match="expected uint8"):
        to_network_input(wrong)


CORNERS = np.array([[150, 60], [500, 90], [480, 300], [170, 280]], np.float32)


def photographed_film() -> np.ndarray:
    """A bright film with a dark disc, seen at an angle in a dark room."""
    film = np.full((256, 256), 200, np.uint8)
    cv2.circle(film, (90, 128), 50, 120, -1)
    square = np.array([[0, 0], [256, 0], [256, 256], [0, 256]], np.float32)
    return cv2.warpPerspective(film, cv2.getPerspectiveTransform(square, CORNERS), (640, 360), borderValue=12)


def test_without_options_nothing_changes() -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (300, 500, 3), np.uint8)
    plain = Preprocessing()
    assert plain.name == NAME
    assert np.array_equal(plain.to_gray(pixels), to_gray(pixels))
    assert np.array_equal(plain.to_network_input(pixels), to_network_input(pixels))


@given(st.booleans(), st.booleans())
def test_a_name_says_all_and_is_read_back(perspective: bool, denoise: bool) -> None:
    assert parse(Preprocessing(perspective, denoise).name) == Preprocessing(perspective, denoise)


def test_names_differ() -> None:
    assert len({Preprocessing(a, b).name for a in (False, True) for b in (False, True)}) == 4


@given(st.text(max_size=40) | st.sampled_from(["", NAME + "/x", "median-3x3/" + NAME, NAME.upper()]))
def test_an_unknown_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not known"):
        parse(name)


def test_perspective_shows_the_film_alone() -> None:
    photo = photographed_film()
    straight = Preprocessing(perspective=True).to_gray(photo)
    assert straight.min() > 100  # nothing of the dark room is left
    assert abs(float(straight[112, 79]) - 120) < 10  # and the disc lies where it lies on the film
    assert to_gray(photo).min() < 20


def test_perspective_leaves_alone_what_shows_no_film() -> None:
    noise = np.random.default_rng(4).integers(90, 110, (300, 300), np.uint8)
    assert np.array_equal(Preprocessing(perspective=True).to_gray(noise), to_gray(noise))


def test_a_frame_that_the_camera_straightened_is_not_searched_again() -> None:
    """The film holds a bright quadrilateral of its own, which must not be taken for a film."""
    film = np.full((400, 400), 30, np.uint8)
    film[100:300, 100:300] = 220
    both = Preprocessing(perspective=True)
    assert np.array_equal(both.to_gray(film, straight=True), to_gray(film))
    assert not np.array_equal(both.to_gray(film), to_gray(film))


def test_file_and_camera_see_the_same_film() -> None:
    """A photograph in the trainer's data and the box's rectified camera frame become the same input."""
    photo = photographed_film()
    options = Preprocessing(perspective=True, denoise=True)
    camera = rectify(photo, clockwise(CORNERS).inset(0.015))
    difference = options.to_gray(photo).astype(int) - options.to_gray(camera, straight=True)
    assert np.abs(difference).mean() < 2


def test_denoise_is_done_at_the_networks_size() -> None:
    pixels = np.full((448, 448), 100, np.uint8)
    pixels[200:202, 200:202] = 255  # one hot pixel at 224
    assert to_gray(pixels).max() == 255
    assert Preprocessing(denoise=True).to_gray(pixels).max() == 100
