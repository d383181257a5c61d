"""What a trained recipe answers, and the figures of it, with the resamples that intervals are made of."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.comparison.material import Material
from trainer.evaluation import metrics
from trainer.evaluation.judge import Scored, figures, mean_within_modality, scored
from trainer.evaluation.runner import own_probabilities
from trainer.evaluation.subgroups import WITHIN, pair_scores, within_sources

MEAN, ACCURACY, BLIND = "mean", "accuracy", "accuracy_modality_unknown"
"""Names of headline figures; besides, ``balanced/<modality>`` and ``auc/<source>``."""


@dataclass(frozen=True, eq=False)
class Answers:
    """For each judged image."""

    logits: NDArray[np.float32]
    """(N, classes)."""
    blind: NDArray[np.float32] | None = None
    """(N, classes): what is said without the modality known, where that is not the same."""


@dataclass(frozen=True)
class Judged:
    """Figures of one run."""

    headlines: dict[str, float]
    draws: dict[str, list[float]]
    """For each headline its values in the resamples of groups, the same resamples for every run."""
    figures: dict[str, Any]
    """Everything that `trainer evaluate` says of the answers."""
    answers_sha256: str


def judge(answers: Answers, material: Material) -> Judged:
    """All figures of answers on the judged split."""
    task, rules = material.judged, material.rules
    them = scored(own_probabilities(rules, answers.logits, material.groups(task)), task.records, rules)
    blind = answers.logits if answers.blind is None else answers.blind
    headlines: dict[str, float] = {}
    draws: dict[str, list[float]] = {}
    for name, (statistic, rows) in _statistics(them, blind).items():
        headlines[name] = float(them.bootstrap.point(statistic, rows))
        draws[name] = [round(float(each), 4) for each in them.bootstrap.values(statistic, rows)]
    full = figures(them, np.asarray(blind.argmax(1), np.intp))
    full["within_source"] = within_sources(them)
    digest = hashlib.sha256(np.ascontiguousarray(answers.logits).tobytes()).hexdigest()
    return Judged(headlines, draws, full, digest)


def mean_balanced(answers: Answers, material: Material) -> float:
    """The mean of the balanced accuracies within each modality: what settings are chosen by."""
    task, rules = material.judged, material.rules
    them = scored(own_probabilities(rules, answers.logits, material.groups(task)), task.records, rules)
    return float(mean_within_modality(np.ones((1, len(task.records))), them)[0])


_Named = dict[str, tuple[Callable[[NDArray[np.float64]], NDArray[np.float64]], NDArray[np.intp] | None]]


def _statistics(them: Scored, blind: NDArray[np.float32]) -> _Named:
    best, labels = them.best, them.labels
    out: _Named = {MEAN: (partial(mean_within_modality, them=them), None)}
    for modality in sorted(set(them.modality)):
        rows = np.flatnonzero(them.modality == modality)
        statistic = partial(metrics.balanced_accuracy, labels=labels[rows], best=best[rows])
        out[f"balanced/{modality}"] = (statistic, rows)
    out[ACCURACY] = (partial(metrics.accuracy, hit=np.asarray(best == labels)), None)
    out[BLIND] = (partial(metrics.accuracy, hit=np.asarray(blind.argmax(1) == labels)), None)
    for source, pair in WITHIN.items():
        found = pair_scores(them, source, pair)
        if found is None:
            continue
        rows, positive, score = found
        out[f"auc/{source}"] = (partial(metrics.auc, score=score, positive=positive), rows)
    return out
