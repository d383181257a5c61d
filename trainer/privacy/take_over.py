"""What a ledger takes over from those that hold some of its images: runs, raises of budgets, reasons."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from typing import Any

from trainer.privacy.account import TAKES_OVER, Account, Budget, LedgerError


def take_over(before: Sequence[Account], known: Container[str] = ()) -> dict[str, list[dict[str, Any]]]:
    """The part of a line that comes from other ledgers, each thing once.

    Args:
        before: the ledgers taken over; one of them may have taken over another one.
        known: runs that the ledger has already.
    """
    bodies = [body for each in before for body in _bodies(each)]
    # In the order in which they came on record: composition depends on it.
    runs = {body["run"]: body for body in bodies if body["kind"] == "run" and body["run"] not in known}
    raises = _once(body for body in bodies if body["kind"] == "budget" and body["reason"])
    heads = [line.body for each in before for line in each.chain.lines if line.body["kind"] in TAKES_OVER]
    # Reasons on lines of runs come along with these.
    others = [each for head in heads for each in head.get("other_ledgers", ())]
    others += [head["elsewhere"] for head in heads if "elsewhere" in head]
    return {
        "taken_over": sorted(runs.values(), key=_time),
        "raises": sorted(raises, key=_time),
        "other_ledgers": _once(others),
    }


def refuse_silent_raise(before: Sequence[Account], budget: Budget, reason: str) -> bool:
    """Whether a budget is a raise of one taken over; without a reason it is refused.

    Those whose images were promised least decide: a larger epsilon than theirs, or another delta, is a raise.

    Raises:
        LedgerError: it is a raise without a reason, or a reason is given and it is none.
    """
    ids = {each.id for each in before}
    # A ledger that another one of them took over has handed on its budget, raises included.
    latest = [each for each in before if each.continued_by not in ids]
    old = [(each.budget, each.id) for each in latest if each.budget is not None]
    lower = [(was, name) for was, name in old if budget.epsilon > was.epsilon or budget.delta != was.delta]
    if not lower:
        if reason.strip():
            raise LedgerError(
                "--reason is for a budget that a ledger taken over did not allow, and this one it did, or "
                "there is none: leave it out"
            )
        return False
    was, name = min(lower, key=lambda each: each[0].epsilon)
    if not reason.strip():
        raise LedgerError(
            f"ledger {name}, which holds some of these images and is taken over, has a budget of epsilon "
            f"{was.epsilon:g} at delta {was.delta:g}. Open this one with --epsilon {was.epsilon:g} --delta "
            f"{was.delta:g}, or less epsilon; or, if more may be spent, say why with --reason: it counts as "
            "a raise, which every later statement tells"
        )
    return True


def _bodies(account: Account) -> Iterator[dict[str, Any]]:
    for line in account.chain.lines:
        yield from line.body.get("taken_over", ())
        yield from line.body.get("raises", ())
        yield line.body


def _once(items: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for each in items:
        if each not in found:
            found.append(each)
    return found


def _time(body: dict[str, Any]) -> str:
    return str(body["time"])
