"""Accounting against the exact formula, a second accountant, and the known traps."""

from __future__ import annotations

import math

import pytest

from trainer.privacy import accounting
from trainer.privacy.accounting import (
    calibrate,
    epsilon,
    epsilon_gaussian,
    epsilon_prv,
    figures,
    gaussian_mu,
    meter,
    mu,
)
from trainer.privacy.spend import Release, Spend, SpendError

DELTA = 1e-5


def normal(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2))


def sampled(rate: float, steps: int, means: float | None = None):
    """A maker of spends: perhaps a fixed release of means, then sampled steps."""
    first = () if means is None else (Release("means", means),)
    return lambda noise: (*first, Release("steps", noise, rate, steps))


def scaled(spend: Spend, factor: float) -> Spend:
    *first, last = spend
    return (*first, Release(last.what, last.noise * factor, last.sampling_rate, last.steps))


def test_full_batches_agree_with_the_exact_formula() -> None:
    """Without sampling, T steps of noise s are Gaussian DP with mu = sqrt(T) / s, whose epsilon is exact."""
    spend = (Release("steps", 20.0, steps=100),)
    spent = epsilon(spend, DELTA)
    assert mu(spend) == pytest.approx(0.5)
    assert gaussian_mu(spent, DELTA) == pytest.approx(0.5, rel=2e-3)
    assert epsilon_gaussian(spend, DELTA) == pytest.approx(spent, rel=1e-3)
    assert epsilon_gaussian(spend, DELTA) <= spent
    at = gaussian_mu(2.0, DELTA)
    assert at == pytest.approx(0.5016, abs=2e-4)  # the value of the literature for (2, 1e-5)
    assert normal(-2 / at + at / 2) - math.exp(2) * normal(-2 / at - at / 2) == pytest.approx(DELTA, rel=1e-3)


def test_releases_compose() -> None:
    spend = (Release("means", 10.0), Release("steps", 20.0, steps=100))
    assert gaussian_mu(epsilon(spend, DELTA), DELTA) == pytest.approx(math.hypot(0.5, 0.1), rel=2e-3)


@pytest.mark.parametrize("make", [sampled(0.25, 50, 10.0), sampled(0.1, 50), sampled(1.0, 30, 10.0)])
def test_calibration_meets_the_target_and_wastes_nothing(make) -> None:
    made = calibrate(make, 2.0, DELTA)
    assert 1.98 < epsilon(made, DELTA) <= 2.0
    assert epsilon(scaled(made, 0.95), DELTA) > 2.0


def test_calibration_takes_few_calls_of_the_accountant(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    true = accounting.epsilon
    monkeypatch.setattr(accounting, "epsilon", lambda *asked: calls.append(asked) or true(*asked))
    for make, target, most in (
        (sampled(1.0, 100, 10.0), 2.0, 2),
        (sampled(0.25, 200, 10.0), 2.0, 6),
        (sampled(0.02, 400), 8.0, 10),
        (sampled(0.1, 50), 0.1, 8),
    ):
        calls.clear()
        made = calibrate(make, target, DELTA)
        assert (1 - 1e-3) * target <= true(made, DELTA) <= target
        assert len(calls) <= most


def test_what_is_fixed_may_not_spend_everything() -> None:
    with pytest.raises(SpendError, match="fewer fixed releases"):
        calibrate(sampled(0.25, 50, 1.0), 2.0, DELTA)


def test_without_noise_there_is_no_epsilon() -> None:
    spend = (Release("steps", 0.0, 0.5, 3), Release("means", 5.0))
    assert epsilon(spend, DELTA) == epsilon_prv(spend, DELTA) == math.inf
    with pytest.raises(SpendError, match="no finite epsilon"):
        figures(spend, DELTA)
    assert epsilon_gaussian((Release("steps", 0.0),), DELTA) == math.inf


def test_a_coarse_grid_is_still_a_bound() -> None:
    for noise in (0.8, 2.0, 30.0):
        spend = (Release("means", noise), Release("steps", 2 * noise, steps=7))
        assert (
            0 <= epsilon(spend, DELTA) - epsilon_gaussian(spend, DELTA) < 2e-3 * max(1, epsilon(spend, DELTA))
        )


def test_sampled_releases_have_no_closed_form() -> None:
    with pytest.raises(SpendError, match="takes all units"):
        epsilon_gaussian((Release("steps", 5.0, 0.5, 3),), DELTA)


def test_the_meter_rises_to_the_whole_and_speaks_of_its_own_work_alone() -> None:
    show = meter((Release("means", 10.0), Release("steps", 20.0, 1.0, 7)), DELTA)
    texts = [show("means", 1), *(show("steps", done) for done in range(1, 8))]
    values = [float(text.split()[1]) for text in texts]
    assert values == sorted(values)
    assert texts[-1] == f"epsilon {values[-1]:.2f} of {values[-1]:.2f} spent"
    assert show("features", 1) == show("steps", 8) == ""


@pytest.mark.parametrize("bad", [-1.0, math.nan, math.inf])
def test_a_release_with_senseless_noise_is_refused(bad: float) -> None:
    with pytest.raises(SpendError, match="finite noise multiplier"):
        Release("steps", bad)


def test_two_accountants_agree() -> None:
    made = calibrate(sampled(0.25, 50, 10.0), 2.0, DELTA)
    # PRV is an upper bound with a stated error of 0.01.
    assert epsilon_prv(made, DELTA) == pytest.approx(epsilon(made, DELTA), abs=0.02)


def test_noise_for_sampling_does_not_cover_fixed_batches() -> None:
    """Trap: noise meant for Poisson samples, spent on every record, costs far more than stated."""
    (made,) = calibrate(sampled(0.1, 50), 2.0, DELTA)
    assert epsilon((Release("steps", made.noise, 1.0, made.steps),), DELTA) > 4.0


@pytest.mark.parametrize(
    "bad",
    [
        (0, DELTA, 0.1, 5),
        (2, 0, 0.1, 5),
        (2, 1, 0.1, 5),
        (2, DELTA, 0, 5),
        (2, DELTA, 2, 5),
        (2, DELTA, 0.1, 0),
    ],
)
def test_senseless_parameters_are_refused(bad: tuple[float, float, float, int]) -> None:
    target, delta, rate, steps = bad
    with pytest.raises(SpendError, match="expected"):
        calibrate(sampled(rate, steps), target, delta)
