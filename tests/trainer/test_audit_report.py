"""What an audit tells of several attacks on one subject: never less than the strongest found."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import numpy as np

from trainer.audit import note, report, roc
from trainer.audit.material import QUICK
from trainer.audit.result import Membership, Result
from trainer.training.run_record import RunRecord


def attacked(shift: float) -> roc.Attack:
    """An attack whose scores of members lie higher by ``shift``."""
    rng = np.random.default_rng(0)
    members = rng.random((2, 4000)) < 0.5
    scores = rng.normal(size=members.shape) + shift * members
    return roc.judge((scores[0], members[0]), (scores[1], members[1]), 1e-5)


def test_the_attack_that_proves_most_is_told_whatever_another_does_at_few_false_positives() -> None:
    weak, strong = attacked(0.1), attacked(1.0)
    assert weak.bounds is not None
    assert strong.bounds is not None
    assert weak.bounds.proved < strong.bounds.proved
    lucky = replace(weak, rates=(replace(weak.rates[0], tpr=1.0), *weak.rates[1:]))
    attacks = {"lucky": lucky, "strong": strong}
    assert report.strongest(attacks) == ("strong", strong)
    found = Result(
        record=cast("RunRecord", None),
        size=QUICK,
        members=4000,
        others=0,
        membership=(Membership("private head", 2.0, attacks),),
        canaries=(),
        inversions=(),
        notes=(),
        seconds=1.0,
    )
    (told,) = note.note(found, {}, quick=False, published=True).bounds
    assert (told.auc, told.proved) == (round(strong.auc, 3), round(strong.bounds.proved, 2))


def test_without_bounds_the_larger_area_is_told() -> None:
    weak, strong = (replace(attacked(shift), bounds=None) for shift in (0.1, 1.0))
    assert report.strongest({"weak": weak, "strong": strong})[0] == "strong"
