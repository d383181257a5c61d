"""Training pictures of text: the truth is where ink is, and what only looks like strokes is no text."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.detectors.text import codes, composite, distractors, targets
from trainer.detectors.text.writing import FontsMissingError, Writing

SIZE = 128


@pytest.fixture(scope="module")
def writing():
    try:
        return Writing()
    except FontsMissingError as error:
        pytest.skip(str(error))


def flat(value=120):
    return np.full((composite.SIDE, composite.SIDE, 3), value, np.uint8)


def test_ink_lies_where_the_truth_says(writing, monkeypatch):
    """On a flat place, without what a camera adds."""
    monkeypatch.setattr(composite.camera, "taken", lambda scene, rng: scene)
    monkeypatch.setattr(composite.distractors, "draw", lambda scene, rng: None)
    seen = with_text = 0
    for number in range(60):
        rng = np.random.default_rng((3, number))
        sample = composite.draw(writing, flat(), rng, SIZE)
        text = sample.heights > 0
        with_text += int(text.any())
        seen += int(text.any() and np.ptp(sample.pixels[text].astype(int)) >= 40)  # ink and its ground
    assert with_text >= 30
    assert seen >= 0.9 * with_text


def test_a_turned_sample_keeps_its_truth(writing):
    sample = composite.draw(writing, flat(), np.random.default_rng(11), SIZE)
    back = composite.turned(composite.turned(sample, 1, mirrored=False), 3, mirrored=False)
    assert np.array_equal(back.pixels, sample.pixels)
    assert np.array_equal(back.heights, sample.heights)
    turned = composite.turned(sample, 1, mirrored=True)
    assert (turned.heights > 0).sum() == (sample.heights > 0).sum()


def test_what_is_too_small_to_judge_counts_neither_way():
    heights = np.zeros((SIZE, SIZE), np.float32)
    heights[8:16, 8:64], heights[40:64, 8:64] = composite.LEGIBLE - 1, 24
    text, log, counts = targets.maps(composite.Sample(np.zeros((SIZE, SIZE, 3), np.uint8), heights))
    assert not counts[2:4, 2:16].any()
    assert text[10:16, 2:16].all()
    assert counts[10:16, 2:16].all()
    assert np.allclose(np.exp(log[10:16, 2:16]) * 4, 24)
    assert counts[20:].all()
    assert not text[20:].any()


@given(seed=st.integers(0, 2**20), height=st.integers(16, 120))
@settings(max_examples=40, deadline=None)
def test_codes_are_light_and_dark_and_of_the_asked_height(seed, height):
    for draw in (codes.bars, codes.matrix):
        ink = draw(np.random.default_rng(seed), height)
        assert set(np.unique(ink)) == {0.0, 1.0}
        assert height / 2 <= ink.shape[0] <= max(1.5 * height, 70)  # a module is two pixels at least


@given(seed=st.integers(0, 2**20))
@settings(max_examples=60, deadline=None)
def test_distractors_draw_what_can_be_shown(seed):
    scene = np.full((SIZE, SIZE, 3), 120, np.float32)
    distractors.draw(scene, np.random.default_rng(seed))
    assert np.isfinite(scene).all()
    assert 0 <= scene.min() <= scene.max() <= 255
