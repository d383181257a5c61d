"""Which images a run was trained on: asked of its ledger by content, not of the names of splits.

An audit of other images finds nothing, whatever the run leaks, and that would be told as good news.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.imaging.bundle import Privacy
from trainer.data.record import Record
from trainer.privacy.on_record import held, trained_on


class MembersError(ValueError):
    """The images are not those of the run; the message says what to do."""


@dataclass(frozen=True)
class Others:
    """Images that a run was not trained on."""

    records: list[Record]
    copies: int
    """How many were left out, since the run was trained on a file of the same bytes."""
    known: bool
    """Whether the ledger holds the images of this run and no more; research may share a larger one."""


def others_than(
    privacy: Privacy, folder: Path, members: Sequence[Record], others: Sequence[Record]
) -> Others:
    """Make sure that members are members, and take out of the others whatever is one.

    Args:
        privacy: statement of the run, which names its ledger.
        folder: directory of the ledgers.
        members: what is said to have been trained on.
        others: what is said not to have been.

    Raises:
        MembersError: the run was not trained on some of the members.
        LedgerError: the ledger of the run is not in the directory.
        ChainError: a ledger was damaged or edited.
        DataError: an image cannot be read.
    """
    account = trained_on(privacy, folder)
    strangers = held(account, folder, members).count(False)
    if strangers:
        raise MembersError(
            f"the run was not trained on {strangers} of these {len(members)} images, so attacks on them "
            "would say nothing of it; give --data, --only and --split as they were given to trainer fit"
        )
    if account.count != privacy.records:
        return Others(list(others), 0, known=False)
    rest = [each for each, inside in zip(others, held(account, folder, others), strict=True) if not inside]
    return Others(rest, len(others) - len(rest), known=True)
