"""Noise is taken out, and what is no noise stays."""

from __future__ import annotations

import numpy as np

from edge.imaging.denoise import median


def test_dead_and_hot_pixels_are_gone() -> None:
    rng = np.random.default_rng(0)
    image = np.full((224, 224), 120, np.uint8)
    rows, columns = rng.choice(224, (2, 300))
    apart = (rows % 3 == 0) & (columns % 3 == 0)
    image[rows[apart], columns[apart]] = rng.choice(np.array([0, 255], np.uint8), int(apart.sum()))
    assert image.std() > 1
    assert (median(image) == 120).all()


def test_an_edge_stays_where_it_is() -> None:
    image = np.zeros((224, 224), np.uint8)
    image[:, 100:] = 200
    assert np.array_equal(median(image), image)


def test_white_noise_is_more_than_halved() -> None:
    noise = np.random.default_rng(1).normal(0, 10, (224, 224))
    image = np.clip(120 + noise, 0, 255).astype(np.uint8)
    assert (median(image).astype(float) - 120).std() < 0.5 * noise.std()


def test_shape_and_type_stay_and_the_input_is_not_written_to() -> None:
    image = np.random.default_rng(2).integers(0, 256, (50, 448), np.uint8)[:, ::2]
    before = image.copy()
    out = median(image)
    assert (out.shape, out.dtype) == (image.shape, np.uint8)
    assert np.array_equal(image, before)
