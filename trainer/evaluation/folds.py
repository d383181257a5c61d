"""Cross-validation by groups: how much does a figure owe to the luck of one split?

Folds are made of whole groups and keep the shares of the classes; groups that share a patient, a file or a
copy of a picture stay together, as in `trainer split`: who has trained on the mirror image of a picture knows
it. Every fold trains anew on private data:
it is a research run, and each is counted by whoever trains.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.data import copies
from trainer.data.dataset import DataError, Record
from trainer.evaluation.errors import EvaluationError
from trainer.evaluation.judge import Rules, judge
from trainer.progress import progress

SEED = 0
HEADLINES = ("accuracy", "mean_within_modality_balanced_accuracy", "macro_f1")


@dataclass(frozen=True)
class Predictor:
    """What a training gives back."""

    rules: Rules
    """Classes and thresholds."""
    probabilities: Callable[[Sequence[Record]], NDArray[np.float64]]
    """Records to (N, classes), each among the classes of its own group."""


Train = Callable[[Sequence[Record]], Predictor]


def assign(records: Sequence[Record], folds: int) -> NDArray[np.intp]:
    """Fold of each record, (N,): whole groups, classes spread alike, the same every time.

    Raises:
        EvaluationError: fewer than two folds, or a class with fewer groups than folds.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    groups, labels = [record.group for record in records], [record.label for record in records]
    of_class: dict[str, set[str]] = {}
    for record in records:
        of_class.setdefault(record.label, set()).add(record.group)
    if folds < 2:
        raise EvaluationError(f"expected at least 2 folds, got {folds}")
    scarce = sorted(name for name, found in of_class.items() if len(found) < folds)
    if scarce:
        least = min(len(of_class[name]) for name in scarce)
        raise EvaluationError(
            f"{', '.join(scarce)}: {least} groups cannot be spread over {folds} folds; ask for fewer folds"
        )
    out = np.full(len(records), -1, np.intp)
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=SEED)
    for fold, (_, rows) in enumerate(splitter.split(np.zeros(len(records)), labels, groups)):
        out[rows] = fold
    return out


def cross_validate(
    records: Sequence[Record], folds: int, train: Train, clusters: NDArray[np.intp]
) -> dict[str, Any]:
    """Train on all folds but one, judge on that one, for each; then judge all held-out answers together.

    Every record is held out exactly once, so the pooled figures have the intervals of the whole set. The
    spread over the folds says how much a single training and a single split vary.

    Args:
        records: what is divided.
        folds: how many.
        train: trains on some of the records.
        clusters: (N,) which records stay together; see `trainer.data.copies.together`. Intervals resample
            them, too.

    Raises:
        EvaluationError: folds cannot be made, or a training knows other classes than the one before.
        DataError: there are no records.
    """
    if not records:
        raise DataError("no image to cross-validate on")
    # For folds and intervals alone: a training has the records as they are, with their own groups.
    names = copies.names(records, clusters)
    joined = [replace(record, group=name) for record, name in zip(records, names, strict=True)]
    place = assign(joined, folds)
    each: list[dict[str, Any]] = []
    pooled: NDArray[np.float64] | None = None
    rules: Rules | None = None
    with progress("folds", folds) as advance:
        for fold in range(folds):
            kept = [record for record, at in zip(records, place, strict=True) if at != fold]
            rows = np.flatnonzero(place == fold)
            made = train(kept)
            if rules is not None and made.rules.classes != rules.classes:
                raise EvaluationError("two folds were trained on different classes; ask for fewer folds")
            rules = made.rules
            answer = made.probabilities([records[int(row)] for row in rows])
            if pooled is None:
                pooled = np.zeros((len(records), answer.shape[1]))
            pooled[rows] = answer
            one = judge(answer, [joined[int(row)] for row in rows], made.rules)
            each.append({key: one[key] for key in ("images", "groups", *HEADLINES)})
            advance(f"mean balanced accuracy {one[HEADLINES[1]]:.3f}")
    if pooled is None or rules is None:
        raise EvaluationError("no fold was trained")
    out: dict[str, Any] = {
        "folds": folds,
        "runs": folds,
        "each": each,
        "pooled": judge(pooled, joined, rules),
    }
    for key in HEADLINES:
        values = np.array([one[key] for one in each])
        out[key], out[f"{key}_deviation"] = (
            round(float(values.mean()), 4),
            round(float(values.std(ddof=1)), 4),
        )
    return out
