"""Copies are found however they were made, and other images are not taken for copies."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from phantom_images import phantom

from trainer.data import duplicates


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    rng = np.random.default_rng(11)
    return np.stack([phantom(rng, number) for number in range(60)])


def reencoded(image: np.ndarray) -> np.ndarray:
    return cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 35])[1], cv2.IMREAD_GRAYSCALE)


def rescaled(image: np.ndarray) -> np.ndarray:
    return cv2.resize(cv2.resize(image, (100, 100), interpolation=cv2.INTER_AREA), (224, 224))


def shifted(image: np.ndarray) -> np.ndarray:
    return cv2.warpAffine(image, np.array([[1, 0, -5], [0, 1, 3]], np.float32), (224, 224), borderMode=1)


def test_nothing_is_found_where_nothing_is_copied(images: np.ndarray) -> None:
    assert duplicates.near(images) == []


@pytest.mark.parametrize(
    ("make", "flip"),
    [
        (reencoded, ""),
        (rescaled, ""),
        (shifted, ""),
        (lambda image: (255 * (image / 255.0) ** 0.7).astype(np.uint8), ""),
        (lambda image: np.ascontiguousarray(image[:, ::-1]), "mirrored"),
        (lambda image: reencoded(np.ascontiguousarray(image[::-1])), "upside down"),
        (lambda image: rescaled(np.ascontiguousarray(image[::-1, ::-1])), "turned by 180"),
    ],
)
def test_a_planted_copy_is_found(images: np.ndarray, make, flip: str) -> None:
    chosen = (3, 14, 40)
    found = duplicates.near(np.concatenate([images, np.stack([make(images[row]) for row in chosen])]))
    assert {(pair.first, pair.second) for pair in found} == {
        (r, len(images) + n) for n, r in enumerate(chosen)
    }
    assert {pair.flip for pair in found} == {flip}
    assert all(pair.fine >= duplicates.THRESHOLD for pair in found)


def test_every_pair_of_a_set_of_copies_is_linked(images: np.ndarray) -> None:
    found = duplicates.near(np.concatenate([images[:20], *[images[7:8]] * 4]))
    assert {(pair.first, pair.second) for pair in found} == {
        (a, b) for a in (7, 20, 21, 22) for b in (20, 21, 22, 23) if a < b
    }


def test_blocks_hide_nothing(images: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    both = np.concatenate([images, images[:9, :, ::-1]])
    whole = duplicates.near(both)
    monkeypatch.setattr(duplicates, "_BLOCK", 7)
    again = duplicates.near(both)
    assert [(pair.first, pair.second, pair.flip) for pair in again] == [
        (pair.first, pair.second, pair.flip) for pair in whole
    ]
    assert len(whole) == 9


def test_flat_images_are_no_copies_of_each_other() -> None:
    flat = np.stack([np.full((224, 224), value, np.uint8) for value in (0, 90, 90, 255)])
    assert duplicates.near(flat) == []


def test_the_control_finds_what_it_plants_and_tells_when_it_cannot(
    images: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert set(duplicates.control(images, 4).values()) == {(4, 4)}
    monkeypatch.setitem(duplicates.PLANTED, "destroyed", (lambda image: image * 0, ""))
    assert duplicates.control(images, 4)["destroyed"] == (0, 4)


def test_identical_contents_are_listed_once() -> None:
    assert duplicates.exact(["a", "b", "a", "c", "b", "a"]) == [(0, 2, 5), (1, 4)]
    assert duplicates.exact([]) == []
