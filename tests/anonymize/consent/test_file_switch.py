"""A file as privacy switch: each way to lose it closes it."""

from __future__ import annotations

import contextlib
import os

import pytest

from edge.anonymize.consent.file import AbsentFileSwitch, FileSwitch
from edge.anonymize.consent.latch import Position
from edge.anonymize.consent.switch import PrivacySwitch
from tests.anonymize.switches import Clock, S, opened

NOBODY = 65534


@contextlib.contextmanager
def as_nobody():
    if os.geteuid() != 0:
        pytest.skip("needs root, which may read everything, to become somebody who may not")
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


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


def test_positions_say_when_they_were_interrupted(file):
    device = FileSwitch(file)
    assert device.read(0) == Position(open=True, interrupted=True)  # what was before is not known
    assert device.read(1) == Position(open=True, interrupted=False)
