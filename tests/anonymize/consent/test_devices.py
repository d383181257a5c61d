"""What stands behind the privacy switch: each way to lose it closes it."""

from __future__ import annotations

import contextlib
import os
import stat
import struct
import sys
from types import ModuleType, SimpleNamespace

import pytest

from edge.anonymize.consent.file import AbsentFileSwitch, FileSwitch
from edge.anonymize.consent.gpio import GpioSwitch, Lamp
from edge.anonymize.consent.key import KeySwitch
from edge.anonymize.consent.latch import Position
from edge.anonymize.consent.switch import PrivacySwitch, make_switch
from edge.settings import PrivacySwitch as Settings
from edge.settings import parse

S = 1_000_000_000
NOBODY = 65534


class Clock:
    """Monotonic, by hand."""

    def __init__(self):
        self.ns = 1000 * S

    def __call__(self):
        return self.ns

    def wait(self, seconds):
        self.ns += int(seconds * S)


def opened(switch, clock):
    """Wait until a switch that is turned to open counts as open."""
    assert switch.view().why == "switch_opening"
    clock.wait(1.0)
    assert switch.view().why is None


@contextlib.contextmanager
def as_nobody():
    if os.geteuid() != 0:
        pytest.skip("needs root, which may read everything, to become somebody who may not")
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


# --- a file


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "switch" / "camera"
    path.parent.mkdir()
    path.write_text("open\n")
    return path


@pytest.mark.parametrize("content", ["", "closed", "opened", "OPEN", "open and more words", "close open"])
def test_only_the_word_opens(file, content):
    clock = Clock()
    switch = PrivacySwitch(FileSwitch(file), S, clock=clock)
    opened(switch, clock)
    file.write_text(content)
    assert switch.view().why == "switch_closed"


def test_a_file_that_is_removed_closes(file):
    clock = Clock()
    switch = PrivacySwitch(FileSwitch(file), S, clock=clock)
    opened(switch, clock)
    file.unlink()
    assert switch.view().why == "switch_closed"
    file.write_text("open")
    opened(switch, clock)


def test_a_file_that_may_not_be_read_any_more_closes(file):
    clock = Clock()
    switch = PrivacySwitch(FileSwitch(file), S, clock=clock)
    file.parents[2].chmod(0o755)
    file.parents[1].chmod(0o755)
    opened(switch, clock)
    file.chmod(0)
    with as_nobody():
        assert switch.view().why == "switch_lost"


@pytest.mark.parametrize("put", [os.mkfifo, os.mkdir, lambda path: path.symlink_to(path)])
def test_what_is_no_file_closes_and_holds_nothing_up(file, put):
    file.unlink()
    put(file)
    assert PrivacySwitch(FileSwitch(file), S, clock=Clock()).view().why == "switch_lost"


def test_a_file_that_was_written_between_two_readings_counts_as_closed_in_between(file):
    clock = Clock()
    switch = PrivacySwitch(FileSwitch(file), S, clock=clock)
    opened(switch, clock)
    other = file.with_name("other")
    other.write_text("open")
    other.replace(file)  # as a program that closes and opens again would leave it
    assert switch.view().why == "switch_opening"


def test_a_file_that_opens_by_its_absence(file):
    clock = Clock()
    switch = PrivacySwitch(AbsentFileSwitch(file), S, clock=clock)
    assert switch.view().why == "switch_closed"
    file.unlink()
    opened(switch, clock)
    file.write_text("")
    file.unlink()
    assert switch.view().why == "switch_opening"  # it was there for a moment
    clock.wait(1)
    assert switch.view().why is None
    file.parent.chmod(0)
    with as_nobody():
        assert switch.view().why == "switch_lost"
    file.parent.chmod(0o700)
    opened(switch, clock)
    file.parent.rmdir()
    assert switch.view().why == "switch_lost"


# --- a key. The kernel's events come through a pipe: no input device can be made here.

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


# --- GPIO. A stand-in for the package gpiod: no GPIO chip, nor a simulated one, is here.


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


def test_a_lamp_that_cannot_be_lit_keeps_the_switch_closed(file, chip):
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


# --- the settings

CAMERA = '[[source]]\nname = "bedside"\nlooks_at = "scene"\nwhole_scene = true\n'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (CAMERA + 'consent = "signage"\n', 'expected consent_by = "who settled it'),
        (CAMERA + 'consent = "no_patient"\nconsent_by = "office"\n', 'expected looks_at = "film"'),
        (CAMERA + 'consent = "switch"\nconsent_by = "office"\n', "expected [privacy_switch] with kind ="),
        (CAMERA + 'consent = "yes"\n', "source.consent: expected 'none', 'no_patient'"),
        ('[privacy_switch]\nopen_after = "10 ms"\n', "privacy_switch.open_after: expected"),
    ],
)
def test_what_is_missing_for_consent_is_said(text, expected):
    with pytest.raises(Exception, match=r"edge\.toml:") as caught:
        parse(text)
    assert expected in str(caught.value)


def test_a_camera_without_consent_is_named_with_what_to_write():
    (said,) = parse(CAMERA).blind_sources()
    assert "bedside stays blind" in said
    assert 'consent = "signage"' in said
    assert "consent_by" in said
    told = 'consent = "switch"\nconsent_by = "office"\n'
    switch = '[privacy_switch]\nkind = "file"\n'
    assert parse(switch + CAMERA + told).blind_sources() == []


def test_the_switch_is_part_of_the_settings_that_receipts_name():
    assert (
        parse("").anonymization_digest() != parse('[privacy_switch]\nkind = "file"\n').anonymization_digest()
    )


def test_positions_say_when_they_were_interrupted(file):
    device = FileSwitch(file)
    assert device.read(0) == Position(open=True, interrupted=True)  # what was before is not known
    assert device.read(1) == Position(open=True, interrupted=False)
    assert stat.S_ISREG(file.stat().st_mode)
