"""The rules of standing proof, without a detector: leak budget, recall in service, pace."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from edge.anonymize.proof.budget import Account, Budget, acknowledged, latch, spend
from edge.anonymize.proof.pace import Pace
from edge.anonymize.proof.recall import WINDOW, Recall, at_most, lower_bound

times = st.floats(-1e9, 1e9)


class AnyClock(RuleBasedStateMachine):
    """Disagreements and acknowledgements in any order, under a clock that goes as it likes."""

    budget = Budget(3, 100.0)

    def __init__(self):
        super().__init__()
        self.account = Account()
        self.was_latched = False
        self.now = 0.0
        self.since_word: list[float] = []

    @rule(step=times)
    def clock_steps(self, step):
        self.now += step

    @rule()
    def disagreement(self):
        self.account = spend(self.account, self.budget, self.now)
        self.since_word.append(self.now)
        recent = [at for at in self.since_word[-3:] if abs(self.now - at) < self.budget.window]
        if len(recent) == 3:  # the last three, all within the window: no budget is left
            assert self.account.latched
        self.was_latched |= self.account.latched is not None

    @rule()
    def recall_falls(self):
        self.account = latch(self.account, "recall_low")
        self.was_latched = True

    @rule()
    def a_person_acknowledges(self):
        self.account, self.was_latched, self.since_word = acknowledged(), False, []

    @invariant()
    def latched_until_acknowledged(self):
        assert (self.account.latched is not None) == self.was_latched


TestAnyClock = AnyClock.TestCase


@given(st.integers(1, 10), st.floats(60, 1e6))
def test_exactly_the_budget_is_borne(most, window):
    account = Account()
    for number in range(most):
        assert account.latched is None
        account = spend(account, Budget(most, window), number * window / (most + 1))
    assert account.latched == "leak_budget_spent"


@given(st.integers(2, 10), st.floats(60, 1e6))
def test_what_is_older_than_the_window_counts_no_more(most, window):
    account = Account()
    for number in range(5 * most):
        account = spend(account, Budget(most, window), 1.001 * number * window)
        assert account.latched is None


@given(times)
def test_a_disagreement_ahead_of_the_clock_counts(now):
    assert Account((now + 5.0,)).counting(Budget(1, 60.0), now) == (now + 5.0,)


@pytest.mark.parametrize(
    ("found", "looked", "bound"),
    # The one-sided bounds of scipy.stats.beta.ppf(0.05, found, looked - found + 1).
    [(100, 100, 0.970487), (98, 100, 0.938379), (9, 10, 0.605842), (1, 1, 0.05), (0, 20, 0.0)],
)
def test_the_bound_is_that_of_clopper_and_pearson(found, looked, bound):
    assert lower_bound(found, looked) == pytest.approx(bound, abs=1e-5)


@given(st.integers(1, WINDOW), st.data())
def test_the_bound_covers(looked, data):
    """With the bound as the true share, so many hits or more come in one of twenty, and no oftener."""
    found = data.draw(st.integers(1, looked))
    bound = lower_bound(found, looked)
    assert bound <= found / looked
    assert 1 - at_most(found - 1, looked, bound) == pytest.approx(0.05, abs=1e-6)


def results(text: str) -> Recall:
    recall = Recall()
    for letter in text:
        recall = recall.after(found=letter == "x")
    return recall


@pytest.mark.parametrize("good", [0, 10, 500])
def test_a_detector_that_breaks_is_known_by_its_first_misses(good):
    """However good the hours before were."""
    assert not results("x" * good + "-").too_low(0.9)
    assert results("x" * good + "-----").too_low(0.9)
    assert results("x" * good + "-x" * 10).too_low(0.9)


@given(st.lists(st.booleans(), max_size=150), st.integers(1, 5))
def test_hits_after_misses_clear_it(before, runs):
    recall = results("".join("x" if hit else "-" for hit in before))
    for _ in range(runs * WINDOW):
        recall = recall.after(found=True)
    assert not recall.too_low(0.9)


def test_one_miss_in_fifty_stops_nothing_over_a_month():
    """A canary each 30 s; the seed is fixed, the share of misses is that of a poor but working detector."""
    import random

    draw = random.Random(8)
    recall = Recall()
    for _ in range(20_000):
        recall = recall.after(found=draw.random() >= 0.02)
        assert not recall.too_low(0.9)


@given(st.floats(0.01, 1.0), st.lists(st.floats(0.001, 2.0), min_size=1, max_size=50))
def test_work_keeps_to_its_share(share, costs):
    pace, now, spent = Pace(share), 0.0, 0.0
    for cpu in costs:
        while not pace.due(now):
            now += 0.5
        pace.took(now, cpu)
        spent += cpu
    assert spent - costs[-1] <= share * now + 1e-6
