"""What a training run costs: privacy loss distributions by dp-accounting, cross-checked with PRV.

The stated epsilon is PLD's. Adjacency is add or remove one record, throughout. A run is at most one
release of the feature means (a Gaussian mechanism on all records) followed by steps of DP-SGD on
Poisson samples; both compose in one accountant.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

from dp_accounting import dp_event
from dp_accounting.pld import PLDAccountant
from dp_accounting.privacy_accountant import NeighboringRelation

MEAN_SHARE = 0.2
"""Part of the Gaussian-DP parameter mu that the feature means get; costs 2 % of what is left."""

SLACK = 5e-4
"""Part of the target epsilon that calibration may leave unspent."""


@dataclass(frozen=True)
class Mechanism:
    """Everything that touches private data, as the accountant needs it."""

    noise: float
    """Noise multiplier of each step: standard deviation over clipping norm."""
    sampling_rate: float
    steps: int
    mean_noise: float | None = None
    """Noise multiplier of the release of means; None if there is none."""


def epsilon(mechanism: Mechanism, delta: float) -> float:
    """Epsilon at ``delta`` by privacy loss distributions; an upper bound."""
    # Rounding is upwards and adds at most steps x interval: a coarse grid for few steps is still a bound.
    interval = max(1e-4, min(1e-3, 2e-2 / mechanism.steps))
    accountant = PLDAccountant(NeighboringRelation.ADD_OR_REMOVE_ONE, interval)
    if mechanism.mean_noise is not None:
        accountant.compose(dp_event.GaussianDpEvent(mechanism.mean_noise))
    step = dp_event.PoissonSampledDpEvent(mechanism.sampling_rate, dp_event.GaussianDpEvent(mechanism.noise))
    accountant.compose(step, mechanism.steps)
    return float(accountant.get_epsilon(delta))


def epsilon_prv(mechanism: Mechanism, delta: float) -> float:
    """The same by Opacus' PRV accountant: an independent implementation of an independent method."""
    import numpy as np
    from opacus.accountants import PRVAccountant

    accountant = PRVAccountant()
    if mechanism.mean_noise is not None:
        accountant.history.append((mechanism.mean_noise, 1.0, 1))
    accountant.history.append((mechanism.noise, mechanism.sampling_rate, mechanism.steps))
    with warnings.catch_warnings(), np.errstate(divide="ignore"):
        # It starts from a Renyi bound whose quality it says is poor; only the range of a grid depends on it.
        warnings.filterwarnings("ignore", message="Optimal order is the largest alpha")
        return float(accountant.get_epsilon(delta))


def gaussian_mu(target: float, delta: float) -> float:
    """The mu of Gaussian DP that equals (target, delta): Dong, Roth and Su 2019, corollary 2.13."""

    def normal(x: float) -> float:
        return 0.5 * math.erfc(-x / math.sqrt(2))

    low, high = 1e-6, 50.0
    for _ in range(100):
        mu = (low + high) / 2
        spent = normal(-target / mu + mu / 2) - math.exp(target) * normal(-target / mu - mu / 2)
        low, high = (mu, high) if spent < delta else (low, mu)
    return low


def calibrate(target: float, delta: float, sampling_rate: float, steps: int, *, means: bool) -> Mechanism:
    """The mechanism with the least noise whose epsilon at ``delta`` is at most ``target``.

    Raises:
        ValueError: a parameter makes no sense, or no noise in reach is enough.
    """
    if not (target > 0 and 0 < delta < 1 and 0 < sampling_rate <= 1 and steps >= 1):
        raise ValueError("expected epsilon > 0, 0 < delta < 1, 0 < sampling rate <= 1 and at least one step")
    mu = gaussian_mu(target, delta)
    mean_noise = 1 / (MEAN_SHARE * mu) if means else None
    # Central limit: the run is near Gaussian DP, which gives a start from which few corrections are left.
    noise = max(0.4, 1.02 * sampling_rate * math.sqrt(steps) / mu)
    low, high, slope = 0.0, math.inf, -1.0
    before: tuple[float, float] | None = None
    for _ in range(60):
        made = Mechanism(noise=noise, sampling_rate=sampling_rate, steps=steps, mean_noise=mean_noise)
        spent = epsilon(made, delta)
        if (1 - SLACK) * target <= spent <= target:
            return made
        low, high = (noise, high) if spent > target else (low, noise)
        if before is not None and before[1] != spent:
            slope = math.log(spent / before[1]) / math.log(noise / before[0])
        before = noise, spent
        # Secant on logarithms; a proposal outside of what is known is replaced by the middle.
        noise *= ((1 - SLACK / 2) * target / spent) ** (1 / min(slope, -0.3))
        if not low < noise < high:
            noise = math.sqrt(max(low, 1e-3) * high) if math.isfinite(high) else 2 * low
    raise ValueError("no noise in reach meets this epsilon; take a larger one")
