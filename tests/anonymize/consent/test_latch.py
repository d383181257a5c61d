"""The rule of the privacy switch, over any course of readings."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from edge.anonymize.consent.latch import Latch, Position

MS = 1_000_000
AFTER = 1000 * MS
OPEN = Position(open=True)

readings = st.lists(
    st.tuples(
        st.sampled_from([1, 30, 250, 999, 1000, 1900, 2500]),  # ms since the one before
        st.sampled_from([OPEN] * 6 + [OPEN._replace(interrupted=True), Position(open=False), None]),
    ),
    min_size=1,
    max_size=30,
)  # fmt: skip


@given(readings)
def test_a_frame_is_shown_only_if_the_switch_stood_open_unbroken_long_before_it_and_ever_since(course):
    latch, now, past = Latch(AFTER), 10**12, []
    for gap, position in course:
        now += gap * MS
        view = latch.update(position, now)
        past.append((now, position))
        assert (view.open_since_ns is None) == (view.why is not None)
        if view.open_since_ns is None:
            continue
        assert view.open_since_ns <= now
        begun = view.open_since_ns - AFTER
        since = [(at, each) for at, each in past if at >= begun]
        assert since[0][0] == begun
        assert all(each is not None and each.open for _, each in since)
        assert not any(each.interrupted for at, each in since if at > begun)
        times = [at for at, _ in since]
        assert all(b - a <= 2000 * MS for a, b in pairwise(times))
        assert not view.shows(view.open_since_ns - 1)


def test_it_opens_after_its_time_and_closes_in_the_same_reading():
    latch = Latch(AFTER)
    assert latch.update(Position(open=True), 0).why == "switch_opening"
    assert latch.update(Position(open=True), AFTER - 1).why == "switch_opening"
    assert latch.update(Position(open=True), AFTER + 5).open_since_ns == AFTER
    assert latch.update(Position(open=False), AFTER + 6).why == "switch_closed"
    assert latch.update(Position(open=True), AFTER + 7).why == "switch_opening"


def test_a_switch_that_was_not_read_for_long_has_to_open_anew():
    latch = Latch(AFTER)
    for second in range(3):
        view = latch.update(Position(open=True), second * AFTER)
    assert view.why is None
    assert latch.update(Position(open=True), 7 * AFTER).why == "switch_opening"
