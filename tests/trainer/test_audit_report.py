"""What an audit tells of several attacks on one subject: all of them, none chosen by its result."""

from __future__ import annotations

from typing import cast

import numpy as np

from trainer.audit import note, report, roc
from trainer.audit.material import QUICK
from trainer.audit.result import Membership, Result
from trainer.release import card_audit
from trainer.training.run_record import RunRecord


def attacked(shift: float) -> roc.Attack:
    """An attack whose scores of members lie higher by ``shift``."""
    rng = np.random.default_rng(0)
    members = rng.random((2, 4000)) < 0.5
    scores = rng.normal(size=members.shape) + shift * members
    return roc.judge((scores[0], members[0]), (scores[1], members[1]), 1e-5)


def test_table_and_card_tell_every_attack_by_its_name() -> None:
    attacks = {"online": attacked(1.0), "threshold": attacked(0.1)}
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
    lines = report.rows(found)
    assert [line[0] for line in lines] == [
        "membership: private head (likelihood ratios, online)",
        "membership: private head (confidence alone)",
    ]
    assert float(lines[0][2]) > float(lines[1][2])
    left = note.note(found, {}, quick=False, published=True)
    assert [(each.what, each.auc) for each in left.bounds] == [
        (line[0], round(attack.auc, 3)) for line, attack in zip(lines, attacks.values(), strict=True)
    ]
    public = RunRecord.model_construct(data={"sets": {"chest_xray": {}}})
    card = "\n".join(card_audit.audit_lines(public, [left]))
    assert "confidence alone" in card
    assert "likelihood ratios, online" in card


def test_the_interval_of_few_strangers_is_as_wide_as_they_vary() -> None:
    """Twenty strangers among noise: the interval holds one half nearly as often as it says."""
    rng = np.random.default_rng(1)
    members = np.arange(220) < 200
    held = 0
    for _ in range(60):
        scores = rng.normal(size=220)
        low, high = roc.judge((scores, members), (scores, members), None).auc_interval
        held += low <= 0.5 <= high
    assert held >= 51
