"""The privacy switch and what leaves: nothing captured while closed, before, or in the delay line (F11).

What leaves is searched; each search has a control in which the switch stays open and the frames are found.
"""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from edge.anonymize.camera.anonymizer import CameraAnonymizer
from edge.anonymize.consent.sight import View
from edge.settings import Anonymize
from tests.anonymize.bedside import SOURCE, Bedside, marked, shown
from tests.anonymize.leaving import raw


@pytest.fixture
def bedside(tmp_path, detectors):
    return Bedside(tmp_path, detectors)


def test_control_with_the_switch_open_every_frame_is_shown(bedside):
    bedside.open_and_wait()
    bedside.frames(20)
    bedside.end()
    assert shown(bedside.out) == list(range(20))


def test_nothing_is_shown_before_the_switch_opens_and_of_the_time_before(bedside):
    bedside.frames(3)
    bedside.turn("open")
    bedside.frames(29)  # not yet a second
    assert {item.reason for item in bedside.out} == {"blind"}
    bedside.frames(8)
    bedside.end()
    assert shown(bedside.out) == list(
        range(34, 40)
    )  # from a second after the first frame at which it was open
    assert [item.index for item in bedside.out] == list(range(40))


def test_a_frame_captured_before_opening_that_comes_late_is_held_at_once(bedside):
    bedside.open_and_wait()
    (held,) = bedside.camera.push(raw(marked(0), 0, bedside.now_ns - 1))
    assert held.reason == "blind"


def test_closing_discards_the_delay_line(bedside):
    bedside.open_and_wait()
    bedside.frames(20)
    left = shown(bedside.out)
    assert left == list(range(len(left)))
    assert len(left) < 20  # some wait for their looks
    bedside.turn("closed")
    assert shown(bedside.frames(5) + bedside.end()) == []
    assert [item.index for item in bedside.out] == list(range(25))
    assert {item.reason for item in bedside.out[len(left) :]} == {"blind"}


def test_closing_while_no_frame_comes_discards_the_delay_line(bedside):
    bedside.open_and_wait()
    bedside.frames(20)
    bedside.turn("closed")
    held = bedside.camera.poll()
    assert len(held) >= 3
    assert {item.reason for item in held} == {"blind"}
    assert bedside.end() == []


def test_a_flap_between_two_frames_discards_the_delay_line_and_costs_a_second(bedside):
    bedside.open_and_wait()
    bedside.frames(20)
    left = len(shown(bedside.out))
    bedside.turn("closed")
    bedside.turn("open")
    after = bedside.frames(31)
    assert shown(after) == []
    assert {item.reason for item in after} == {"blind"}
    bedside.frames(9)
    bedside.end()
    assert shown(bedside.out)[left:] == list(range(51, 60))  # a second after frame 20, which saw it


def test_a_switch_that_flaps_all_the_time_shows_nothing(bedside):
    for _ in range(8):
        bedside.turn("open")
        bedside.frames(9)
        bedside.turn("closed")
        bedside.frames(1)
    bedside.end()
    assert shown(bedside.out) == []


def test_after_opening_again_no_look_of_before_counts(bedside):
    bedside.open_and_wait()
    bedside.frames(8)
    bedside.turn("closed")
    bedside.camera.poll()
    bedside.open_and_wait()
    assert bedside.camera._faces.state()[0] == []
    assert bedside.camera._texts.state()[0] == []
    assert shown(bedside.frames(1)) == []  # it waits for two looks after it
    bedside.frames(9)
    bedside.end()
    assert shown(bedside.out)[-10:] == list(range(8, 18))


def test_a_look_under_way_when_the_switch_closes_counts_for_nothing(tmp_path, detectors):
    """In a thread of its own, held up until the switch is open again."""
    armed, begun, go_on = threading.Event(), threading.Event(), threading.Event()

    class Slow:
        name, sha256 = detectors.faces.name, detectors.faces.sha256

        def find(self, image, width):
            if armed.is_set():  # the self-test is done
                begun.set()
                go_on.wait(20)
            return detectors.faces.find(image, width)

    views = [View(1)]
    camera = CameraAnonymizer(SOURCE, Anonymize(), replace(detectors, faces=Slow()), sight=lambda: views[0])
    armed.set()
    camera.push(raw(marked(0), 0, 100))
    assert begun.wait(20)
    views[0] = View(None, "switch_closed")
    camera.poll()
    views[0] = View(200)
    camera.poll()
    go_on.set()
    camera._faces.wait(20)
    assert camera._faces.state() == ([], False)
    camera.close()


def test_a_switch_that_closes_while_a_frame_is_cleaned_keeps_it(bedside, monkeypatch):
    bedside.open_and_wait()
    clean = bedside.camera._clean

    def closing(*args):
        bedside.turn("closed")
        return clean(*args)

    monkeypatch.setattr(bedside.camera, "_clean", closing)
    bedside.frames(20)
    assert shown(bedside.out) == []
    assert len(bedside.out) > 0
