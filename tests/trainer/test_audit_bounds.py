"""Lower bounds of epsilon: exact where the paper is, below a known truth, and near it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from trainer.audit import bounds
from trainer.privacy.accounting import epsilon_of_mu

TRIALS = 50
LUCK = int(stats.binom.ppf(0.9999, TRIALS, 0.05))
"""A correct 95 % bound is above the truth in more trials than this once in ten thousand runs of a test."""


def counts(guesses: np.ndarray, coins: np.ndarray) -> tuple[int, int, int]:
    """Guesses: 1 in, -1 out, 0 abstain."""
    made = guesses != 0
    return len(coins), int(made.sum()), int(((guesses > 0) == coins)[made].sum())


def extremes(scores: np.ndarray, side: int) -> np.ndarray:
    order = np.argsort(scores)
    guesses = np.zeros(len(scores), int)
    guesses[order[:side]], guesses[order[-side:]] = -1, 1
    return guesses


@pytest.mark.parametrize(("hits", "trials"), [(0, 10), (3, 10), (10, 10), (1, 5000), (4999, 5000)])
def test_intervals_are_those_of_an_exact_binomial_test(hits: int, trials: int) -> None:
    wanted = stats.binomtest(hits, trials).proportion_ci(0.95, "exact")
    assert bounds.interval(hits, trials) == pytest.approx((wanted.low, wanted.high), abs=1e-9)


def test_pure_privacy_is_the_papers_binomial_tail() -> None:
    for epsilon in (0.0, 0.7, 3.0):
        q = math.exp(epsilon) / (1 + math.exp(epsilon))
        wanted = sum(math.comb(40, k) * q**k * (1 - q) ** (40 - k) for k in range(31, 41))
        assert bounds.one_run_p_value(100, 40, 31, epsilon, 0.0) == pytest.approx(wanted, rel=1e-9)
    # All of r guesses right: refuted is every epsilon with q^r < 0.05.
    q = 0.05 ** (1 / 100)
    assert bounds.one_run_epsilon(100, 100, 100, 0.0) == pytest.approx(math.log(q / (1 - q)), abs=1e-3)


def test_the_delta_term_is_the_theorems() -> None:
    """2 m delta times the largest P[v - i <= W < v] / i, worked out by hand for r = 4."""
    q = math.exp(1) / (1 + math.exp(1))
    mass = [math.comb(4, k) * q**k * (1 - q) ** (4 - k) for k in range(5)]
    steepest = max(mass[2], (mass[2] + mass[1]) / 2, (mass[2] + mass[1] + mass[0]) / 3)
    wanted = mass[3] + mass[4] + 2 * 10 * 0.001 * steepest
    assert bounds.one_run_p_value(10, 4, 3, 1.0, 0.001) == pytest.approx(wanted, rel=1e-9)
    # Far in the tail, where a difference of tails would round to zero, the term still is there.
    assert bounds.one_run_p_value(1000, 1000, 1000, 0.5, 1e-5) > bounds.one_run_p_value(
        1000, 1000, 1000, 0.5, 0.0
    )


@pytest.mark.parametrize("epsilon", [0.5, 2.0])
def test_randomised_response_is_bounded_and_nearly_met(epsilon: float) -> None:
    rng = np.random.default_rng(1)
    found = []
    for _ in range(TRIALS):
        coins = rng.random(800) < 0.5
        told = np.where(rng.random(800) < 1 / (1 + math.exp(-epsilon)), coins, ~coins)
        found.append(bounds.one_run_epsilon(*counts(np.where(told, 1, -1), coins), 0.0))
    assert sum(value > epsilon for value in found) <= LUCK
    assert np.median(found) > 0.6 * epsilon


@pytest.mark.parametrize("epsilon", [2.0, 6.0])
def test_a_gaussian_sum_is_bounded_and_nearly_met(epsilon: float) -> None:
    """One canary on each coordinate; the Gaussian bound gets much nearer than the one for any mechanism."""
    delta = 1e-5
    mu = bisect(epsilon, delta)
    rng = np.random.default_rng(2)
    plain, gaussian = [], []
    for _ in range(TRIALS):
        coins = rng.random(2000) < 0.5
        seen = counts(extremes(rng.normal(size=2000) + mu * coins, 100), coins)
        plain.append(bounds.one_run_epsilon(*seen, delta))
        gaussian.append(epsilon_of_mu(bounds.one_run_mu(*seen), delta))
    assert sum(value > epsilon for value in plain) <= LUCK
    assert sum(value > epsilon for value in gaussian) <= LUCK
    assert np.median(gaussian) > 0.3 * epsilon
    assert np.median(gaussian) > np.median(plain)


def bisect(epsilon: float, delta: float) -> float:
    low, high = 1e-3, 20.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if epsilon_of_mu(middle, delta) < epsilon else (low, middle)
    return low


def test_a_leak_of_probability_delta_is_no_epsilon() -> None:
    """Each coin is told with probability delta, nothing else is: (0, delta)-DP."""
    rng = np.random.default_rng(3)
    blind, seeing = 0, 0
    for _ in range(TRIALS):
        coins = rng.random(2000) < 0.5
        told = np.where(rng.random(2000) < 0.05, coins, rng.random(2000) < 0.5)
        seen = counts(np.where(told, 1, -1), coins)
        seeing += bounds.one_run_epsilon(*seen, 0.05) > 0
        blind += bounds.one_run_epsilon(*seen, 0.0) > 0
    assert seeing <= LUCK
    assert blind > TRIALS // 2  # Without its delta term the bound would accuse it.


@pytest.mark.parametrize("mu", [0.5, 1.5])
def test_rates_of_many_runs_are_bounded_and_nearly_met(mu: float) -> None:
    delta = 1e-5
    epsilon = epsilon_of_mu(mu, delta)
    rng = np.random.default_rng(4)
    plain, gaussian = [], []
    for _ in range(TRIALS):
        inside, outside = rng.normal(size=1000) + mu, rng.normal(size=1000)
        seen = int((inside > 1.5).sum()), 1000, int((outside > 1.5).sum()), 1000
        plain.append(bounds.epsilon_from_rates(*seen, delta))
        gaussian.append(bounds.mu_from_rates(*seen))
    assert sum(value > epsilon for value in plain) <= LUCK
    assert sum(value > mu for value in gaussian) <= LUCK
    assert np.median(gaussian) > 0.55 * mu


def test_halving_the_noise_is_told_from_the_claim() -> None:
    """What the control of an audit rests on, at the confidence of a verdict."""
    rng = np.random.default_rng(5)
    claimed = 2.0
    mu = bisect(claimed, 1e-5)
    caught = {mu: 0, 2 * mu: 0}
    for true in caught:
        for _ in range(30):
            coins = rng.random(2000) < 0.5
            scores = rng.normal(size=2000) + true * coins
            hits, alarms = int((scores[coins] > 0.5).sum()), int((scores[~coins] > 0.5).sum())
            found = bounds.mu_from_rates(hits, int(coins.sum()), alarms, int((~coins).sum()), bounds.STRICT)
            caught[true] += epsilon_of_mu(found, 1e-5) > claimed
    assert caught == {mu: 0, 2 * mu: 30}


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 300), st.data())
def test_more_right_guesses_never_lower_a_bound(guesses: int, data: st.DataObject) -> None:
    correct = data.draw(st.integers(0, guesses - 1))
    canaries = guesses + data.draw(st.integers(0, 300))
    fewer, more = (bounds.one_run_epsilon(canaries, guesses, v, 1e-5) for v in (correct, correct + 1))
    assert fewer <= more + 1e-3
    if 0 < more < bounds.LARGEST_EPSILON:
        assert bounds.one_run_p_value(canaries, guesses, correct + 1, more, 1e-5) <= 0.05
        assert bounds.one_run_p_value(canaries, guesses, correct + 1, more + 2e-3, 1e-5) > 0.049
    fewer, more = (bounds.one_run_mu(canaries, guesses, v) for v in (correct, correct + 1))
    assert fewer <= more + 1e-3


def test_senseless_counts_are_refused() -> None:
    with pytest.raises(bounds.BoundError, match="guesses"):
        bounds.one_run_p_value(10, 11, 5, 1.0, 0.0)
    with pytest.raises(bounds.BoundError, match="trials"):
        bounds.upper_limit(3, 2)
    with pytest.raises(bounds.BoundError, match="guess"):
        bounds.one_run_mu(10, 0, 0)
