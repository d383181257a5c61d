"""Why a release may not be charged to a ledger: its images are known elsewhere, or its budget is spent."""

from __future__ import annotations

from collections.abc import Sequence

from trainer.privacy.account import Account, LedgerError
from trainer.privacy.composition import composed
from trainer.privacy.fingerprint import DataSet
from trainer.privacy.spend import Spend


def overlapping(there: Sequence[Account], own: dict[str, str]) -> list[Account]:
    """The ledgers that hold any of the images, whose keyed digests are given."""
    return [each for each in there if own.keys() & each.images.keys()]


def holds(account: Account, unit: str, own: dict[str, str]) -> bool:
    """Whether all images are in a ledger as they are, under the same unit."""
    return account.unit == unit and not account.continued_by and own.items() <= account.images.items()


def refuse_changed(
    data: DataSet, own: dict[str, str], account: Account | None, others: Sequence[Account]
) -> None:
    """Refuse a release on images that another ledger holds, unless its release runs are all charged here.

    Raises:
        LedgerError: the data set has changed, or shares images with another ledger.
    """
    if account is not None and account.continued_by:
        raise LedgerError(
            f"ledger {account.id} was taken over by {account.continued_by}, whose data set holds the same "
            "images; train on that data set"
        )
    charged = {run.id for run in account.of("release")} if account is not None else set()
    for other in others:
        opened_for_release = other.budget is not None and account is None
        if not opened_for_release and {run.id for run in other.of("release")} <= charged:
            continue
        added, gone = len(own.keys() - other.images.keys()), len(other.images.keys() - own.keys())
        both = own.keys() & other.images.keys()
        altered = sum(own[each] != other.images[each] for each in both)
        what = (
            f"the data set has changed since ledger {other.id} was opened"
            if other.name == data.name
            else f"{len(both)} of the images are those of ledger {other.id} ({other.name})"
        )
        raise LedgerError(
            f"{what}: {added} added, {gone} removed, {altered} altered (label, modality or unit). Either "
            "train on the data set as it was; or leave those images out; or open a ledger for the data set "
            "as it is now with trainer ledger open: it takes over what was spent"
        )


def refuse_overspending(account: Account, spend: Spend) -> None:
    """Refuse a release that would pass the budget.

    Raises:
        LedgerError: with what is left and the choices there are.
    """
    budget = account.allowed
    together = account.spent(spend)
    if together <= budget.epsilon * (1 + 1e-9):
        return
    left = int(account.left() * 0.995 * 100) / 100
    useful = left > 0.02 * budget.epsilon
    so_far = composed(tuple(run.spend for run in account.of("release")), budget.delta)
    count = len(account.of("release"))
    raise LedgerError(
        f"with this run, epsilon {together:.3f} would be spent on the data set, and the budget is "
        f"{budget.epsilon:g} at delta {budget.delta:g}: {count} release run{'s' if count != 1 else ''} spent "
        f"{so_far:.3f} (ledger {account.id}). "
        + (f"Left is one run of about epsilon {left:.2f}. " if useful else "Nothing is left. ")
        + "The choices: spend what is left with --epsilon; keep the model there is; train on images that no "
        "ledger knows; or let whoever answers for the data raise the budget with trainer ledger raise, which "
        "every later model card will tell"
    )
