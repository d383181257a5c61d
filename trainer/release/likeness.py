"""What images of each group look like, and how little like them an image may be and still get a label."""

from __future__ import annotations

import hashlib
from typing import Any

from trainer.network.edge_net import EdgeNet
from trainer.prior import SHIPPED
from trainer.training.run_record import RunRecord

LEAST = 0.35
"""Of what the mean image of a group scores, by the run's released means. Chosen on the public benchmark's
validation split for the prior that comes along, where few valid images score less and nearly all others
do: ``trainer evaluate --split val --others`` shows how many, for this number and others."""


def block(record: RunRecord, net: EdgeNet, least: float) -> dict[str, Any]:
    """Direction and threshold of each group, for the bundle; empty if the run knows no means."""
    if not bool(net.likeness.any()):
        return {}
    rows = {each.group: row for each, row in zip(record.classes, net.likeness.tolist(), strict=True)}
    return {
        group: {"direction": [round(value, 6) for value in row], "least": least}
        for group, row in rows.items()
    }


def rule(record: RunRecord, net: EdgeNet, least: float) -> str:
    """The threshold in words, and where it comes from."""
    if not bool(net.likeness.any()):
        return (
            "; an image of another kind under a header of the right one may get a label: this training "
            "released no means to know them by"
        )
    shipped = hashlib.sha256(SHIPPED.read_bytes()).hexdigest()
    if least != LEAST:
        origin = "given by hand; how it was found is not in epsilon"
    elif record.training.get("prior_sha256") == shipped:
        origin = "chosen on the public benchmark's validation split"
    else:
        origin = "chosen on the public benchmark for another prior, so not tried with this one"
    return (
        f"; no label for an image whose features reach less than {least:g} of what the mean image of its "
        f"group reaches, a number {origin}"
    )
