"""The privacy switch and findings on their way to the wire; and where its state is seen (F11)."""

from __future__ import annotations

import re

import numpy as np
import pytest

from edge import daemon
from edge.anonymize.consent.sight import View, sight_of
from edge.anonymize.gate import Held
from edge.messages import Finding, Head, LabelChange, SourceHealth
from edge.pipeline.figures import Figures
from edge.pipeline.gates import Gates
from edge.pipeline.live import LivePath
from edge.pipeline.receipts import ReceiptMaker
from edge.settings import Quality, Source
from edge.wire import codec
from edge.wire.keys import SigningKey
from tests.anonymize.bedside import FRAME_NS, Bedside, marked, shown
from tests.anonymize.leaving import passed_through, raw


@pytest.fixture
def bedside(tmp_path, detectors):
    return Bedside(tmp_path, detectors)


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
    assert sight_of(Source(name="g", looks_at="screen"), closed)().why is None  # a grabber of a scanner
    assert isinstance(bedside.camera.push(raw(marked(0), 0, 1))[0], Held)


def test_the_finding_of_a_released_frame_is_sealed_before_its_answer_and_waits_in_no_queue(path):
    live, office = path

    def no_queue(item):
        raise AssertionError("a full queue would drop it")

    live._classify.put = no_queue
    frame = raw(marked(7), 7, FRAME_NS)
    (clean,) = passed_through([(marked(7), None)])
    assert live.again(frame, lambda _: clean) is None
    assert said(office) == [7]
    office.send = refused
    with pytest.raises(OSError, match="full"):
        live.again(frame, lambda _: clean)


def refused(*_, **__):
    raise OSError(28, "full")
