"""What images of each group look like, and how little like them an image may be and still get a label."""

from __future__ import annotations

from typing import Any

from edge.imaging.bundle import Privacy
from trainer.network.edge_net import EdgeNet
from trainer.privacy import choices
from trainer.training.run_record import RunRecord

LEAST = 0.45
"""Of what the mean image of a group scores, by the run's released means. Chosen on the public benchmark's
validation split, where few valid images score less and nearly all others do: ``trainer evaluate --split val
--others`` shows how many, for this number and others. The files that are shown there were not yet divided
then: all had been seen, as `trainer.evaluation.halves.about` says. Whoever chooses anew changes that."""
PRIOR = "6045c542abc8e0d5d3011d51be9529d92e2728c19c705c7ca3b32b0babfb818e"
"""SHA-256 of the prior that it was chosen for."""


class LikenessError(ValueError):
    """The threshold cannot be used; the message says why."""


def check(net: EdgeNet, least: float) -> None:
    """Refuse a threshold that says nothing.

    Raises:
        LikenessError: it is not between 0 and 1, or the run released no means that it could be of.
    """
    if not 0 < least < 1:
        raise LikenessError(f"--least-likeness {least:g}: expected a share between 0 and 1")
    if least != LEAST and not bool(net.likeness.any()):
        raise LikenessError("--least-likeness: this run released no means, so nothing can be unlike them")


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
    if least != LEAST:
        origin = "given by hand; how it was found is not in epsilon"
    elif record.training.get("prior_sha256") == PRIOR:
        origin = (
            "chosen on the public benchmark's validation split and on images of other kinds, of which the "
            "drawn ones are not those of the figures below, but the files are"
        )
    else:
        origin = "chosen on the public benchmark for another prior, so not tried with this one"
    return (
        f"; no label for an image whose features reach less than {least:g} of what the mean image of its "
        f"group reaches, a number {origin}"
    )


def told(privacy: Privacy, least: float) -> Privacy:
    """The statement, which has to say so where a person gave the threshold."""
    if least == LEAST:
        return privacy
    tuned = privacy.tuned.replace(choices.LIKENESS, choices.LIKENESS_BY_HAND)
    return privacy.model_copy(update={"tuned": tuned, "tuning_cost": choices.NOT_FREE})
