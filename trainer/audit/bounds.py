"""Statistics of an audit: from counts of right and wrong guesses to a lower bound of epsilon. Pure functions.

Two situations. *Many runs*: an attacker's false positive and false negative rates were estimated on
independent trials (Jagielski et al. 2020, arXiv 2006.07709; Nasr et al. 2021, arXiv 2101.04535). *One
run*: many canaries were inserted on their own coins into a single run (Steinke, Nasr and Jagielski
2023, arXiv 2305.08846; Mahloujifar, Melis and Chaudhuri 2024, arXiv 2410.22235).

Every bound comes in two kinds. The plain one holds whatever the mechanism is. The Gaussian one, which is
tighter, holds only where the mechanism's trade-off curve is that of Gaussian DP (Dong, Roth and Su 2019): for
full-batch Gaussian noise, not for Poisson-sampled steps. Who asks must know which conditions are met.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from trainer.privacy.accounting import epsilon_of_mu

CONFIDENCE = 0.95
STRICT = 0.999
"""For a verdict: among some dozens of bounds at 95 % one or two are wrong by chance."""
LARGEST_EPSILON = 60.0
"""Bounds are not sought beyond; an attack without any error has no finite maximum likelihood value."""
LARGEST_MU = 12.0


class BoundError(ValueError):
    """Counts or parameters that make no sense."""


def upper_limit(successes: int, trials: int, confidence: float = CONFIDENCE) -> float:
    """One-sided Clopper-Pearson upper limit of a probability."""
    _check_counts(successes, trials)
    if successes == trials:
        return 1.0
    return float(stats.beta.ppf(confidence, successes + 1, trials - successes))


def lower_limit(successes: int, trials: int, confidence: float = CONFIDENCE) -> float:
    """One-sided Clopper-Pearson lower limit of a probability."""
    return 1 - upper_limit(trials - successes, trials, confidence)


def interval(successes: int, trials: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Two-sided Clopper-Pearson interval of a probability."""
    each = (1 + confidence) / 2
    return lower_limit(successes, trials, each), upper_limit(successes, trials, each)


def _check_counts(successes: int, trials: int) -> None:
    if not 0 <= successes <= trials or trials < 1:
        raise BoundError(f"expected 0 <= successes <= trials and a trial, got {successes} of {trials}")


def epsilon_from_rates(
    hits: int, members: int, alarms: int, others: int, delta: float, confidence: float = CONFIDENCE
) -> float:
    """Lower bound of epsilon from an attack's counts on independent trials; any mechanism.

    (epsilon, delta)-DP demands FPR >= exp(-epsilon) (TPR - delta), and the same of the complementary test.
    Both rates are taken at their Clopper-Pearson limits, each with half of the error probability.

    Args:
        hits: members that the attack calls members.
        members: trials with members.
        alarms: non-members that the attack calls members.
        others: trials with non-members.
        delta: the claimed delta.
        confidence: of the bound.
    """
    each = (1 + confidence) / 2
    best = 0.0
    for right, count, wrong, rest in (
        (hits, members, alarms, others),
        (others - alarms, others, members - hits, members),
    ):
        power = lower_limit(right, count, each) - delta
        if power > 0:
            best = max(best, math.log(power / upper_limit(wrong, rest, each)))
    return best


def mu_from_rates(hits: int, members: int, alarms: int, others: int, confidence: float = CONFIDENCE) -> float:
    """Lower bound of Gaussian DP's mu from the same counts: Phi^-1(TPR) - Phi^-1(FPR) at their limits."""
    each = (1 + confidence) / 2
    power, false = lower_limit(hits, members, each), upper_limit(alarms, others, each)
    return float(max(stats.norm.ppf(power) - stats.norm.ppf(false), 0.0))


def one_run_p_value(canaries: int, guesses: int, correct: int, epsilon: float, delta: float) -> float:
    """Largest probability that any (epsilon, delta)-DP mechanism allows for so many correct guesses.

    Steinke et al. 2023, main theorem for approximate DP (numerically as in appendix D): with W the
    binomial number of successes of epsilon-randomized response in ``guesses`` trials,
    P[correct >= v] <= P[W >= v] + 2 m delta max_i P[v - i <= W < v] / i.

    Args:
        canaries: all whose coin was thrown, abstentions included (m).
        guesses: canaries that were guessed on (r).
        correct: right guesses (v).
        epsilon: of the hypothesis.
        delta: of the hypothesis.

    Raises:
        BoundError: not 0 <= correct <= guesses <= canaries.
    """
    if not (0 <= correct <= guesses <= canaries and epsilon >= 0 and 0 <= delta <= 1):
        raise BoundError("expected 0 <= correct <= guesses <= canaries, epsilon >= 0 and 0 <= delta <= 1")
    q = 1 / (1 + math.exp(-epsilon))
    tail = float(special.bdtrc(correct - 1, guesses, q)) if correct else 1.0
    if correct == 0 or delta == 0:
        return min(tail, 1.0)
    # The mass just below v is summed from its near end: tails differ by less than their rounding there.
    wins = np.arange(correct - 1, -1, -1)
    each = special.xlogy(wins, q) + special.xlog1py(guesses - wins, -q) + _log_choose(guesses)[wins]
    steepest = float(np.max(np.cumsum(np.exp(each)) / np.arange(1, correct + 1)))
    return min(tail + 2 * canaries * delta * steepest, 1.0)


@lru_cache(maxsize=8)
def _log_choose(trials: int) -> NDArray[np.float64]:
    """Logarithms of the binomial coefficients of ``trials`` over 0..trials."""
    wins = np.arange(trials + 1)
    falls = special.gammaln(wins + 1) + special.gammaln(trials - wins + 1)
    return np.asarray(special.gammaln(trials + 1) - falls)


def one_run_epsilon(
    canaries: int, guesses: int, correct: int, delta: float, confidence: float = CONFIDENCE
) -> float:
    """Lower bound of epsilon at ``delta`` from one run's guesses; any mechanism. 0 if nothing is refuted."""
    return _largest_refuted(
        lambda epsilon: one_run_p_value(canaries, guesses, correct, epsilon, delta) < 1 - confidence,
        LARGEST_EPSILON,
    )


def one_run_gaussian_refuted(
    canaries: int, guesses: int, correct: int, mu: float, confidence: float = CONFIDENCE
) -> bool:
    """Whether so many correct guesses have a probability below 1 - confidence under mu-Gaussian DP.

    Mahloujifar et al. 2024, their recursion for a trade-off curve: r is the mass of correct, h of wrong
    guesses in outcomes with at least i right ones, per canary; mu-GDP demands Phi(Phi^-1(r) - mu) <= h.
    A tail as heavy as 1 - confidence is refuted if it forces more mass than there is.
    """
    if not 0 <= correct <= guesses <= canaries or guesses == 0:
        raise BoundError("expected 0 <= correct <= guesses <= canaries and at least one guess")
    right = (1 - confidence) * correct / canaries
    wrong = (1 - confidence) * (guesses - correct) / canaries
    share = guesses / canaries
    for i in range(correct - 1, -1, -1):
        least = float(special.ndtr(special.ndtri(right) - mu))
        if least <= wrong:
            break  # Neither can change any more.
        right += i / (guesses - i) * (least - wrong)
        wrong = least
        if right + wrong > share:
            return True
    return right + wrong > share


def one_run_mu(canaries: int, guesses: int, correct: int, confidence: float = CONFIDENCE) -> float:
    """Lower bound of Gaussian DP's mu from one run's guesses. 0 if nothing is refuted."""
    return _largest_refuted(
        lambda mu: one_run_gaussian_refuted(canaries, guesses, correct, mu, confidence), LARGEST_MU
    )


def gaussian_epsilon(mu: float, delta: float) -> float:
    """Epsilon at ``delta`` of mu-Gaussian DP; 0 for mu 0."""
    return epsilon_of_mu(mu, delta)


def _largest_refuted(refuted: Callable[[float], bool], largest: float) -> float:
    """The largest refuted value of a parameter, by bisection; 0 if not even 0 is refuted."""
    if not refuted(0.0):
        return 0.0
    if refuted(largest):
        return largest
    low, high = 0.0, largest
    while high - low > 1e-4:
        middle = (low + high) / 2
        low, high = (middle, high) if refuted(middle) else (low, middle)
    return low
