"""What of an audit may leave the workstation with the model."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone

import edge
from trainer.audit.one_run import INTACT
from trainer.audit.report import membership_title
from trainer.audit.result import MEANS, Result
from trainer.audit.roc import Attack
from trainer.training.audit_note import AuditNote, Bound


def note(result: Result, files: Mapping[str, str], *, quick: bool, published: bool) -> AuditNote:
    """The note of an audit.

    Args:
        result: what it found.
        files: the run's, name -> SHA-256.
        quick: whether it was a small one.
        published: whether every image that was looked at is of a published set; else figures stay here.
    """
    controls = [each for each in result.canaries if each.sabotage != INTACT.name]
    return AuditNote(
        made=datetime.now(timezone.utc).strftime("%Y-%m-%d"),
        trainer=edge.__version__,
        files=dict(files),
        quick=quick,
        contradicted=tuple(result.contradicted),
        controls=len(controls),
        missed=len(result.missed),
        published=published,
        bounds=tuple(_bounds(result)) if published else (),
    )


def _bounds(result: Result) -> list[Bound]:
    """Of what the run claims. The means are audited with less noise than it had: no bound of the run."""
    found = [
        _bound(membership_title(each.subject, name), each.claimed, attack)
        for each in result.membership
        if each.claimed is not None
        for name, attack in each.attacks.items()
    ]
    found += [
        _bound(f"canaries: {each.mechanism} ({each.kind})", each.claimed, each.attack)
        for each in result.canaries
        if each.claimed is not None and each.sabotage == INTACT.name and each.mechanism != MEANS
    ]
    return found


def _bound(what: str, claimed: float, attack: Attack) -> Bound:
    proved = None if attack.bounds is None else round(attack.bounds.proved, 2)
    low, high = attack.auc_interval
    return Bound(
        what=what,
        claimed=round(claimed, 3),
        proved=proved,
        auc=round(attack.auc, 3),
        auc_interval=(round(low, 3), round(high, 3)),
    )
