"""Each modality's margin over its shortcut probe, which sees only brightness and sharpness.

A model that does not beat such a probe has shown nothing about the disease. The probe is fitted on the
train split without any privacy; its figures are for this report and must not leave with a model of private
images.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.evaluation import metrics
from trainer.evaluation.judge import Scored
from trainer.evaluation.train_split import TrainSplit

Statistics = Callable[[NDArray[np.uint8]], NDArray[np.float64]]
Probe = Callable[[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]], NDArray[np.float64]]


def margins(
    them: Scored,
    images: NDArray[np.uint8],
    train: TrainSplit,
    statistics: Statistics,
    probe: Probe,
) -> dict[str, Any]:
    """For each modality, the probe's balanced accuracy and the model's lead, on the same resamples.

    Args:
        them: the split and the model's answers.
        images: its images (N, 224, 224).
        train: images that the probe is fitted on; only classes of the split count.
        statistics: `trainer.data.shortcuts.global_statistics`.
        probe: `trainer.data.shortcuts.probe`; columns of its answer are the sorted classes.

    Returns:
        ``missing`` alone, which says why, where there is no train split to fit it on.
    """
    if train.missing:
        return {"missing": train.missing}
    out: dict[str, Any] = {}
    for modality in sorted(set(them.modality)):
        rows = np.flatnonzero(them.modality == modality)
        classes = np.unique(them.labels[rows])
        place = {them.names[each]: index for index, each in enumerate(classes)}
        own = [
            row
            for row, record in enumerate(train.records)
            if record.modality == modality and record.label in place
        ]
        targets = np.array([place[train.records[row].label] for row in own], np.int64)
        if len(np.unique(targets)) < len(classes) or len(classes) < 2:
            out[modality] = {"missing": "the train split does not hold at least two classes of this split"}
            continue
        answer = probe(statistics(train.images[own]), targets, statistics(images[rows]))
        guess = classes[answer.argmax(1)]
        labels, best = them.labels[rows], them.best[rows]
        part: dict[str, Any] = {"train_images": len(own)}

        def probed(w: NDArray[np.float64], y: Any = labels, g: Any = guess) -> NDArray[np.float64]:
            return metrics.balanced_accuracy(w, y, g)

        def lead(
            w: NDArray[np.float64], y: Any = labels, g: Any = guess, b: Any = best
        ) -> NDArray[np.float64]:
            return metrics.balanced_accuracy(w, y, b) - metrics.balanced_accuracy(w, y, g)

        them.bootstrap.estimate(probed, rows).put(part, "balanced_accuracy")
        them.bootstrap.estimate(lead, rows, share=False).put(part, "margin")
        part["beaten"] = bool(part["margin_interval"][0] > 0)
        out[modality] = part
    return out
