"""Membership inference by likelihood ratios: LiRA, Carlini et al. 2022 (arXiv 2112.03570).

Shadow models are trained on random halves of the records. For each record this gives the distribution
of its score among models that saw it and among models that did not; a target model's score is judged
by the ratio of the two (online), or by its distance from the second alone (offline).

Shadow models and targets are apart: a target's coins are thrown after, and independently of, whatever
calibrates the attack, which the bounds of `trainer.audit.bounds` for one run need.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from trainer.audit.roc import CHOOSING, Attack, Members, Scores, judge
from trainer.progress import progress

ShadowTrainer = Callable[[NDArray[np.bool_]], NDArray[np.float64]]
"""Trains a fresh model on the records of a mask (N,) and gives the score of every record (N,)."""

ENOUGH_MODELS = 64
"""With fewer shadow models one spread for all records does better than one for each (section VI-C)."""
SMALLEST_SPREAD = 1e-6


@dataclass(frozen=True)
class Models:
    """What trained models said of every record."""

    members: Members
    """(K, N): whether record n was in model k's training set."""
    scores: Scores
    """(K, N)."""


def paired_masks(models: int, records: int, rng: np.random.Generator) -> Members:
    """Random halves and their complements, (models, records): each record is in half of an even number."""
    drawn = np.empty((models, records), bool)
    for row in range(0, models, 2):
        half = np.zeros(records, bool)
        half[rng.permutation(records)[: records // 2]] = True
        drawn[row] = half
        if row + 1 < models:
            drawn[row + 1] = ~half
    return drawn


def train_all(train: ShadowTrainer, masks: Members, title: str) -> Models:
    """Train one model for each mask (K, N)."""
    scores = np.empty(masks.shape, np.float64)
    with progress(title, len(masks)) as advance:
        for row, mask in enumerate(masks):
            scores[row] = train(mask)
            advance("")
    return Models(masks, scores)


def online(shadows: Models, scores: Scores) -> Scores:
    """Logarithm of the likelihood ratio in : out for each target's score of each record, (T, N)."""
    inside, spread_in = _fit(shadows.scores, shadows.members)
    outside, spread_out = _fit(shadows.scores, ~shadows.members)
    return np.asarray(
        stats.norm.logpdf(scores, inside, spread_in) - stats.norm.logpdf(scores, outside, spread_out)
    )


def offline(shadows: Models, scores: Scores) -> Scores:
    """Standard deviations above the mean of the models that never saw the record, (T, N)."""
    outside, spread = _fit(shadows.scores, ~shadows.members)
    return np.asarray((scores - outside) / spread)


def _fit(scores: Scores, chosen: Members) -> tuple[Scores, Scores]:
    """Mean and spread of the chosen scores of each record, (N,) both."""
    count = chosen.sum(axis=0)
    if (count < 2).any():
        raise ValueError("each record must be in, and out of, at least two shadow models; train more of them")
    mean = np.where(chosen, scores, 0).sum(axis=0) / count
    squares = np.where(chosen, (scores - mean) ** 2, 0).sum(axis=0)
    if len(scores) < ENOUGH_MODELS:
        pooled = np.sqrt(squares.sum() / (count - 1).sum())
        spread = np.full(scores.shape[1], pooled)
    else:
        spread = np.sqrt(squares / (count - 1))
    return mean, np.maximum(spread, SMALLEST_SPREAD)


@dataclass(frozen=True)
class Audited:
    """A training procedure after the attacks on it."""

    attacks: dict[str, Attack]
    """``online``, ``offline``, and ``threshold``: the score itself, without shadow models."""
    shadows: Models
    """What calibrated the attacks; columns beyond the records are of images that were in no model."""


def attack(
    train: ShadowTrainer,
    records: int,
    *,
    never: int = 0,
    shadows: int,
    targets: int,
    delta: float,
    rng: np.random.Generator,
    title: str,
    gaussian: bool = False,
) -> Audited:
    """Audit a training procedure: figures of the online, the offline and the global-threshold attack.

    A quarter of the targets chooses thresholds, the others are judged. The records of one target are in one
    run and not independent of each other, so the count of right guesses is what proves something here: each
    coin is of one record in one target, and towards it all targets together are as private as one.

    Args:
        train: the procedure.
        records: N, those that get coins.
        never: further records, behind them, that are scored but never trained on.
        shadows: models that calibrate; even.
        targets: models that are attacked; even. Each record is in each on its own coin.
        delta: the claimed delta.
        rng: throws the coins of the audit; not part of the mechanism.
        title: for the progress bar.
        gaussian: whether the procedure is private and each of its releases takes all units.

    Raises:
        ValueError: too few models.
    """
    if shadows < 4 or shadows % 2 or targets < 2 or targets % 2:
        raise ValueError("expected an even number of shadow models, at least 4, and of targets, at least 2")

    def padded(masks: Members) -> Members:
        return np.pad(masks, ((0, 0), (0, never)))

    calibration = train_all(train, padded(paired_masks(shadows, records, rng)), f"{title}: shadow models")
    attacked = train_all(train, padded(rng.random((targets, records)) < 0.5), f"{title}: attacked models")
    first = max(1, int(CHOOSING * targets))
    known = Models(calibration.members[:, :records], calibration.scores[:, :records])
    scores, members = attacked.scores[:, :records], attacked.members[:, :records]
    every = {"online": online(known, scores), "offline": offline(known, scores), "threshold": scores}
    return Audited(
        {
            name: judge(
                (each[:first], members[:first]), (each[first:], members[first:]), delta, gaussian=gaussian
            )
            for name, each in every.items()
        },
        calibration,
    )


def attack_released(
    scores: NDArray[np.float64], members: NDArray[np.bool_], shadows: Models | None, rng: np.random.Generator
) -> Attack:
    """Attack one released model whose members and non-members are fixed; no bound of epsilon follows.

    Thresholds are chosen on a random quarter of the members and of the others.

    Args:
        scores: of all records, (N,).
        members: those it was trained on, (N,).
        shadows: for the offline attack; without them the score itself is thresholded.
        rng: parts the records.
    """
    judged = scores if shadows is None else offline(shadows, scores)
    # A quarter of either kind: of few images that were not trained on, the first quarter might hold none.
    kinds = [rng.permutation(np.flatnonzero(members == inside)) for inside in (False, True)]
    parts = [np.split(kind, [max(1, int(CHOOSING * len(kind)))]) for kind in kinds]
    first, second = (np.concatenate(part) for part in zip(*parts, strict=True))
    return judge((judged[first], members[first]), (judged[second], members[second]), None)
