"""Intervals: patients are drawn, not images; and nothing is certain."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from trainer.evaluation import metrics
from trainer.evaluation.intervals import Bootstrap, clopper_pearson, percentile


def width(groups: list[str], hit: np.ndarray) -> float:
    found = Bootstrap(groups, ["m"] * len(groups)).estimate(lambda w: metrics.accuracy(w, hit))
    return found.high - found.low


def test_more_images_of_the_same_patients_tell_nothing_new() -> None:
    hit = np.random.default_rng(0).uniform(size=60) < 0.7
    patients = [f"p{i}" for i in range(60)]
    copies = np.repeat(hit, 10)
    assert width(list(np.repeat(patients, 10)), copies) == pytest.approx(width(patients, hit), abs=1e-9)
    # The control: counted as patients of their own, the copies would make the interval too narrow.
    assert width([f"i{i}" for i in range(600)], copies) < 0.5 * width(patients, hit)


def test_the_interval_of_a_mean_is_the_textbooks() -> None:
    hit = np.random.default_rng(1).uniform(size=400) < 0.8
    expected = 2 * 1.96 * np.sqrt(hit.mean() * (1 - hit.mean()) / 400)
    assert width([str(i) for i in range(400)], hit) == pytest.approx(expected, rel=0.08)


def test_each_modality_keeps_its_number_of_groups() -> None:
    groups = [f"a{i}" for i in range(30)] + [f"b{i}" for i in range(3)]
    strata = ["a"] * 30 + ["b"] * 3
    is_a = np.array([True] * 30 + [False] * 3)
    share = Bootstrap(groups, strata).values(lambda w: (w @ is_a) / w.sum(1))
    assert np.allclose(share, 30 / 33)


def test_a_patient_with_two_kinds_of_image_is_drawn_once() -> None:
    boot = Bootstrap(["p", "p", "q", "r"], ["MRI", "XR", "MRI", "XR"])
    drawn = boot.values(lambda w: w)
    assert (drawn[:, 0] == drawn[:, 1]).all()


def test_a_perfect_record_is_not_certainty() -> None:
    found = Bootstrap([f"{i}" for i in range(20)], ["m"] * 20).estimate(
        lambda w: metrics.accuracy(w, np.ones(20, bool))
    )
    assert found.value == found.high == 1
    assert found.low == pytest.approx(stats.binomtest(20, 20).proportion_ci(method="exact").low)


def test_an_interval_holds_its_point() -> None:
    found = percentile(np.array([0.2, 0.3, 0.4]), 0.9, 3)
    assert found.low <= found.value <= found.high


@pytest.mark.parametrize(("hits", "trials"), [(0, 7), (7, 7), (3, 40), (95, 100)])
def test_exact_intervals_are_scipys(hits: int, trials: int) -> None:
    expected = stats.binomtest(hits, trials).proportion_ci(0.95, method="exact")
    found = clopper_pearson(hits, trials)
    assert (found.low, found.high) == (pytest.approx(expected.low), pytest.approx(expected.high))


def test_a_share_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing"):
        clopper_pearson(0, 0)


def test_large_data_is_judged_in_blocks_that_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    boot = Bootstrap([str(i) for i in range(50)], ["m"] * 50)
    hit = np.arange(50) % 3 > 0
    whole = boot.values(lambda w: metrics.accuracy(w, hit))
    monkeypatch.setattr("trainer.evaluation.intervals.BLOCK", 1000)
    assert (boot.values(lambda w: metrics.accuracy(w, hit)) == whole).all()
