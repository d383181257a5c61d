"""From scores of members and non-members to the figures of a membership attack. Pure functions.

Thresholds are chosen on a part of the trials and judged on the rest, so that no figure profits from its
own choice.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from sklearn.metrics import roc_curve

from trainer.audit import bounds

Scores = NDArray[np.float64]
Members = NDArray[np.bool_]

FALSE_POSITIVE_RATES = (0.001, 0.01)
SHARES = (0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.4)
"""Parts of all trials that may be guessed on, on each side; the best where thresholds are chosen is taken.
Not all: as the coins fall, one side has less than half, and even a perfect score would have to be wrong."""
CHOOSING = 0.25
"""Part of the trials that thresholds are chosen on."""
RESAMPLES = 100
CURVE_POINTS = 400


@dataclass(frozen=True)
class Rate:
    """True positive rate at a threshold that was chosen elsewhere, with Clopper-Pearson intervals."""

    wanted_fpr: float
    tpr: float
    tpr_interval: tuple[float, float]
    fpr: float
    """As it came out where it was judged."""
    fpr_interval: tuple[float, float]


@dataclass(frozen=True)
class Bounds:
    """Lower bounds of epsilon at one delta and confidence: those proved, and those that only hint."""

    delta: float
    confidence: float
    rates: float
    """From one threshold's false positive and negative rates; any mechanism, if trials are independent."""
    rates_gaussian: float
    """The same, if the trade-off curve is Gaussian, too."""
    guesses: float
    """From the count of right guesses; any mechanism, trials of one run need not be independent."""
    guesses_gaussian: float
    """The same, if the trade-off curve is Gaussian."""
    canaries: int
    """Coins that were judged."""
    guessed: int
    correct: int
    gaussian: bool
    """Whether every release takes all units, so that the mechanism as claimed has a Gaussian curve."""
    independent: bool
    """Whether trials are independent of each other if the mechanism is the one that is claimed."""

    @property
    def proved(self) -> float:
        """The tightest whose conditions are met; a verdict rests on it alone."""
        return max(value for value, holds in self._each() if holds)

    @property
    def indicated(self) -> float:
        """The tightest of all, whether its conditions are met or not: a hint where to look, no proof."""
        return max(value for value, _ in self._each())

    def _each(self) -> tuple[tuple[float, bool], ...]:
        return (
            (self.guesses, True),
            (self.guesses_gaussian, self.gaussian),
            (self.rates, self.independent),
            (self.rates_gaussian, self.gaussian and self.independent),
        )

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {**asdict(self), "proved": self.proved, "indicated_only": self.indicated}


@dataclass(frozen=True)
class Attack:
    """All figures of one attack on one target."""

    trials: int
    auc: float
    auc_interval: tuple[float, float]
    rates: tuple[Rate, ...]
    bounds: Bounds | None
    """95 %. None where membership was not thrown by coins: no bound follows then."""
    strict: Bounds | None
    """99.9 %: what a claim is refuted by, since an audit makes many tests."""
    curve: tuple[tuple[float, ...], tuple[float, ...]]
    """(FPR, TPR) for a plot."""

    def to_json(self) -> dict[str, Any]:
        """Plain data, without the curve."""
        made = asdict(self)
        del made["curve"]
        for name, each in (("bounds", self.bounds), ("strict", self.strict)):
            made[name] = None if each is None else each.to_json()
        return made


def judge(
    chosen_on: tuple[Scores, Members],
    judged_on: tuple[Scores, Members],
    delta: float | None,
    *,
    gaussian: bool = False,
    independent: bool = False,
) -> Attack:
    """Choose thresholds on the first trials, judge them on the others.

    Args:
        chosen_on: scores (higher: more likely a member) and membership, any equal shapes.
        judged_on: the same of other trials; for the AUC's interval the last axis is resampled.
        delta: the claimed delta; None for no bounds of epsilon.
        gaussian: see `Bounds.gaussian`.
        independent: see `Bounds.independent`.

    Raises:
        ValueError: one of the two has no members, or nothing but members.
    """
    if any(given.all() or not given.any() for _, given in (chosen_on, judged_on)):
        raise ValueError("too few trials: expected members and non-members both to choose by and to judge")
    plain, strict = (
        None
        if delta is None
        else lower_bounds(chosen_on, judged_on, delta, confidence, gaussian=gaussian, independent=independent)
        for confidence in (bounds.CONFIDENCE, bounds.STRICT)
    )
    return Attack(
        trials=judged_on[0].size,
        auc=_auc(*judged_on),
        auc_interval=_auc_interval(*judged_on),
        rates=tuple(tpr_at(chosen_on, judged_on, wanted) for wanted in FALSE_POSITIVE_RATES),
        bounds=plain,
        strict=strict,
        curve=_curve(*judged_on),
    )


def tpr_at(chosen_on: tuple[Scores, Members], judged_on: tuple[Scores, Members], wanted: float) -> Rate:
    """True positive rate at the least threshold whose false positive rate was at most ``wanted``."""
    scores, members = chosen_on
    others = np.sort(scores[~members])[::-1]
    allowed = int(wanted * len(others))
    threshold = others[allowed] if allowed < len(others) else -np.inf
    hits, count, alarms, rest = _counts(*judged_on, float(threshold))
    return Rate(
        wanted_fpr=wanted,
        tpr=hits / count,
        tpr_interval=bounds.interval(hits, count),
        fpr=alarms / rest,
        fpr_interval=bounds.interval(alarms, rest),
    )


def lower_bounds(
    chosen_on: tuple[Scores, Members],
    judged_on: tuple[Scores, Members],
    delta: float,
    confidence: float = bounds.CONFIDENCE,
    *,
    gaussian: bool = False,
    independent: bool = False,
) -> Bounds:
    """All lower bounds of epsilon at ``delta``; arguments as those of `judge`."""

    def by_rates(trials: tuple[Scores, Members], threshold: float) -> float:
        return bounds.epsilon_from_rates(*_counts(*trials, threshold), delta, confidence)

    def mu_by_rates(trials: tuple[Scores, Members], threshold: float) -> float:
        return bounds.mu_from_rates(*_counts(*trials, threshold), confidence)

    def by_guesses(trials: tuple[Scores, Members], share: float) -> float:
        return bounds.one_run_epsilon(*guess(*trials, share), delta, confidence)

    def mu_by_guesses(trials: tuple[Scores, Members], share: float) -> float:
        return bounds.one_run_mu(*guess(*trials, share), confidence)

    scores, members = chosen_on
    few = np.array(SHARES)
    thresholds = [
        *np.quantile(scores[~members], 1 - few).tolist(),
        *np.quantile(scores[members], few).tolist(),
    ]
    best = max(SHARES, key=lambda each: by_guesses(chosen_on, each))
    canaries, guessed, correct = guess(*judged_on, best)
    mu_rates = mu_by_rates(judged_on, max(thresholds, key=lambda each: mu_by_rates(chosen_on, each)))
    mu_guesses = mu_by_guesses(judged_on, max(SHARES, key=lambda each: mu_by_guesses(chosen_on, each)))
    return Bounds(
        delta=delta,
        confidence=confidence,
        rates=by_rates(judged_on, max(thresholds, key=lambda each: by_rates(chosen_on, each))),
        rates_gaussian=bounds.gaussian_epsilon(mu_rates, delta),
        guesses=by_guesses(judged_on, best),
        guesses_gaussian=bounds.gaussian_epsilon(mu_guesses, delta),
        canaries=canaries,
        guessed=guessed,
        correct=correct,
        gaussian=gaussian,
        independent=independent,
    )


def guess(scores: Scores, members: Members, share: float) -> tuple[int, int, int]:
    """Call the highest ``share`` of all trials members and the lowest non-members; abstain on the rest.

    Returns:
        Trials, guesses, right guesses. The number of guesses does not depend on the scores.
    """
    order = np.argsort(scores, axis=None, kind="stable")
    flat = members.reshape(-1)[order]
    side = max(1, min(int(share * len(flat)), len(flat) // 2))
    correct = int((~flat[:side]).sum()) + int(flat[-side:].sum())
    return len(flat), 2 * side, correct


def _counts(scores: Scores, members: Members, threshold: float) -> tuple[int, int, int, int]:
    called = scores > threshold
    hits, alarms = int((called & members).sum()), int((called & ~members).sum())
    return hits, int(members.sum()), alarms, int((~members).sum())


def _auc(scores: Scores, members: Members) -> float:
    """Probability that a member scores higher than a non-member, ties halved (Mann and Whitney)."""
    flat = members.reshape(-1)
    inside = int(flat.sum())
    ranks = stats.rankdata(scores.reshape(-1))
    return float((ranks[flat].sum() - inside * (inside + 1) / 2) / (inside * (len(flat) - inside)))


def _auc_interval(scores: Scores, members: Members) -> tuple[float, float]:
    """Bootstrap over the last axis (records); trials of one record in many runs stay together.

    In a single run members and others are drawn apart, so that few of either kind vary as they should.
    """
    rng = np.random.default_rng(0)
    every = np.arange(scores.shape[-1])
    strata = [every[members], every[~members]] if members.ndim == 1 else [every]
    values = []
    for _ in range(RESAMPLES):
        picked = np.concatenate([rng.choice(stratum, len(stratum)) for stratum in strata])
        drawn = members[..., picked]
        if drawn.any() and not drawn.all():
            values.append(_auc(scores[..., picked], drawn))
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def _curve(scores: Scores, members: Members) -> tuple[tuple[float, ...], tuple[float, ...]]:
    fpr, tpr, _ = roc_curve(members.reshape(-1), scores.reshape(-1))
    step = max(1, len(fpr) // CURVE_POINTS)
    # The left end, where the strong attacks are, is kept whole.
    kept = np.unique(np.concatenate([np.arange(min(100, len(fpr))), np.arange(0, len(fpr), step)]))
    return tuple(fpr[kept].tolist()), tuple(tpr[kept].tolist())
