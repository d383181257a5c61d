"""The main figures of one split, from the network's answers alone. Pure: no files, no model.

Accuracy, sensitivity and what is made of them take the most probable class of every image, as is usual: the
network is forced to answer. A box withholds the label of some images; ``as_shown`` counts what it shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edge.imaging.bundle import ClassInfo
from trainer.data.dataset import Record
from trainer.evaluation import metrics
from trainer.evaluation.intervals import Bootstrap

FEW_GROUPS = 20
"""Below this many groups in a split an interval over groups says next to nothing."""
NO_EVIDENCE = "few groups, no evidence"
BINS = 10
COVERAGES = tuple(round(1 - 0.05 * step, 2) for step in range(13))
"""1.00 down to 0.40."""


class Rules(Protocol):
    """What is needed of a bundle."""

    @property
    def classes(self) -> tuple[ClassInfo, ...]:
        """Classes in the order of the logits."""

    @property
    def min_probability(self) -> dict[str, float]:
        """By group of classes: below it the box abstains."""


@dataclass(frozen=True, eq=False)
class Scored:
    """A split and what the network said of it, modality known."""

    records: Sequence[Record]
    names: tuple[str, ...]
    """Classes in the order of the columns."""
    labels: NDArray[np.intp]
    probability: NDArray[np.float64]
    """(N, classes): zero outside of the record's own group of classes."""
    limit: NDArray[np.float64]
    """(N,): probability below which the box abstains; infinite for an image that does not look like its
    group, which gets no label however probable one is."""
    bootstrap: Bootstrap

    @property
    def best(self) -> NDArray[np.intp]:
        """Most probable class of each record."""
        return np.asarray(self.probability.argmax(1), np.intp)

    @property
    def confidence(self) -> NDArray[np.float64]:
        """Probability of the most probable class."""
        return np.asarray(self.probability.max(1), np.float64)

    @property
    def answered(self) -> NDArray[np.bool_]:
        """Which records get a label."""
        return np.asarray(self.confidence >= self.limit, np.bool_)

    @property
    def unlike(self) -> NDArray[np.bool_]:
        """Which records get none because they do not look like their group; any others: the box is unsure."""
        return np.isinf(self.limit)

    @property
    def modality(self) -> NDArray[np.str_]:
        """Modality of each record."""
        return np.array([record.modality for record in self.records])


def scored(probability: NDArray[np.float64], records: Sequence[Record], rules: Rules) -> Scored:
    """Bring answers, truth and resamples together. Each record's label must be a class of the rules."""
    names = tuple(each.name for each in rules.classes)
    group = {each.name: each.group for each in rules.classes}
    return Scored(
        records=records,
        names=names,
        labels=np.array([names.index(record.label) for record in records], np.intp),
        probability=probability,
        limit=np.array([rules.min_probability[group[record.label]] for record in records]),
        bootstrap=Bootstrap([r.group for r in records], [r.modality for r in records]),
    )


def judge(
    probability: NDArray[np.float64],
    records: Sequence[Record],
    rules: Rules,
    unknown: NDArray[np.intp] | None = None,
) -> dict[str, Any]:
    """All figures of one split. ``unknown`` (N,), classes found without a known modality, adds a figure."""
    return figures(scored(probability, records, rules), unknown)


def figures(them: Scored, unknown: NDArray[np.intp] | None = None) -> dict[str, Any]:
    """All figures of one split; see `judge`."""
    boot, labels, best = them.bootstrap, them.labels, them.best
    hit = best == labels
    out: dict[str, Any] = {
        "images": len(labels),
        "groups": len({record.group for record in them.records}),
    }
    boot.estimate(lambda w: metrics.accuracy(w, hit)).put(out, "accuracy")
    boot.estimate(lambda w: mean_within_modality(w, them)).put(out, "mean_within_modality_balanced_accuracy")
    boot.estimate(lambda w: metrics.macro_f1(w, labels, best)).put(out, "macro_f1")
    if unknown is not None:
        blind = np.asarray(unknown == labels)
        boot.estimate(lambda w: metrics.accuracy(w, blind)).put(out, "accuracy_modality_unknown")
    out["per_modality"] = {each: _modality(them, each) for each in sorted(set(them.modality))}
    sound = [name for name, part in out["per_modality"].items() if not part["evidence"]]
    out["modalities_with_evidence"] = sound
    if sound:
        within = partial(mean_within_modality, them=them, only=sound)
        boot.estimate(within).put(out, "mean_of_modalities_with_evidence")
    out["worst_class"] = _worst(out["per_modality"])
    out["as_shown"] = as_shown(them, np.arange(len(labels)))
    out.update(_sureness(them, hit))
    out["confusion"] = {
        "classes": list(them.names),
        "counts": metrics.confusion(labels, best, len(them.names)).tolist(),
    }
    return out


def mean_within_modality(
    w: NDArray[np.float64], them: Scored, only: Sequence[str] | None = None
) -> NDArray[np.float64]:
    """Mean over the modalities of the balanced accuracy within each, (R,)."""
    best, modality = them.best, them.modality
    parts = []
    for each in sorted(set(modality) if only is None else only):
        rows = np.flatnonzero(modality == each)
        parts.append(metrics.balanced_accuracy(w[:, rows], them.labels[rows], best[rows]))
    return np.asarray(np.mean(parts, axis=0), np.float64)


def _modality(them: Scored, name: str) -> dict[str, Any]:
    rows = np.flatnonzero(them.modality == name)
    out = subset(them, rows)
    answered = them.answered[rows]
    them.bootstrap.estimate(lambda w: 1 - metrics.accuracy(w, answered), rows).put(out, "abstained")
    out["evidence"] = NO_EVIDENCE if out["groups"] < FEW_GROUPS else ""
    out["recall"] = {each: part["sensitivity"] for each, part in out["per_class"].items()}
    source = np.array([record.source for record in them.records])
    out["per_source"] = {
        each: subset(them, rows[source[rows] == each], detailed=False) for each in sorted(set(source[rows]))
    }
    return out


def subset(them: Scored, rows: NDArray[np.intp], *, detailed: bool = True) -> dict[str, Any]:
    """Figures of some rows of one modality; an area under the curve where they hold two classes."""
    boot, labels, best = them.bootstrap, them.labels[rows], them.best[rows]
    classes = np.unique(labels)
    out: dict[str, Any] = {
        "images": len(rows),
        "groups": len(np.unique(boot.group[rows])),
        "classes": len(classes),
    }
    hit = best == labels
    balanced = boot.estimate(lambda w: metrics.balanced_accuracy(w, labels, best), rows)
    balanced.put(out, "balanced_accuracy")
    boot.estimate(lambda w: metrics.accuracy(w, hit), rows).put(out, "accuracy")
    if len(classes) == 2:
        score, positive = them.probability[rows][:, classes[1]], labels == classes[1]
        boot.estimate(lambda w: metrics.auc(w, score, positive), rows).put(out, "auc")
        out["auc_between"] = [them.names[each] for each in classes]
    if detailed:
        boot.estimate(lambda w: metrics.macro_f1(w, labels, best), rows).put(out, "macro_f1")
        out["per_class"] = _per_class(them, rows, classes)
    return out


def _per_class(them: Scored, rows: NDArray[np.intp], classes: NDArray[np.intp]) -> dict[str, Any]:
    boot, labels, best = them.bootstrap, them.labels[rows], them.best[rows]
    right = boot.estimates(lambda w: metrics.specificity(w, labels, best, classes), rows)
    out: dict[str, Any] = {}
    for index, each in enumerate(classes):
        positive, score = labels == each, them.probability[rows][:, each]
        part: dict[str, Any] = {
            "images": int(positive.sum()),
            "groups": len(np.unique(boot.group[rows][positive])),
        }
        # Of the class's own rows: an exact interval must count its groups, not those of the modality.
        hit = partial(metrics.accuracy, hit=np.asarray(best[positive] == each))
        boot.estimate(hit, rows[positive]).put(part, "sensitivity")
        right[index].put(part, "specificity")
        boot.estimate(partial(metrics.auc, score=score, positive=positive), rows).put(part, "auc")
        part["as_shown"] = as_shown(them, rows[positive])
        for name in ("sensitivity_as_shown", "sensitivity_as_shown_interval"):
            part[name] = part["as_shown"][name.replace("sensitivity_as_shown", "right")]
        called = them.answered[rows] & (best == each)
        alarm = partial(metrics.share, what=called, among=~positive)
        boot.estimate(alarm, rows).put(part, "wrongly_shown_for_others")
        out[them.names[each]] = part
    return out


def as_shown(them: Scored, rows: NDArray[np.intp]) -> dict[str, Any]:
    """What the box shows for some records: shares with the right label, a wrong one, none, and why none."""
    answered, hit = them.answered[rows], np.asarray(them.best[rows] == them.labels[rows])
    unlike = them.unlike[rows]
    parts = {
        "right": answered & hit,
        "wrong": answered & ~hit,
        "no_label": ~answered,
        "no_label_unsure": ~answered & ~unlike,
        "no_label_unlike_its_kind": unlike,
    }
    out: dict[str, Any] = {"images": len(rows)}
    for name, which in parts.items():
        them.bootstrap.estimate(partial(metrics.accuracy, hit=which), rows).put(out, name)
    return out


def _worst(per_modality: dict[str, Any]) -> dict[str, Any]:
    classes = [
        {"class": name, "modality": modality, **part}
        for modality, each in per_modality.items()
        for name, part in each["per_class"].items()
    ]
    return min(classes, key=lambda part: float(part["sensitivity"]))


def _sureness(them: Scored, hit: NDArray[np.bool_]) -> dict[str, Any]:
    """Calibration and abstention."""
    boot, confidence = them.bootstrap, them.confidence
    answered = them.answered
    bins = metrics.equal_mass_bins(confidence, BINS)
    out: dict[str, Any] = {}
    boot.estimate(lambda w: 1 - metrics.accuracy(w, answered)).put(out, "abstained")
    boot.estimate(lambda w: metrics.answered_accuracy(w, hit, answered)).put(out, "accuracy_where_labelled")
    error = boot.estimate(lambda w: metrics.calibration_error(w, confidence, hit, bins))
    error.put(out, "expected_calibration_error")
    boot.estimate(lambda w: metrics.brier(w, them.probability, them.labels)).put(out, "brier")
    out["mean_confidence"] = round(float(confidence.mean()), 4)
    out["reliability"] = metrics.reliability(confidence, hit, bins)
    curve = []
    for wanted, cut in zip(COVERAGES, metrics.coverage_cuts(confidence, COVERAGES), strict=True):
        kept = confidence >= cut
        point: dict[str, Any] = {
            "wanted": wanted,
            "least_probability": round(float(cut), 4),
            "coverage": round(float(kept.mean()), 4),
        }
        boot.estimate(partial(metrics.answered_accuracy, hit=hit, answered=kept)).put(point, "accuracy")
        curve.append(point)
    out["abstention_curve"] = curve
    return out
