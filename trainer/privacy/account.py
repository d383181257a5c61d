"""What is known of one data set: whose images, which budget, which runs saw any of them, what is left."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from trainer.privacy import accounting, composition
from trainer.privacy.spend import Spend, SpendError

Mode = Literal["release", "research"]


class LedgerError(ValueError):
    """The run must not happen; the message says why and what the choices are."""


@dataclass(frozen=True)
class Budget:
    """How much all release runs on a data set may spend together."""

    epsilon: float
    delta: float

    def __post_init__(self) -> None:
        try:
            accounting.gaussian_mu(self.epsilon, self.delta)
        except SpendError as error:
            raise LedgerError(f"this is no budget: {error}") from None


@dataclass(frozen=True)
class Run:
    """One run on record."""

    id: str
    account: str
    """Ledger that it was charged to; it counts for every other one that shares an image with that, too."""
    unit: str
    """Of that ledger."""
    time: str
    mode: Mode
    engine: str
    epsilon: float
    """Of the run alone, at ``delta``; infinite for research without privacy."""
    delta: float
    spend: Spend
    line: int
    """Where it stands in the file."""
    hash: str
    public: str
    """For research: the benchmark that the images are said to belong to."""
    recorded: str = ""
    """What it was, in a person's words, if it was made outside of the ledger and put on record afterwards."""
    finished: bool = False
    files: Mapping[str, str] = field(default_factory=dict)
    """What it left when it had ended, name -> SHA-256; empty: nobody noted it."""


@dataclass(frozen=True)
class Account:
    """The ledger of one data set."""

    id: str
    name: str
    unit: str
    count: int
    """Number of units."""
    images: Mapping[str, str]
    """Keyed digest of each image's content -> of its row."""
    budget: Budget | None
    """None: research alone saw it."""
    raised: tuple[str, ...]
    """Reasons for which more was allowed on any of its images."""
    runs: tuple[Run, ...]
    """All that saw any of its images, in the order in which they came on record."""
    elsewhere: tuple[str, ...]
    """Reasons given for charging a run here though other ledgers hold runs on the same index."""
    shares_with: tuple[Account, ...] = ()
    """Other ledgers with a budget that hold some of the images: a release on one must fit into each."""

    def of(self, mode: Mode) -> tuple[Run, ...]:
        """The runs of one kind."""
        return tuple(run for run in self.runs if run.mode == mode)

    def spent(self, *more: Spend) -> float:
        """Epsilon of all release runs, and of further spends, at the budget's delta."""
        return together(self.of("release"), self.allowed.delta, *more)

    @property
    def allowed(self) -> Budget:
        """The budget.

        Raises:
            LedgerError: there is none yet.
        """
        if self.budget is None:
            raise LedgerError(
                f"ledger {self.id} has no budget yet: research alone saw its images. The first release run "
                "sets it, or trainer ledger open"
            )
        return self.budget

    def left(self) -> float:
        """About the epsilon that one more run alone may have; 0 if nothing is left."""
        return min(_left(each.of("release"), each.allowed) for each in (self, *self.shares_with))


def together(runs: Sequence[Run], delta: float, *more: Spend) -> float:
    """Epsilon at ``delta`` of runs on record, in their order, and of further spends."""
    if any(math.isinf(run.epsilon) for run in runs):
        return math.inf
    spends = (*(run.spend for run in runs), *more)
    return composition.composed(spends, delta, _unplaced(runs))


def _left(runs: Sequence[Run], budget: Budget) -> float:
    return composition.left(tuple(run.spend for run in runs), budget.epsilon, budget.delta, _unplaced(runs))


def _unplaced(runs: Sequence[Run]) -> tuple[Spend, ...]:
    """Those of which the ledger does not know when they were made."""
    return tuple(run.spend for run in runs if run.recorded)
