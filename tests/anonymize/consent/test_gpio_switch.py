"""A GPIO line as privacy switch. A stand-in for the package gpiod: no chip, nor a simulated one, is here."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import pytest

from edge.anonymize.consent.file import FileSwitch
from edge.anonymize.consent.gpio import GpioSwitch, Lamp
from edge.anonymize.consent.switch import PrivacySwitch, make_switch
from edge.settings import PrivacySwitch as Settings
from tests.anonymize.switches import Clock, S, opened


class Chip:
    """One chip: levels of its lines, the edges queued for who asked for them, and what was asked."""

    def __init__(self):
        self.levels, self.edges, self.asked, self.there = {4: False, 7: False}, [], {}, True

    def set(self, line, level):
        if self.levels[line] != level:
            self.levels[line] = level
            self.edges.append(line)

    def request_lines(self, path, config, consumer):
        assert path == "/dev/gpiochip0"
        assert consumer
        if not self.there:
            raise FileNotFoundError(2, "No such file or directory")
        ((line, settings),) = config.items()
        self.asked[line] = settings
        return Request(self, line)


class Request:
    def __init__(self, chip, line):
        self.chip, self.line, self.released = chip, line, False

    def _check(self, line):
        assert not self.released
        if not self.chip.there:
            raise OSError(19, "No such device")
        assert line == self.line

    def wait_edge_events(self, timeout):
        self._check(self.line)
        assert timeout == 0
        return self.line in self.chip.edges

    def read_edge_events(self):
        found = [each for each in self.chip.edges if each == self.line]
        self.chip.edges = [each for each in self.chip.edges if each != self.line]
        return found

    def get_value(self, line):
        self._check(line)
        return int(self.chip.levels[line])

    def set_value(self, line, value):
        self._check(line)
        self.chip.levels[line] = bool(value)

    def release(self):
        self.released = True


def enum(*names):
    return SimpleNamespace(**{name: number for number, name in enumerate(names)})


@pytest.fixture
def chip(monkeypatch):
    chip = Chip()
    gpiod = ModuleType("gpiod")
    gpiod.line = SimpleNamespace(
        Direction=enum("AS_IS", "INPUT", "OUTPUT"),
        Edge=enum("NONE", "RISING", "FALLING", "BOTH"),
        Bias=enum("AS_IS", "DISABLED", "PULL_UP", "PULL_DOWN"),
        Value=enum("INACTIVE", "ACTIVE"),
    )
    gpiod.LineSettings = SimpleNamespace
    gpiod.request_lines = chip.request_lines
    monkeypatch.setitem(sys.modules, "gpiod", gpiod)
    return chip


def by_gpio(clock):
    settings = Settings(kind="gpio", path="/dev/gpiochip0", gpio_line=4, lamp="/dev/gpiochip0", lamp_line=7)
    switch = make_switch(settings)
    switch._clock = clock
    return switch


def test_a_line_opens_and_closes_and_the_lamp_shows_it(chip):
    clock = Clock()
    switch = by_gpio(clock)
    assert switch.view().why == "switch_closed"
    chip.set(4, True)
    opened(switch, clock)
    assert chip.levels[7]
    chip.set(4, False)
    assert switch.view().why == "switch_closed"
    assert not chip.levels[7]
    chip.set(4, True)
    opened(switch, clock)
    switch.close()
    assert not chip.levels[7]


@pytest.mark.parametrize("active_low", [True, False])
def test_a_cut_wire_is_biased_to_closed(chip, active_low):
    GpioSwitch("/dev/gpiochip0", 4, active_low=active_low).read(0)
    asked = chip.asked[4]
    # An inactive line is a closed switch: high if it is active low.
    bias = sys.modules["gpiod"].line.Bias
    assert asked.bias == (bias.PULL_UP if active_low else bias.PULL_DOWN)
    assert asked.active_low == active_low


def test_a_line_that_flapped_between_two_readings_was_closed(chip):
    clock = Clock()
    switch = by_gpio(clock)
    chip.set(4, True)
    opened(switch, clock)
    chip.set(4, False)
    chip.set(4, True)
    assert switch.view().why == "switch_opening"
    assert not chip.levels[7]


def test_a_chip_that_goes_closes_and_comes_back(chip):
    clock = Clock()
    switch = by_gpio(clock)
    chip.set(4, True)
    opened(switch, clock)
    chip.there = False
    assert switch.view().why == "switch_lost"
    assert switch.view().why == "switch_lost"
    chip.there = True
    chip.edges.clear()
    opened(switch, clock)


def test_a_lamp_that_cannot_be_lit_keeps_the_switch_closed(tmp_path, chip):
    file = tmp_path / "switch"
    file.write_text("open")
    clock = Clock()
    switch = PrivacySwitch(FileSwitch(file), S, Lamp("/dev/gpiochip0", 7), clock)
    opened(switch, clock)
    chip.there = False
    assert switch.view().why == "switch_lost"
    chip.there = True
    chip.levels[7] = False
    opened(switch, clock)
    assert chip.levels[7]


def test_without_the_binding_the_switch_is_lost(monkeypatch):
    monkeypatch.setitem(sys.modules, "gpiod", None)
    assert by_gpio(Clock()).view().why == "switch_lost"


def test_the_real_binding_takes_what_is_asked_of_it():
    """Names and arguments against gpiod itself; that a line moves needs a chip."""
    gpiod = pytest.importorskip("gpiod", reason="needs gpiod (the extra 'jetson')")
    switch = GpioSwitch("/dev/null", 4, active_low=True)
    with pytest.raises((OSError, ValueError)):  # no chip, and not an unknown argument
        switch.read(0)
    with pytest.raises((OSError, ValueError)):
        Lamp("/dev/null", 7).show(lit=True)
    for name in ("wait_edge_events", "read_edge_events", "get_value", "set_value", "release"):
        assert callable(getattr(gpiod.LineRequest, name))
    assert by_gpio(Clock()).view().why == "switch_lost"
