"""What a run costs: privacy loss distributions by dp-accounting, cross-checked by PRV and, where exact, GDP.

The stated epsilon is PLD's. Adjacency is add or remove one unit, throughout. Whatever a run releases
(`spend.Release`), all of it composes in one accountant.

Sources: PLD, Koskela et al. 2020 and Doroshenko et al. 2022 as implemented by dp-accounting; PRV,
Gopi, Lee and Wutschitz 2021 as implemented by Opacus; Gaussian DP, Dong, Roth and Su 2019.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from dp_accounting import dp_event
from dp_accounting.pld import PLDAccountant
from dp_accounting.privacy_accountant import NeighboringRelation

from trainer.privacy.spend import Release, Spend, SpendError

SLACK = 5e-4
"""Part of the target epsilon that calibration may leave unspent."""


def epsilon(spend: Spend, delta: float, group: int = 1) -> float:
    """Epsilon at ``delta`` by privacy loss distributions; an upper bound. Infinite without noise.

    With ``group`` above 1: the epsilon of group privacy, for adding or removing that many units at once.
    It is computed exactly, too: in a Poisson sample a binomial number of them takes part, which is a
    mixture of Gaussians (Ganesh 2024, arXiv 2401.10294), not the loose k x epsilon.
    """
    _check_delta(delta)
    if any(release.noise == 0 for release in spend):
        return math.inf
    sampled = [release for release in spend if release.sampling_rate < 1]
    steps = sum(release.steps for release in sampled)
    # Rounding is upwards, and by connecting the dots it adds about steps x interval squared: small here.
    interval = min(1e-3, max(1e-4, 1e-2 / math.sqrt(max(steps, 1))))
    if group > 1:
        interval *= 5  # Mixtures are slow; the bound stays one.
    accountant = PLDAccountant(NeighboringRelation.ADD_OR_REMOVE_ONE, interval)
    unsampled = mu(tuple(release for release in spend if release.sampling_rate == 1))
    with np.errstate(over="ignore"):
        if unsampled > 0:
            # Gaussian mechanisms on all units compose exactly into one, whose noise is 1 / mu.
            accountant.compose(dp_event.GaussianDpEvent(1 / (group * unsampled)))
        for release in sampled:
            accountant.compose(_sampled(release, group), release.steps)
        return float(accountant.get_epsilon(delta))


def _sampled(release: Release, group: int) -> dp_event.DpEvent:
    if group == 1:
        return dp_event.PoissonSampledDpEvent(release.sampling_rate, dp_event.GaussianDpEvent(release.noise))
    rate = release.sampling_rate
    chances = [
        math.comb(group, taken) * rate**taken * (1 - rate) ** (group - taken) for taken in range(group + 1)
    ]
    return dp_event.MixtureOfGaussiansDpEvent(release.noise, [float(k) for k in range(group + 1)], chances)


def epsilon_prv(spend: Spend, delta: float) -> float:
    """The same by Opacus' PRV accountant: an independent implementation of an independent method."""
    from opacus.accountants import PRVAccountant

    _check_delta(delta)
    if any(release.noise == 0 for release in spend):
        return math.inf
    accountant = PRVAccountant()
    for release in spend:
        accountant.history.append((release.noise, release.sampling_rate, release.steps))
    with warnings.catch_warnings(), np.errstate(divide="ignore"):
        # It starts from a Renyi bound whose quality it says is poor; only the range of a grid depends on it.
        warnings.filterwarnings("ignore", message="Optimal order is the largest alpha")
        return float(accountant.get_epsilon(delta))


def mu(spend: Spend) -> float:
    """The parameter of Gaussian DP that a spend without sampling has exactly: root of the summed squares.

    Raises:
        SpendError: some release is sampled, for which no such number is exact.
    """
    if any(release.sampling_rate < 1 for release in spend):
        raise SpendError("Gaussian DP is exact only where every release takes all units")
    if any(release.noise == 0 for release in spend):
        return math.inf
    return math.sqrt(sum(release.steps / release.noise**2 for release in spend))


def gaussian_delta(mu: float, target: float) -> float:
    """Delta of mu-Gaussian DP at epsilon ``target``: Dong, Roth and Su 2019, corollary 2.13."""

    def normal(x: float) -> float:
        return 0.5 * math.erfc(-x / math.sqrt(2))

    return normal(-target / mu + mu / 2) - math.exp(target) * normal(-target / mu - mu / 2)


def epsilon_gaussian(spend: Spend, delta: float) -> float:
    """Epsilon of a spend without sampling by the exact formula, no grid.

    Raises:
        SpendError: some release is sampled.
    """
    _check_delta(delta)
    return epsilon_of_mu(mu(spend), delta)


def epsilon_of_mu(mu: float, delta: float) -> float:
    """Epsilon at ``delta`` of mu-Gaussian DP; 0 if mu is so small that even epsilon 0 has that delta."""
    if mu == math.inf:
        return math.inf
    if mu == 0 or gaussian_delta(mu, 0.0) <= delta:
        return 0.0
    low, high = 0.0, 1.0
    while gaussian_delta(mu, high) > delta:
        high *= 2
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if gaussian_delta(mu, middle) > delta else (low, middle)
    return high


def gaussian_mu(target: float, delta: float) -> float:
    """The mu of Gaussian DP that equals (target, delta)."""
    _check(target, delta)
    low, high = 1e-6, 50.0
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if gaussian_delta(middle, target) < delta else (low, middle)
    return low


def calibrate(make: Callable[[float], Spend], target: float, delta: float) -> Spend:
    """The spend with the least noise whose epsilon at ``delta`` is at most ``target``.

    Args:
        make: a spend from a noise multiplier; more noise must not cost more. Parts may be fixed.
        target: epsilon, above 0.
        delta: between 0 and 1.

    Raises:
        SpendError: a number makes no sense, or no noise in reach is enough.
    """
    _check(target, delta)
    goal = gaussian_mu(target, delta)
    # Central limit: a sampled run is near Gaussian DP, which gives a start from which few steps are left.
    noise = _solve(lambda value: _near_mu(make(value)), goal)
    low, high, slope = 0.0, math.inf, -1.0
    before: tuple[float, float] | None = None
    for _ in range(60):
        made = make(noise)
        spent = epsilon(made, delta)
        if (1 - SLACK) * target <= spent <= target:
            return made
        low, high = (noise, high) if spent > target else (low, noise)
        known = 0 < spent < math.inf
        if known and before is not None and before[1] != spent and before[0] != noise:
            slope = math.log(spent / before[1]) / math.log(noise / before[0])
        before = (noise, spent) if known else before
        # Secant on logarithms; a proposal outside of what is known is replaced by the middle.
        noise *= ((1 - SLACK / 2) * target / spent) ** (1 / min(slope, -0.3)) if known else 1
        if not low < noise < high:
            noise = math.sqrt(max(low, 1e-3) * high) if math.isfinite(high) else 2 * low
    raise SpendError("no noise in reach meets this epsilon; take a larger one, or fewer fixed releases")


@dataclass(frozen=True)
class Figures:
    """What the accountants say of one spend at one delta."""

    pld: float
    """The stated epsilon."""
    prv: float
    """An upper bound with an error of 0.01."""
    gaussian: float | None
    """The exact value; None where sampling leaves no closed form."""


def figures(spend: Spend, delta: float) -> Figures:
    """All accountants on one spend.

    Raises:
        SpendError: there is no noise, or they disagree by more than their own errors: nothing may be
            stated until somebody knows why.
    """
    pld, prv = epsilon(spend, delta), epsilon_prv(spend, delta)
    gaussian = epsilon_gaussian(spend, delta) if all(r.sampling_rate == 1 for r in spend) else None
    if not (math.isfinite(pld) and math.isfinite(prv)):
        raise SpendError("this spend has no finite epsilon: some release has too little noise")
    if abs(prv - pld) > 0.03 + 0.02 * pld or (
        gaussian is not None and abs(gaussian - pld) > 2e-3 + 1e-3 * pld
    ):
        raise SpendError(
            f"the accountants disagree: PLD {pld:.4f}, PRV {prv:.4f}, exact {gaussian}; nothing was trained"
        )
    return Figures(pld, prv, gaussian)


def meter(spend: Spend, delta: float) -> Callable[[str, int], str]:
    """What to show while a spend is spent: a function of the release at work and its steps so far.

    How much of a budget is spent depends on no image, so it may be shown. Releases happen in the order of
    ``spend``; what is not one of them gets an empty text.
    """
    total = epsilon(spend, delta)
    known: dict[tuple[int, int], float] = {}

    def show(what: str, done: int) -> str:
        places = [index for index, release in enumerate(spend) if release.what == what]
        if not places or not 0 < done <= spend[places[0]].steps:
            return ""
        place = places[0]
        release = spend[place]
        # A tenth of the steps at a time, rounded up: accountants are slow, and more is never less.
        tenth = -(-done * 10 // release.steps)
        if (place, tenth) not in known:
            part = replace(release, steps=max(1, -(-release.steps * tenth // 10)))
            known[place, tenth] = epsilon((*spend[:place], part), delta)
        return f"epsilon {known[place, tenth]:.2f} of {total:.2f} spent"

    return show


def _near_mu(spend: Spend) -> float:
    """Roughly the mu of a spend: q sqrt(T) / noise for what is sampled, with a floor for little noise."""
    return math.sqrt(
        sum(release.sampling_rate**2 * release.steps / release.noise**2 for release in spend)
        + sum(0.02 * release.steps / release.noise**8 for release in spend if release.sampling_rate < 1)
    )


def _solve(value: Callable[[float], float], goal: float) -> float:
    """The noise at which a falling function has the value ``goal``, to a thousandth of a percent."""
    low, high = 0.05, 1e7
    if value(high) > goal:
        raise SpendError("no noise in reach meets this epsilon; take a larger one, or fewer fixed releases")
    while high / low > 1 + 1e-5:
        middle = math.sqrt(low * high)
        low, high = (middle, high) if value(middle) > goal else (low, middle)
    return high


def _check_delta(delta: float) -> None:
    if not 0 < delta < 1:
        raise SpendError(f"expected 0 < delta < 1, got {delta}")


def _check(target: float, delta: float) -> None:
    if not (math.isfinite(target) and target > 0):
        raise SpendError(f"expected epsilon > 0, got {target}")
    _check_delta(delta)
