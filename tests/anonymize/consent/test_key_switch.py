"""A key as privacy switch. The kernel's events come through a pipe: no input device can be made here."""

from __future__ import annotations

import os
import struct

import pytest

from edge.anonymize.consent.key import KeySwitch
from edge.anonymize.consent.switch import PrivacySwitch
from tests.anonymize.switches import Clock, S

KEY = 589
PRESS, RELEASE, REPEAT = 1, 0, 2


class Keyboard:
    def __init__(self, path):
        os.mkfifo(path)
        self.path = path
        self.end = os.open(path, os.O_RDWR | os.O_NONBLOCK)

    def send(self, value, code=KEY, kind=1):
        os.write(
            self.end, struct.pack("llHHi", 0, 0, kind, code, value) + struct.pack("llHHi", 0, 0, 0, 0, 0)
        )

    def unplug(self):
        os.close(self.end)


@pytest.fixture
def keyboard(tmp_path):
    return Keyboard(tmp_path / "event0")


@pytest.fixture
def by_key(keyboard):
    clock = Clock()
    return PrivacySwitch(KeySwitch(keyboard.path, KEY, S), S, clock=clock), clock


def hold(keyboard, switch, clock, seconds):
    keyboard.send(PRESS)
    switch.view()
    for _ in range(int(seconds * 4)):
        clock.wait(0.25)
        keyboard.send(REPEAT)
        switch.view()
    keyboard.send(RELEASE)
    return switch.view().why


def test_a_key_opens_when_held_and_closes_when_pressed(keyboard, by_key):
    switch, clock = by_key
    assert switch.view().why == "switch_closed"
    assert hold(keyboard, switch, clock, 0.5) == "switch_closed"
    assert hold(keyboard, switch, clock, 1.0) is None
    clock.wait(1.5)
    assert switch.view().why is None
    keyboard.send(PRESS)
    assert switch.view().why == "switch_closed"


def test_a_worn_key_that_presses_twice_does_not_open_again(keyboard, by_key):
    switch, clock = by_key
    assert hold(keyboard, switch, clock, 1.0) is None
    for value in (PRESS, RELEASE, PRESS):
        keyboard.send(value)
        clock.wait(0.01)
        assert switch.view().why == "switch_closed"
    clock.wait(1.9)
    assert switch.view().why == "switch_closed"


def test_presses_between_two_readings_close_whatever_their_number(keyboard, by_key):
    switch, clock = by_key
    assert hold(keyboard, switch, clock, 1.0) is None
    for value in (PRESS, RELEASE) * 4:
        keyboard.send(value)
    assert switch.view().why == "switch_closed"


def test_other_keys_do_nothing(keyboard, by_key):
    switch, clock = by_key
    keyboard.send(PRESS, code=30)
    assert switch.view().why == "switch_closed"
    assert hold(keyboard, switch, clock, 1.0) is None
    keyboard.send(PRESS, code=30)
    keyboard.send(PRESS, kind=5)
    assert switch.view().why is None


def test_events_that_the_kernel_lost_close(keyboard, by_key):
    switch, clock = by_key
    assert hold(keyboard, switch, clock, 1.0) is None
    keyboard.send(0, code=3, kind=0)  # SYN_DROPPED
    assert switch.view().why == "switch_closed"


def test_an_unplugged_keyboard_closes_and_stays_closed_when_it_is_back(keyboard, by_key):
    switch, clock = by_key
    assert hold(keyboard, switch, clock, 1.0) is None
    keyboard.unplug()
    assert switch.view().why == "switch_lost"
    keyboard.path.unlink()
    assert switch.view().why == "switch_lost"
    again = Keyboard(keyboard.path)
    clock.wait(1.5)
    assert switch.view().why == "switch_closed"
    assert hold(again, switch, clock, 1.0) is None
