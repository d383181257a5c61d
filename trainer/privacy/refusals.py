"""Why a release may not be charged to a ledger: its images are known elsewhere, or its budget is spent."""

from __future__ import annotations

from collections.abc import Sequence

from trainer.privacy.account import Account, LedgerError
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
    foreign = [each for each in others if not {run.id for run in each.of("release")} <= charged]
    refuse_other_unit(data.unit, own, foreign)
    settled = account is not None and account.budget is not None
    opened = [] if settled else [each for each in others if each.budget is not None]
    other = next((each for each in others if each in foreign or each in opened), None)
    if other is None:
        return
    both = own.keys() & other.images.keys()
    if other.unit != data.unit:
        raise LedgerError(
            f"{len(both)} of the images are those of ledger {other.id} ({other.name}), which was opened per "
            f"{other.unit}; this run is per {data.unit}. Nothing was spent there yet: train with --unit "
            f"{other.unit}, or open a ledger per {data.unit} with trainer ledger open --unit {data.unit}"
        )
    added, gone = len(own.keys() - other.images.keys()), len(other.images.keys() - own.keys())
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


def refuse_other_unit(unit: str, own: dict[str, str], others: Sequence[Account]) -> None:
    """Refuse images of which releases were made under another unit: the two cannot be added up.

    Args:
        unit: of the data set.
        own: its images, by their keyed digests.
        others: ledgers with release runs that it would be held to.

    Raises:
        LedgerError: with the unit that these images can be trained under.
    """
    other = next((each for each in others if each.unit != unit), None)
    if other is None:
        return
    count = len(own.keys() & other.images.keys())
    raise LedgerError(
        f"{count} of the images are those of ledger {other.id} ({other.name}), whose release runs were made "
        f"per {other.unit}. A ledger per {other.unit} cannot hold a run per {unit} on the same images, nor "
        f"can another ledger take it over: what was spent per {other.unit} says nothing about the {unit}. "
        f"Either train with --unit {other.unit}; or leave out the images that it holds"
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
    so_far = account.spent()
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
