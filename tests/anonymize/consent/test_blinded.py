"""The privacy switch and what leaves: nothing captured while it is closed, before, or in the delay line (F9).

What leaves is searched; each search has a control in which the switch stays open and the frames are found.
"""

from __future__ import annotations

import re
import threading
from dataclasses import replace

import cv2
import numpy as np
import pytest

from edge import daemon
from edge.anonymize.camera.anonymizer import CameraAnonymizer
from edge.anonymize.consent.file import FileSwitch
from edge.anonymize.consent.sight import View, sight_of
from edge.anonymize.consent.switch import PrivacySwitch
from edge.anonymize.gate import Held
from edge.imaging.frames import CleanFrame
from edge.messages import Finding, Head, LabelChange, SourceHealth
from edge.pipeline.figures import Figures
from edge.pipeline.gates import Gates
from edge.pipeline.live import LivePath
from edge.pipeline.receipts import ReceiptMaker
from edge.settings import Anonymize, Quality, Source
from edge.wire import codec
from edge.wire.keys import SigningKey
from tests.anonymize.leaving import raw

S, FRAME_NS = 1_000_000_000, 33_333_333
SOURCE = Source(
    name="cam", looks_at="scene", whole_scene=True, consent="switch", consent_by="data protection office"
)


class Bedside:
    """A camera by its switch, a file, on one clock; a frame each thirtieth of a second."""

    def __init__(self, tmp_path, detectors):
        self.file = tmp_path / "switch"
        self.now_ns = 1000 * S
        self.index = 0
        self.switch = PrivacySwitch(FileSwitch(self.file), S, clock=lambda: self.now_ns)
        self.camera = CameraAnonymizer(
            SOURCE, Anonymize(), detectors, realtime=False, clock=lambda: self.now_ns,
            sight=sight_of(SOURCE, self.switch),
        )  # fmt: skip
        self.out = []

    def turn(self, to):
        if to == "open":
            self.file.write_text(to)
        else:
            self.file.unlink(missing_ok=True)

    def open_and_wait(self):
        self.turn("open")
        self.switch.view()
        self.now_ns += S
        assert self.switch.view().why is None

    def frames(self, count):
        """Frames that each carry their number; what comes out."""
        out = []
        for _ in range(count):
            self.now_ns += FRAME_NS
            out += self.camera.push(raw(marked(self.index), self.index, self.now_ns))
            self.index += 1
        self.out += out
        return out

    def end(self):
        out = self.camera.flush()
        self.camera.close()
        self.out += out
        return out


TEXTURE = cv2.resize(np.random.default_rng(1).integers(30, 70, (9, 16, 3)).astype(np.uint8), (320, 180))


def marked(index):
    """A scene that is lighter all over with each frame: its light is the frame's number."""
    return TEXTURE + np.uint8(2 * index)


def shown(outcomes):
    """Numbers of the frames that left, read from their pixels."""
    clean = [item.pixels.astype(int) for item in outcomes if isinstance(item, CleanFrame)]
    return [int(np.median(pixels - TEXTURE)) // 2 for pixels in clean]


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


# --- from the gate to the wire


class Office:
    """Stands for the post: keeps each body as the bytes that would be sealed."""

    def __init__(self):
        self.receipts = ReceiptMaker(SigningKey.generate(), "0", b"b" * 32, b"s" * 32)
        self.sent = []

    def send(self, stream, build, **_):

        head = Head(
            site="s",
            device="d",
            stream=stream,
            epoch=b"e" * 16,
            seq=len(self.sent) + 1,
            made_ms=0,
            clock="trusted",
        )
        self.sent.append(codec.encode(build(head)))
        return len(self.sent)


class Reader:
    """A classifier that says the frame's number, as a finding would say what was seen in it."""

    label = "seen"

    def classify(self, frame, group):
        (number,) = shown([frame])
        return Finding(
            frame=number, captured_ms=0, modality="OT", body_part="", probabilities={self.label: 1.0},
            label=self.label, abstained=None, cam=f"seen-{number};".encode(), cam_shape=(0, 0),
            model=b"m" * 32, bundle=b"b" * 32, engine="onnxruntime-cpu", receipt=frame.receipt,
        )  # fmt: skip


@pytest.fixture
def path(bedside):
    gates = Gates(Quality(min_spread=0, min_sharpness=0, max_noise=2), (), Reader(), Figures())
    gates.group_of = lambda _: "any"
    office = Office()
    live = LivePath("cam", gates, bedside.camera, office, Figures(), realtime=True, sight=bedside.switch.view)
    live._classify.put = live._finish  # one thread, so that the test says when
    return live, office


def feed(live, bedside, count):
    for _ in range(count):
        bedside.now_ns += FRAME_NS
        live._take(raw(marked(bedside.index), bedside.index, bedside.now_ns))
        bedside.index += 1


def said(office):
    """Numbers of the frames of which anything is said in the bytes that would be sealed."""
    return sorted({int(number) for body in office.sent for number in re.findall(rb"seen-(\d+)", body)})


def test_control_findings_leave_while_the_switch_is_open(bedside, path):
    live, office = path
    bedside.open_and_wait()
    feed(live, bedside, 12)
    live.publish()
    assert len(said(office)) >= 5


def test_closing_takes_back_what_was_found_in_this_second(bedside, path):
    live, office = path
    bedside.open_and_wait()
    feed(live, bedside, 12)
    bedside.turn("closed")
    live.publish()
    assert said(office) == []
    (body,) = [codec.decode(each) for each in office.sent]
    assert body.findings == []
    assert body.suppressed["blind"] >= 5


def changes(office):
    bodies = [codec.decode(each) for each in office.sent]
    return [(body.before, body.after) for body in bodies if isinstance(body, LabelChange)]


def test_the_smoothed_label_starts_anew_and_says_nothing_of_before(bedside, path, monkeypatch):
    live, office = path
    bedside.open_and_wait()
    feed(live, bedside, 40)
    assert changes(office) == [(None, "seen")]
    bedside.turn("closed")
    feed(live, bedside, 1)
    bedside.open_and_wait()
    monkeypatch.setattr(Reader, "label", "other")
    feed(live, bedside, 40)
    assert changes(office)[1:] == [(None, "other")]


def test_a_frame_of_a_blind_camera_is_not_even_judged_by_its_quality(bedside, path):
    live, office = path
    bedside.now_ns += FRAME_NS
    live._take(raw(np.zeros((180, 320, 3), np.uint8), 0, bedside.now_ns))
    live.publish()
    (body,) = [codec.decode(each) for each in office.sent]
    assert body.suppressed == {"blind": 1}


# --- and it is seen


def test_the_state_says_why_a_source_is_blind():
    health = SourceHealth(name="cam", state="running", last_frame_age_ms=3, frames=1, dropped=0)
    told = daemon._with_sight(health, View(None, "switch_closed"))
    assert (told.state, told.blind) == ("blind", "switch_closed")
    assert daemon._in_words(told) == "blind (switch closed)"
    assert daemon._with_sight(health, View(5)) == health
    failed = daemon._with_sight(health.model_copy(update={"state": "failed"}), View(None, "switch_lost"))
    assert daemon._in_words(failed) == "failed (switch lost)"


def test_each_consent_mode_sees_or_does_not(bedside):
    told = {"name": "cam", "looks_at": "monitor", "consent_by": "office"}
    closed, open_ = (
        type("S", (), {"view": lambda _, v=v: v})() for v in (View(None, "switch_closed"), View(7))
    )
    for mode in ("no_patient", "signage", "written", "switch"):
        source = Source(**told, consent=mode)
        assert sight_of(source, open_)() == View(7)
        assert sight_of(source, closed)().why == "switch_closed"  # the switch blinds in every mode
        assert sight_of(source)().why == ("switch_lost" if mode == "switch" else None)
    assert sight_of(Source(**told), open_)().why == "consent"
    assert sight_of(Source(**{**told, "looks_at": "nothing"}, consent="signage"), open_)().why == "view"
    assert sight_of(Source(name="v", kind="video", looks_at="monitor"), closed)().why is None  # no camera
    assert sight_of(Source(name="f", kind="folder"), closed)().why is None
    assert isinstance(bedside.camera.push(raw(marked(0), 0, 1))[0], Held)
