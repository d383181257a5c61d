"""The leak budget: so many disagreements in a time, then the source is latched. Pure.

A latch is opened by a person and by nothing else: no time, no clock that steps and no good result does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from edge.messages import LatchCause


@dataclass(frozen=True)
class Budget:
    """How many disagreements are borne in how many seconds; with that number the budget is spent."""

    most: int
    window: float


@dataclass(frozen=True)
class Account:
    """What is known of one source. ``spent``: when disagreements were seen, in seconds of running time."""

    spent: tuple[float, ...] = ()
    latched: LatchCause | None = None

    def counting(self, budget: Budget, now: float) -> tuple[float, ...]:
        """The disagreements that count at ``now``; one that lies ahead of the clock counts."""
        return tuple(at for at in self.spent if now - at < budget.window)


def spend(account: Account, budget: Budget, now: float) -> Account:
    """One disagreement more, at ``now``; latched if the budget is spent with it."""
    spent = (*account.counting(budget, now), now)
    latched = account.latched or ("leak_budget_spent" if len(spent) >= budget.most else None)
    return Account(spent, latched)


def latch(account: Account, cause: LatchCause) -> Account:
    """Latched for ``cause``, unless it is already for another."""
    return replace(account, latched=account.latched or cause)


def acknowledged() -> Account:
    """After a person's word: open, and the whole budget again."""
    return Account()
