"""The rules of commands and the table of their states."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.commands.rules import (
    MAX_LIFE_MS,
    SKEW_MS,
    IllegalTransition,
    Now,
    Verdict,
    check_step,
    forgettable,
    judge,
    terminal,
)
from edge.messages import TRANSITIONS, Command, CommandState

NOW = Now(1_700_000_000_000, trusted=True)


def command(**other: Any) -> Command:
    base = {
        "id": "a",
        "type": "ping",
        "audience": ["box-1"],
        "issued_ms": NOW.unix_ms - 1000,
        "deadline_ms": NOW.unix_ms + 1000,
    }
    return Command(**{**base, **other})


def verdict(
    order: Command, *, now: Now = NOW, may: frozenset[str] = frozenset({"ping"}), floor: int = 0
) -> Verdict:
    return judge(order, device="box-1", topic_id="a", may=may, now=now, floor_ms=floor)


def test_a_good_command_is_accepted() -> None:
    assert verdict(command()) == Verdict("accept")


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (command(id="b"), Verdict("drop", "malformed")),
        (command(audience=["box-2"]), Verdict("drop", "misaddressed")),
        (command(audience=[]), Verdict("drop", "misaddressed")),
        (command(type="status"), Verdict("reject", "wrong_role")),
        (command(deadline_ms=NOW.unix_ms), Verdict("reject", "expired")),
        (
            command(issued_ms=NOW.unix_ms + SKEW_MS + 1, deadline_ms=NOW.unix_ms + 10**6),
            Verdict("reject", "issued_in_future"),
        ),
        (command(deadline_ms=NOW.unix_ms + MAX_LIFE_MS), Verdict("reject", "deadline_too_far")),
        (command(issued_ms=NOW.unix_ms, deadline_ms=NOW.unix_ms - 1), Verdict("reject", "deadline_too_far")),
    ],
)
def test_a_bad_command_is_refused_with_its_reason(order: Command, expected: Verdict) -> None:
    """Cites T10 of the threat model."""
    assert verdict(order) == expected


def test_an_untrusted_clock_judges_no_deadline() -> None:
    """Cites F7 of the threat model: neither executed nor called expired."""
    for unix_ms in (0, NOW.unix_ms, NOW.unix_ms * 2):
        assert verdict(command(), now=Now(unix_ms, trusted=False)) == Verdict("wait")


def test_what_may_have_been_forgotten_is_never_done_again() -> None:
    order = command()
    assert verdict(order, floor=order.deadline_ms + SKEW_MS) == Verdict("drop", "expired")
    assert verdict(order, now=Now(0, trusted=False), floor=order.deadline_ms + SKEW_MS) == Verdict(
        "drop", "expired"
    )
    assert verdict(order, floor=order.deadline_ms + SKEW_MS - 1) == Verdict("accept")


@given(deadline=st.integers(0, 10**13), now=st.integers(0, 10**13), trusted=st.booleans())
def test_a_forgotten_command_is_always_expired(deadline: int, now: int, trusted: bool) -> None:
    """Whatever may leave the ledger, no clock at or after that moment accepts it."""
    clock = Now(now, trusted)
    if forgettable(deadline, "succeeded", clock):
        issued = max(0, deadline - 1000)
        assert verdict(command(issued_ms=issued, deadline_ms=deadline), now=clock).act == "reject"


def test_an_unfinished_command_is_never_forgotten() -> None:
    for state in TRANSITIONS:
        assert forgettable(0, state, NOW) == terminal(state)
    assert not forgettable(0, "succeeded", Now(NOW.unix_ms, trusted=False))


@pytest.mark.parametrize("before", [None, *TRANSITIONS])
@pytest.mark.parametrize("after", list(TRANSITIONS))
def test_each_pair_of_states_is_allowed_or_refused_by_the_table(
    before: CommandState | None, after: CommandState
) -> None:
    allowed = after == "received" if before is None else after in TRANSITIONS[before]
    if allowed:
        check_step(before, after)
    else:
        with pytest.raises(IllegalTransition):
            check_step(before, after)
