"""Figures as functions of row weights: pure arrays, no files, no model.

``w`` is (R, N): R resamples of N rows, one row of ones for the figure itself. ``labels`` and ``best`` are
(N,) positions of classes, ``hit`` is ``best == labels``. Results are (R,) or (R, K), NaN where nothing of
the kind was drawn.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Ints = NDArray[np.intp]
Bools = NDArray[np.bool_]


def _one_hot(positions: Ints, classes: Ints) -> Array:
    return np.asarray(positions[:, None] == classes, np.float64)


def accuracy(w: Array, hit: Bools) -> Array:
    """Share of rows that are right, (R,)."""
    return np.asarray((w @ hit.astype(np.float64)) / w.sum(1), np.float64)


def sensitivity(w: Array, labels: Ints, best: Ints, classes: Ints) -> Array:
    """Recall of each class, (R, K)."""
    true = _one_hot(labels, classes)
    return np.asarray((w @ (true * _one_hot(best, classes))) / (w @ true), np.float64)


def specificity(w: Array, labels: Ints, best: Ints, classes: Ints) -> Array:
    """Share of the other classes' rows that are not called the class, (R, K)."""
    other = 1 - _one_hot(labels, classes)
    return np.asarray((w @ (other * (1 - _one_hot(best, classes)))) / (w @ other), np.float64)


def balanced_accuracy(w: Array, labels: Ints, best: Ints) -> Array:
    """Mean recall over the classes that were drawn, (R,)."""
    recall = sensitivity(w, labels, best, np.unique(labels))
    there = np.isfinite(recall)
    return np.asarray(np.where(there, recall, 0).sum(1) / there.sum(1), np.float64)


def macro_f1(w: Array, labels: Ints, best: Ints) -> Array:
    """Mean over the true classes of 2 TP / (2 TP + FP + FN), (R,)."""
    classes = np.unique(labels)
    true, called = _one_hot(labels, classes), _one_hot(best, classes)
    f1 = 2 * (w @ (true * called)) / (w @ true + w @ called)
    # A class that a resample neither holds nor names has no F1.
    there = np.isfinite(f1)
    return np.asarray(np.where(there, f1, 0).sum(1) / there.sum(1), np.float64)


def auc(w: Array, score: Array, positive: Bools) -> Array:
    """Area under the ROC curve (R,): chance that a positive row scores above a negative one; ties half."""
    order = np.argsort(score, kind="stable")
    sorted_score, positive = score[order], positive[order]
    weight = w[:, order]
    starts = np.flatnonzero(np.r_[True, np.diff(sorted_score) != 0])
    above = np.add.reduceat(weight * positive, starts, axis=1)
    below = np.add.reduceat(weight * ~positive, starts, axis=1)
    under = np.cumsum(below, axis=1) - below / 2
    return np.asarray((above * under).sum(1) / (above.sum(1) * below.sum(1)), np.float64)


def brier(w: Array, probability: Array, labels: Ints) -> Array:
    """Mean squared distance of the probabilities from the truth, summed over classes: 0 best, 2 worst.

    Brier 1950; of (N, K) probabilities and (N,) labels.
    """
    truth = np.zeros_like(probability)
    truth[np.arange(len(labels)), labels] = 1
    return np.asarray((w @ ((probability - truth) ** 2).sum(1)) / w.sum(1), np.float64)


def equal_mass_bins(confidence: Array, bins: int) -> Ints:
    """Bin of each row so that every bin holds about the same number; equal values share a bin, (N,)."""
    edges = np.quantile(confidence, np.linspace(0, 1, bins + 1)[1:-1])
    return np.asarray(np.searchsorted(np.unique(edges), confidence, side="right"), np.intp)


def calibration_error(w: Array, confidence: Array, hit: Bools, bins: Ints) -> Array:
    """Expected calibration error (R,): distance of confidence from accuracy, weighted over the bins.

    Equal-mass bins (Nguyen and O'Connor 2015) are less biased than equal widths, where most are empty.
    A resampled error lies above the true one when the model is well calibrated: read its upper end.
    """
    member = _one_hot(bins, np.unique(bins))
    gap = np.abs(w @ (member * (confidence - hit)[:, None]))
    return np.asarray(gap.sum(1) / w.sum(1), np.float64)


def reliability(confidence: Array, hit: Bools, bins: Ints) -> list[dict[str, float]]:
    """Mean confidence, accuracy and rows of each bin, for a plot."""
    return [
        {
            "images": int((bins == each).sum()),
            "confidence": round(float(confidence[bins == each].mean()), 4),
            "accuracy": round(float(hit[bins == each].mean()), 4),
        }
        for each in np.unique(bins)
    ]


def answered_accuracy(w: Array, hit: Bools, answered: Bools) -> Array:
    """Accuracy among the rows that got a label, (R,)."""
    return share(w, hit, answered)


def share(w: Array, what: Bools, among: Bools) -> Array:
    """Share of the rows ``among`` that are ``what``, (R,)."""
    return np.asarray((w @ (what & among)) / (w @ among.astype(np.float64)), np.float64)


def coverage_cuts(confidence: Array, coverages: tuple[float, ...]) -> Array:
    """Least confidence that is still answered at each wanted share of answered rows."""
    return np.asarray(np.quantile(confidence, [1 - each for each in coverages], method="lower"), np.float64)


def confusion(labels: Ints, best: Ints, classes: int) -> NDArray[np.int64]:
    """Counts (classes, classes): true class by row, given class by column."""
    out = np.zeros((classes, classes), np.int64)
    np.add.at(out, (labels, best), 1)
    return out


def area(values: Array) -> Array:
    """Trapezoid area over [0, 1] of curves (N, steps), (N,)."""
    steps = values.shape[1] - 1
    return np.asarray(sum((values[:, i] + values[:, j]) / 2 for i, j in pairwise(range(steps + 1))) / steps)
