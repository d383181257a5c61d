"""Accounting against the exact formula, a second accountant, and the known traps."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from trainer.privacy.accounting import Mechanism, calibrate, epsilon, epsilon_prv, gaussian_mu

DELTA = 1e-5


def normal(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2))


def test_full_batches_agree_with_the_exact_formula() -> None:
    """Without sampling, T steps of noise s are Gaussian DP with mu = sqrt(T) / s, whose epsilon is exact."""
    spent = epsilon(Mechanism(noise=20.0, sampling_rate=1.0, steps=100), DELTA)
    assert gaussian_mu(spent, DELTA) == pytest.approx(0.5, rel=2e-3)
    mu = gaussian_mu(2.0, DELTA)
    assert mu == pytest.approx(0.5016, abs=2e-4)  # the value of the literature for (2, 1e-5)
    assert normal(-2 / mu + mu / 2) - math.exp(2) * normal(-2 / mu - mu / 2) == pytest.approx(DELTA, rel=1e-3)


def test_the_release_of_means_composes() -> None:
    without = Mechanism(noise=20.0, sampling_rate=1.0, steps=100)
    spent = epsilon(replace(without, mean_noise=10.0), DELTA)
    assert gaussian_mu(spent, DELTA) == pytest.approx(math.hypot(0.5, 0.1), rel=2e-3)


@pytest.mark.parametrize("means", [True, False])
def test_calibration_meets_the_target_and_wastes_nothing(means: bool) -> None:
    made = calibrate(2.0, DELTA, 0.25, 50, means=means)
    assert 1.98 < epsilon(made, DELTA) <= 2.0
    assert epsilon(replace(made, noise=made.noise * 0.95), DELTA) > 2.0
    assert (made.mean_noise is not None) == means


def test_two_accountants_agree() -> None:
    made = calibrate(2.0, DELTA, 0.25, 50, means=True)
    # PRV is an upper bound with a stated error of 0.01.
    assert epsilon_prv(made, DELTA) == pytest.approx(epsilon(made, DELTA), abs=0.02)


def test_noise_for_sampling_does_not_cover_fixed_batches() -> None:
    """Trap: noise meant for Poisson samples, spent on every record, costs far more than stated."""
    made = calibrate(2.0, DELTA, 0.1, 50, means=False)
    assert epsilon(replace(made, sampling_rate=1.0), DELTA) > 4.0


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
    with pytest.raises(ValueError, match="expected"):
        calibrate(*bad, means=False)
