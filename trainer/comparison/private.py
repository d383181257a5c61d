"""A private run of the comparison: accounted and put on record before it looks at an image, like any run.

The engines are those of ``trainer fit`` or speak like them; what trains the network that ships goes through
`trainer.training.fit.fit` itself, and does not come here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from trainer.comparison.job import Job
from trainer.comparison.recipes import ComparisonError
from trainer.privacy import accounting
from trainer.privacy.ledger import Budget, Ledgers
from trainer.privacy.spend import Spend, to_json
from trainer.privacy.units import data_set
from trainer.progress import noted

Result = TypeVar("Result")


class Spender(Protocol):
    """The part of an engine that looks at nothing private."""

    @property
    def name(self) -> str:
        """For the ledger."""
        ...

    def spend(self, target: float, delta: float) -> Spend:
        """All that training will release."""
        ...


def private_run(job: Job, engine: Spender, train: Callable[[Spend], Result]) -> tuple[Result, dict[str, Any]]:
    """Account, put on record as research, train.

    Returns:
        What ``train`` gave, and the guarantee as plain data.

    Raises:
        ComparisonError: delta is too large, or the engine spends too much.
        ValueError: the accountants disagree, or the ledger cannot hold the run. Nothing was trained.
    """
    task, terms, target = job.material.train, job.material.terms, job.recipe.epsilon
    assert target is not None
    if not job.delta < 1 / task.units.count:
        raise ComparisonError(f"delta {job.delta:g} must be below 1/n = {1 / task.units.count:.2g}")
    spend = engine.spend(target, job.delta)
    figures = accounting.figures(spend, job.delta)
    if figures.pld > target:
        raise ComparisonError(f"{engine.name} would spend {figures.pld:.4f} of epsilon {target:g}")
    ledgers = Ledgers(terms.ledgers)
    data = data_set(terms.data, task.records, task.units)
    reservation = ledgers.reserve(
        data,
        spend,
        mode="research",
        engine=engine.name,
        budget=Budget(target, job.delta),
        public=terms.public,
        index=terms.index,
    )
    with noted(accounting.meter(spend, job.delta)):
        result = train(spend)
    ledgers.finish(reservation)
    return result, {
        "epsilon": figures.pld,
        "epsilon_prv": figures.prv,
        "delta": job.delta,
        "unit": task.units.words,
        "records": task.units.count,
        "releases": to_json(spend),
        "ledger": reservation.account.id,
        "run": reservation.run.id,
    }
