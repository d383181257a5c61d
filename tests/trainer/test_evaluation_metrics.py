"""Figures against scikit-learn, with weights as repeated rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from trainer.evaluation import metrics


@st.composite
def answers(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, coarse probabilities (with ties) and whole weights; every class is there."""
    count = draw(st.integers(6, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    labels = np.concatenate([np.arange(3), rng.integers(0, 3, count - 3)])
    raw = rng.integers(1, 5, (count, 3)).astype(float)
    weights = np.concatenate([np.ones(3, int), rng.integers(0, 4, count - 3)])
    return labels, raw / raw.sum(1, keepdims=True), weights


@settings(max_examples=20, deadline=None)
@given(answers())
def test_every_figure_is_scikit_learns(case: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    labels, probability, weights = case
    best = probability.argmax(1)
    w = np.stack([weights, np.ones(len(labels))]).astype(float)
    for row, times in enumerate((weights, np.ones(len(labels), int))):
        y, guess = np.repeat(labels, times), np.repeat(best, times)
        assert metrics.accuracy(w, best == labels)[row] == pytest.approx(reference.accuracy_score(y, guess))
        assert metrics.balanced_accuracy(w, labels, best)[row] == pytest.approx(
            reference.balanced_accuracy_score(y, guess)
        )
        assert metrics.macro_f1(w, labels, best)[row] == pytest.approx(
            reference.f1_score(y, guess, average="macro", labels=[0, 1, 2], zero_division=0)
        )
        found = metrics.specificity(w, labels, best, np.arange(3))[row]
        for each in range(3):
            assert found[each] == pytest.approx(reference.recall_score(y != each, guess != each))
            score = np.repeat(probability[:, each], times)
            area = metrics.auc(w, probability[:, each], labels == each)[row]
            assert area == pytest.approx(reference.roc_auc_score(y == each, score))
    assert (
        metrics.confusion(labels, best, 3) == reference.confusion_matrix(labels, best, labels=range(3))
    ).all()


def test_the_area_under_the_curve_counts_ties_as_half() -> None:
    ones = np.ones((1, 4))
    score = np.array([0.2, 0.5, 0.5, 0.9])
    assert metrics.auc(ones, score, np.array([False, False, True, True]))[0] == 0.875
    assert metrics.auc(ones, -score, np.array([False, False, True, True]))[0] == 0.125


def test_calibration_error_by_hand() -> None:
    confidence = np.array([0.6] * 10 + [0.9] * 10)
    hit = np.array([True] * 6 + [False] * 4 + [True] * 5 + [False] * 5)
    bins = metrics.equal_mass_bins(confidence, 2)
    assert np.bincount(bins).tolist() == [10, 10]
    # The first bin is right as often as it says; the second says .9 and is right half of the time.
    assert metrics.calibration_error(np.ones((1, 20)), confidence, hit, bins)[0] == pytest.approx(0.2)


def test_equal_values_never_part() -> None:
    confidence = np.array([0.5] * 30 + [0.7, 0.8])
    assert len(set(metrics.equal_mass_bins(confidence, 10)[:30])) == 1


def test_brier_score_ends() -> None:
    truth = np.array([0, 1])
    sure = np.eye(2)
    assert metrics.brier(np.ones((1, 2)), sure, truth)[0] == 0
    assert metrics.brier(np.ones((1, 2)), sure[::-1], truth)[0] == 2


def test_cuts_answer_at_least_the_wanted_share() -> None:
    confidence = np.random.default_rng(0).uniform(size=101)
    for wanted, cut in zip((1.0, 0.7, 0.4), metrics.coverage_cuts(confidence, (1.0, 0.7, 0.4)), strict=True):
        assert wanted <= (confidence >= cut).mean() <= wanted + 0.02


def test_area_of_a_straight_line_is_half() -> None:
    assert metrics.area(np.linspace(0, 1, 15)[None])[0] == pytest.approx(0.5)
