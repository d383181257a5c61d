"""Preprocessing: one code for box and trainer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.imaging.preprocess import standardise, to_gray, to_network_input


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
