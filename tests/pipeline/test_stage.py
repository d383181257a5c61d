"""A stage survives its items, drops the oldest or waits, and its pulse tells a hang from idleness."""

from __future__ import annotations

import threading
import time

import pytest

from edge.pipeline.stage import Pulse, Stage


def _wait(true):
    end = time.monotonic() + 5
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture
def run():
    stages = []

    def make(work, **options):
        failures = []
        options = {
            "size": 2,
            "newest_wins": True,
            "failed": lambda item, error: failures.append(item),
        } | options
        stage = Stage("test", work, **options)
        stages.append(stage)
        stage.start()
        return stage, failures

    yield make
    for stage in stages:
        stage.stop(2)


def test_the_newest_frame_wins_and_the_drop_is_counted(run):
    gate, done, stale = threading.Event(), [], []

    def work(item):
        gate.wait(5)
        done.append(item)

    stage, _ = run(work, dropped=stale.append)
    stage.put(0)
    _wait(lambda: not stage.idle() and stage.waiting() == 0)
    for item in (1, 2, 3, 4):
        stage.put(item)
    gate.set()
    _wait(lambda: len(done) == 3)
    assert (done, stale, stage.drops) == ([0, 3, 4], [1, 2], 2)


def test_without_newest_wins_nothing_is_dropped(run):
    done = []

    def work(item):
        time.sleep(0.01)
        done.append(item)

    stage, _ = run(work, newest_wins=False)
    for item in range(20):
        stage.put(item)
    _wait(lambda: len(done) == 20)
    assert (done, stage.drops) == (list(range(20)), 0)


def test_a_bad_item_is_reported_and_the_next_is_done(run):
    done = []

    def work(item):
        if item == 1:
            raise ValueError("bad")
        done.append(item)

    stage, failures = run(work, size=8)
    for item in range(3):
        stage.put(item)
    _wait(lambda: done == [0, 2])
    assert failures == [1]


def test_idle_is_alive_and_waiting_input_without_output_is_not():
    waiting = [0]
    pulse = Pulse("p", lambda: waiting[0])
    now = time.monotonic()
    pulse.turn(moved=False)
    assert not pulse.stalled(now + 1, 30)
    waiting[0] = 3
    start = time.monotonic()
    while time.monotonic() - start < 0.3:
        pulse.turn(moved=False)
        time.sleep(0.01)
    assert pulse.stalled(time.monotonic(), 0.2)  # it turns, but nothing comes out
    pulse.turn(moved=True)
    assert not pulse.stalled(time.monotonic(), 0.2)


def test_a_loop_that_stands_still_is_stalled():
    pulse = Pulse("p", lambda: 0)
    assert pulse.stalled(time.monotonic() + 31, 30)
