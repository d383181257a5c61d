"""Figures within groups of people and within sources: who is served worse?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

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


def within_sources(them: Scored, pairs: Mapping[str, tuple[str, str]] = WITHIN) -> dict[str, Any]:
    """Normal against pneumonia within one source: the AUC of the two classes, renormalised to the two.

    A source that knows no other class would otherwise be judged on probability lost to a third.
    """
    out: dict[str, Any] = {}
    for source, (negative, positive) in pairs.items():
        if negative not in them.names or positive not in them.names:
            continue
        no, yes = them.names.index(negative), them.names.index(positive)
        rows = np.array(
            [
                row
                for row, record in enumerate(them.records)
                if record.source == source and record.label in {negative, positive}
            ],
            np.intp,
        )
        is_positive = them.labels[rows] == yes
        if not is_positive.any() or is_positive.all():
            continue
        two = them.probability[np.ix_(rows, np.array([no, yes]))]
        score = two[:, 1] / np.maximum(two.sum(1), 1e-300)
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
