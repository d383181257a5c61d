"""The ordering rules against a plain model: a set of numbers."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from edge.clinic.sequence import MAX_SEQ, Sequence

NUMBER = st.integers(1, 60)


class SequenceMachine(RuleBasedStateMachine):
    """Rows and gaps in any order, repeated, overlapping; and a restart from what is stored."""

    def __init__(self) -> None:
        super().__init__()
        self.sequence = Sequence()
        self.model: set[int] = set()

    @rule(seq=NUMBER)
    def row_arrives(self, seq: int) -> None:
        assert self.sequence.add(seq) == (seq not in self.model)
        self.model.add(seq)

    @rule(a=NUMBER, b=NUMBER)
    def gap_is_named(self, a: int, b: int) -> None:
        first, last = min(a, b), max(a, b)
        assert self.sequence.add(first, last) == (not set(range(first, last + 1)) <= self.model)
        self.model |= set(range(first, last + 1))

    @rule()
    def restart(self) -> None:
        later = [pair for pair in self.sequence.intervals() if pair[0] > self.sequence.upto]
        self.sequence = Sequence(self.sequence.upto, later)

    @invariant()
    def same_as_the_model(self) -> None:
        upto = 0
        while upto + 1 in self.model:
            upto += 1
        assert self.sequence.upto == upto
        assert self.sequence.highest == max(self.model, default=0)
        assert all((n in self.sequence) == (n in self.model) for n in range(1, 63))
        holes = {n for first, last in self.sequence.missing() for n in range(first, last + 1)}
        assert holes == set(range(1, self.sequence.highest + 1)) - self.model
        pairs = self.sequence.intervals()
        assert all(b[0] > a[1] + 1 for a, b in pairwise(pairs)), "neighbours are merged"


TestSequence = SequenceMachine.TestCase


@pytest.mark.parametrize(("first", "last"), [(0, 1), (3, 2), (-1, -1), (1, MAX_SEQ + 1)])
def test_an_impossible_interval_is_refused(first: int, last: int) -> None:
    with pytest.raises(ValueError, match="expected 1"):
        Sequence().add(first, last)


def test_an_enormous_gap_costs_one_interval() -> None:
    sequence = Sequence()
    sequence.add(1, MAX_SEQ)
    assert sequence.upto == MAX_SEQ
    assert sequence.intervals() == [(1, MAX_SEQ)]
