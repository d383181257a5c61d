"""Figures within groups of people and within sources: who is served worse?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.data.dataset import Record
from trainer.evaluation import metrics
from trainer.evaluation.judge import FEW_GROUPS, NO_EVIDENCE, Scored, subset

BANDS = ((0, 18, "0 to 17 years"), (18, 40, "18 to 39 years"), (40, 65, "40 to 64 years"), (65, 200, "65 on"))
SEXES = {"M": "male", "F": "female", "O": "other"}
WITHIN = {
    "kermany": ("xr_normal", "xr_pneumonia"),
    "nih-cxr14": ("xr_normal", "xr_pneumonia"),
}
"""Sources of the public index that hold both of two classes: there, the source gives nothing away."""


def age_band(record: Record) -> str | None:
    """Band of a record's age; None if the data does not say."""
    if record.age is None:
        return None
    return next((name for low, high, name in BANDS if low <= record.age < high), None)


def sex(record: Record) -> str | None:
    """``male``, ``female``, ``other``, or None if the data does not say."""
    return SEXES.get(record.sex)


def pair_scores(
    them: Scored, source: str, pair: tuple[str, str]
) -> tuple[NDArray[np.intp], NDArray[np.bool_], NDArray[np.float64]] | None:
    """Rows of a source's images of two classes, which are positive, and its probability among the two.

    A source that knows no other class would otherwise be judged on probability lost to a third. None: the
    network or the source does not know both classes.
    """
    if not set(pair) <= set(them.names):
        return None
    own = [record.source == source and record.label in pair for record in them.records]
    rows = np.flatnonzero(own)
    no, yes = (them.names.index(name) for name in pair)
    positive = np.asarray(them.labels[rows] == yes)
    if not positive.any() or positive.all():
        return None
    two = them.probability[np.ix_(rows, np.array([no, yes]))]
    return rows, positive, two[:, 1] / np.maximum(two.sum(1), 1e-300)


def within_sources(them: Scored, pairs: Mapping[str, tuple[str, str]] = WITHIN) -> dict[str, Any]:
    """Normal against pneumonia within one source: the AUC of the two classes, renormalised to the two."""
    out: dict[str, Any] = {}
    for source, (negative, positive) in pairs.items():
        found = pair_scores(them, source, (negative, positive))
        if found is None:
            continue
        rows, is_positive, score = found
        part: dict[str, Any] = {
            "images": len(rows),
            "groups": len(np.unique(them.bootstrap.group[rows])),
            "negative": negative,
            "positive": positive,
        }
        area = them.bootstrap.estimate(lambda w, s=score, p=is_positive: metrics.auc(w, s, p), rows)  # type: ignore[misc]
        area.put(part, "auc")
        out[source] = part
    return out


def subgroups(them: Scored) -> dict[str, Any]:
    """By age band and by sex, within each modality; records that do not say are counted."""
    out: dict[str, Any] = {}
    for what, rule in (("age", age_band), ("sex", sex)):
        values = np.array([rule(record) or "" for record in them.records])
        part: dict[str, Any] = {"unknown": int((values == "").sum())}
        for modality in sorted(set(them.modality)):
            for value in sorted(set(values) - {""}):
                rows = np.flatnonzero((them.modality == modality) & (values == value))
                if len(rows):
                    each = subset(them, rows, detailed=False)
                    each["evidence"] = NO_EVIDENCE if each["groups"] < FEW_GROUPS else ""
                    part[f"{modality}, {value}"] = each
        out[what] = part
    return out
