"""Accounting against the exact formula, a second accountant, and the known traps."""

from __future__ import annotations

import math

import pytest

from trainer.privacy.accounting import calibrate, epsilon, epsilon_gaussian, epsilon_prv, gaussian_mu, mu
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
