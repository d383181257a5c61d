"""Why a release may not be charged to a ledger: its images are known elsewhere, or a budget is spent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from trainer.privacy.account import Account, Budget, LedgerError
from trainer.privacy.spend import Spend


def refuse_large_delta(budget: Budget, count: int) -> None:
    """Refuse a delta at which giving away one whole record would be private.

    Raises:
        LedgerError: it is not below 1 / count.
    """
    if not budget.delta < 1 / count:
        raise LedgerError(
            f"delta {budget.delta:g} must be below 1/n = {1 / count:.2g}, n the number of units: take less"
        )


def refuse_changed(name: str, own: Mapping[str, str], others: Sequence[Account]) -> None:
    """Refuse a release on a data set without a budget of which other ledgers hold images.

    Args:
        name: of the data set.
        own: its images.
        others: ledgers that hold any of them.

    Raises:
        LedgerError: the data set has changed, or shares images with another ledger.
    """
    other = next((each for each in others if each.budget is not None), None)
    if other is None:
        return
    both = own.keys() & other.images.keys()
    added, gone = len(own.keys() - other.images.keys()), len(other.images.keys() - own.keys())
    altered = sum(own[each] != other.images[each] for each in both)
    what = (
        f"the data set has changed since ledger {other.id} was opened"
        if other.name == name
        else f"{len(both)} of the images are those of ledger {other.id} ({other.name})"
    )
    raise LedgerError(
        f"{what}: {added} added, {gone} removed, {altered} altered (label, modality or unit). Either "
        "train on the data set as it was; or leave those images out; or open a ledger for the data set "
        "as it is now with trainer ledger open: everything that was spent on its images counts there, too"
    )


def refuse_other_unit(unit: str, own: Mapping[str, str], others: Sequence[Account]) -> None:
    """Refuse images of which another unit was promised or spent: the two cannot be added up.

    What is spent per patient bounds what is spent per image, so a ledger per image that nothing was spent on
    yet binds runs per patient as any other does. Nothing is known the other way round.

    Args:
        unit: of the data set.
        own: its images.
        others: ledgers that hold any of them.

    Raises:
        LedgerError: with the unit that these images can be trained under.
    """
    for other in others:
        spent = any(run.account == other.id for run in other.of("release"))
        if other.unit == unit or not (spent or (other.unit == "patient" and other.budget is not None)):
            continue
        count = len(own.keys() & other.images.keys())
        raise LedgerError(
            f"{count} of the images are those of ledger {other.id} ({other.name}), which is per "
            f"{other.unit}. What is spent per {other.unit} and per {unit} on the same images cannot be added "
            f"up. Either train with --unit {other.unit}; or leave out the images that it holds"
        )


def refuse_silent_raise(budget: Budget, others: Sequence[Account], reason: str) -> None:
    """Refuse more than any ledger with some of the images allows without a reason, and a reason without need.

    Raises:
        LedgerError: it is a raise without a reason, or a reason is given and it is none.
    """
    less = [
        (each.budget.epsilon, each) for each in others if each.budget and each.budget.epsilon < budget.epsilon
    ]
    if bool(less) == bool(reason.strip()):
        return
    if not less:
        raise LedgerError(
            "--reason is for more than another ledger with some of these images allows, and none allows "
            "less: leave it out"
        )
    epsilon, other = min(less, key=lambda each: each[0])
    raise LedgerError(
        f"ledger {other.id}, which holds some of these images, has a budget of epsilon {epsilon:g}. Open "
        f"this one with --epsilon {epsilon:g}, or less; or, if more may be spent on those images, say why "
        "with --reason: it raises that budget, too, which every later statement tells"
    )


def refuse_overspending(account: Account, spend: Spend) -> None:
    """Refuse a release that would pass the budget of its ledger, or of another one with some of its images.

    Raises:
        LedgerError: with what is left and the choices there are.
    """
    for each in (account, *account.shares_with):
        budget = each.allowed
        together = each.spent(spend)
        if together <= budget.epsilon * (1 + 1e-9):
            continue
        left = int(account.left() * 0.995 * 100) / 100
        count = len(each.of("release"))
        raise LedgerError(
            f"with this run, epsilon {together:.3f} would be spent on the images of ledger {each.id}, and "
            f"its budget is {budget.epsilon:g} at delta {budget.delta:g}: {count} release "
            f"run{'s' if count != 1 else ''} spent {each.spent():.3f}. "
            + (
                f"Left is one run of about epsilon {left:.2f}. "
                if left > 0.02 * budget.epsilon
                else "Nothing is left. "
            )
            + "The choices: spend what is left with --epsilon; keep the model there is; train on images that "
            "no ledger knows; or let whoever answers for the data raise the budget with trainer ledger "
            "raise, which every later model card will tell"
        )
