"""What several release runs on the same images cost together, though each was chosen after seeing the last.

Within one run all settings are fixed beforehand, so privacy loss distributions compose. Between runs they
are not: noise, rate, depth, and whether there is another run at all, follow from models that came of the
images. Summing privacy loss distributions is then not sound in general (arXiv 2602.06756 shows that the
filter which composes trade-off curves and stops at a given one is invalid). Two filters are:

- Gaussian DP, for runs whose releases all take every unit: the squares of mu add up as if nothing had been
  adaptive (Smith and Thakurta 2022, arXiv 2210.17520; Koskela, Tobaben and Honkela 2022, arXiv 2209.15596).
- Basic composition, for any runs: run i counts with its own epsilon at its share of delta, and the epsilons
  add up (Rogers, Roth, Ullman and Vadhan 2016, arXiv 1605.08294).

Which of the two is used must not itself be free to follow from what was seen, so delta is parted between
them. The first run is chosen before anything is seen. If it is sampled, only the second filter can ever
apply, and has all of delta. If it takes all units, runs that do, too, are measured at `GAUSSIAN_SHARE` of
delta and anything else at the rest: whatever is chosen, one of two events happens, each of which is private
at its own part, and the parts add up to delta. A run alone has all of delta: if a second one fits into the
budget, the first fitted at its smaller part, too; and if none fits, nothing was chosen.

A run that was put on record afterwards may have been made before the first one on record, or after it. The
parts of delta are those that are right in both cases: they are as if the sequence had begun with a run on all
units where either of them is one. (When a run is put on record must not follow from what came out of it.)
"""

from __future__ import annotations

from functools import lru_cache

from trainer.privacy import accounting
from trainer.privacy.spend import Spend

GAUSSIAN_SHARE = 0.99
"""Part of delta for runs that take all units, in a sequence that began with one. It costs them next to
nothing (two runs of epsilon 2 are 2.95 at all of delta 1e-5, and at this part of it)."""


def composed(spends: tuple[Spend, ...], delta: float, unplaced: tuple[Spend, ...] = ()) -> float:
    """Epsilon at ``delta`` of several runs together, adaptively chosen; 0 of none.

    Args:
        spends: of the runs, in the order in which they came on record.
        delta: of all of them together.
        unplaced: those among them that may have been made before all others.
    """
    if len(spends) <= 1:
        return _alone(spends[0], delta) if spends else 0.0
    if all(takes_all(each) for each in spends):
        together = tuple(release for each in spends for release in each)
        return _alone(together, GAUSSIAN_SHARE * delta)
    parts = _parts(spends, delta, unplaced)
    return sum(_alone(each, part) for each, part in zip(spends, parts, strict=True))


def left(spends: tuple[Spend, ...], epsilon: float, delta: float, unplaced: tuple[Spend, ...] = ()) -> float:
    """About the epsilon at ``delta`` that one more run may have alone: of the kind of those there are.

    Args:
        spends: of the runs so far, in their order.
        epsilon: of the budget.
        delta: of the budget.
        unplaced: see `composed`.

    Returns:
        0 if nothing is left.
    """
    if not spends:
        return epsilon
    if all(takes_all(each) for each in spends):
        whole = accounting.gaussian_mu(epsilon, GAUSSIAN_SHARE * delta) ** 2
        rest = whole - sum(accounting.mu(each) ** 2 for each in spends)
        return accounting.epsilon_of_mu(rest**0.5, delta) if rest > 0 else 0.0
    *parts, next_part = _parts((*spends, spends[-1]), delta, unplaced)
    rest = epsilon - sum(_alone(each, part) for each, part in zip(spends, parts, strict=True))
    return accounting.epsilon_of_mu(accounting.gaussian_mu(rest, next_part), delta) if rest > 0 else 0.0


def takes_all(spend: Spend) -> bool:
    """Whether every release of a run takes all units, so that Gaussian DP is exact for it."""
    return all(release.sampling_rate == 1 for release in spend)


def _parts(spends: tuple[Spend, ...], delta: float, unplaced: tuple[Spend, ...]) -> list[float]:
    """Each run's part of delta under basic composition: 1/2, 1/6, 1/12, ..., whose sum never reaches all.

    1 / (i (i + 1)) rather than a power of two: after many runs a part must not be too small to be computed.
    """
    began_with_all = any(takes_all(each) for each in (spends[0], *unplaced))
    whole = (1 - GAUSSIAN_SHARE) * delta if began_with_all else delta
    return [whole / (place * (place + 1)) for place in range(1, len(spends) + 1)]


@lru_cache(maxsize=4096)
def _alone(spend: Spend, delta: float) -> float:
    """The accountant's epsilon; it is slow, and a ledger asks for the same runs again and again."""
    return accounting.epsilon(spend, delta)
