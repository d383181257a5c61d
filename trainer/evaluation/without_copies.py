"""Figures on the judged images that have no near copy in the train split.

Public sets hold pictures twice: mirrored, upside down or re-encoded, under another patient's name, some in
another split. Splits by patient do not part them, and a network that has seen a picture's copy knows more of
it than of a new patient's. Copies are found as `trainer data` finds them (`trainer.data.duplicates`).

Which judged images have a copy in the train split is told without noise: of private images that is for their
owner alone, and leaves with no model.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.data import duplicates
from trainer.evaluation import metrics
from trainer.evaluation.judge import Scored, mean_within_modality, subset
from trainer.evaluation.train_split import TrainSplit


def without_copies(them: Scored, images: NDArray[np.uint8], train: TrainSplit) -> dict[str, Any]:
    """How many judged images have a near copy in the train split, and the figures of all others.

    Args:
        them: the split and the model's answers.
        images: its images (N, 224, 224).
        train: the train split's images of the same classes.

    Returns:
        ``missing`` alone, which says why, where nothing can be compared or nothing is left.
    """
    if train.missing:
        return {"missing": train.missing}
    copied = duplicates.copied(images, train.images)
    out: dict[str, Any] = {"train_images": len(train.records), "with_copy": int(copied.sum())}
    rows = np.flatnonzero(~copied)
    if not len(rows):
        return {**out, "missing": "every judged image has a near copy in the train split"}
    left = replace(
        them,
        records=[them.records[row] for row in rows.tolist()],
        labels=them.labels[rows],
        probability=them.probability[rows],
        limit=them.limit[rows],
    )
    out["images"], out["groups"] = len(rows), len(np.unique(them.bootstrap.group[rows]))
    lost = np.setdiff1d(them.labels, left.labels)
    out["classes_lost"] = [them.names[each] for each in lost]
    hit = np.asarray(left.best == left.labels)
    # The resamples of the whole split, so that these figures can be set beside those of all images.
    them.bootstrap.estimate(lambda w: metrics.accuracy(w, hit), rows).put(out, "accuracy")
    mean = them.bootstrap.estimate(lambda w: mean_within_modality(w, left), rows)
    mean.put(out, "mean_within_modality_balanced_accuracy")
    out["per_modality"] = {}
    for each in sorted(set(left.modality)):
        here = them.modality == each
        part = subset(them, np.flatnonzero(here & ~copied), detailed=False)
        out["per_modality"][each] = {"with_copy": int((here & copied).sum()), **part}
    return out
