"""A small data set and runs on it, for the tests of the ledger."""

from __future__ import annotations

import hashlib
import math

from trainer.privacy.accounting import gaussian_mu
from trainer.privacy.fingerprint import DataSet, Image
from trainer.privacy.ledger import Account, Budget, Ledgers, Reservation
from trainer.privacy.spend import Release, Spend

BUDGET = Budget(2.0, 1e-5)


def digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def images(numbers: range, *, name: str = "a.csv", unit: str = "image", relabelled: int = -1) -> DataSet:
    """A data set of numbered images."""
    made = [Image(digest(n), digest(n, unit, "other" if n == relabelled else "label")) for n in numbers]
    return DataSet(name, unit, len(made), tuple(sorted(made, key=lambda image: image.content)))


def run_of(target: float) -> Spend:
    """A run on all images; a little below its target, since the accountant rounds up."""
    return (Release("steps", 1.0002 * math.sqrt(10) / gaussian_mu(target, BUDGET.delta), steps=10),)


TWO, ONE = run_of(2.0), run_of(1.0)
SMALL = (Release("steps", 100.0),)
DATA = images(range(30))


def reserve(
    ledgers: Ledgers, spend: Spend = TWO, data: DataSet = DATA, mode: str = "release", budget: Budget = BUDGET
) -> Reservation:
    return ledgers.reserve(
        data, spend, mode=mode, engine="e", budget=budget, public="" if mode == "release" else "p"
    )  # type: ignore[arg-type]


def only(ledgers: Ledgers) -> Account:
    (account,) = ledgers.accounts()
    return account
