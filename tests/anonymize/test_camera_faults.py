"""Faults of time in a running camera: what leaves is searched pixel by pixel for the planted face (F1).

Each search has its control: with anonymization off the same search finds the face in every frame.
"""

from __future__ import annotations

import threading
import time

import pytest

from edge.anonymize.camera.anonymizer import _MAX_PENDING, CameraAnonymizer
from edge.imaging.frames import CleanFrame
from edge.messages import Suppressed
from edge.pipeline.figures import Figures
from edge.pipeline.live import LivePath
from edge.settings import Anonymize
from tests.anonymize.faulty import FRAME_NS, RIM, SOURCE, clean, replayed, with_fault
from tests.anonymize.leaving import control_finds_all, leaks, moving, raw


@pytest.fixture(scope="module")
def rimmed(face):
    made = face.copy()
    made[:4], made[-4:], made[:, :4], made[:, -4:] = RIM, RIM, RIM, RIM
    return made


@pytest.fixture(scope="module")
def scenes(rimmed):
    made = list(moving(rimmed, 60, 5))
    assert control_finds_all(made)
    return made


def live(camera, scenes):
    """Every frame in its own time; what came out."""
    out = []
    for i, (scene, _) in enumerate(scenes):
        out += camera.push(raw(scene, i, time.monotonic_ns()))
        time.sleep(FRAME_NS / 1e9)
    out += camera.flush()
    camera.close()
    assert [item.index for item in out] == list(range(len(scenes)))
    return out


def ages(out):
    return [
        age
        for item in clean(out)
        for use in item.receipt.detectors
        if use.name == "edge-faces-1"
        for age in (use.before_ms, use.after_ms)
    ]


def test_a_detector_that_stalls_for_half_a_second_costs_frames_and_never_freshness(detectors, scenes):
    stalled = with_fault(detectors, lambda look: time.sleep(0.5 if look == 6 else 0))
    out = live(CameraAnonymizer(SOURCE, Anonymize(), stalled), scenes)
    assert leaks(out, scenes) == []
    assert all(0 <= age <= 500 for age in ages(out))
    held = {item.index: item.reason for item in out if not isinstance(item, CleanFrame)}
    # The stalled look is that at frame 15: no look later than it is there within the delay of 400 ms.
    assert held[15] in {"no_bracket", "detector_late"}


@pytest.mark.parametrize("takes", [0.15, 0.6])
def test_a_detector_slower_than_its_interval_costs_frames_and_never_freshness(detectors, scenes, takes):
    slow = with_fault(detectors, lambda _: time.sleep(takes))
    out = live(CameraAnonymizer(SOURCE, Anonymize(face_interval="100 ms"), slow), scenes[:40])
    assert leaks(out, scenes) == []
    assert all(0 <= age <= 500 for age in ages(out))
    if takes >= 0.4:  # as long as a frame may wait
        assert clean(out) == []


@pytest.mark.parametrize("bounded", [True, False])
def test_what_a_slow_detector_would_leak_is_held_by_the_bound_on_freshness(detectors, rimmed, bounded):
    """Between two looks at one place the face was at another; without the bound, the control, it is shown."""
    visits = [next(moving(rimmed, 1, start=440 if 2 <= i <= 4 else 20)) for i in range(30)]
    settings = Anonymize() if bounded else Anonymize(delay="60 s", max_detection_age="60 s")
    slow = with_fault(detectors, lambda _: time.sleep(0.6))
    out = live(CameraAnonymizer(SOURCE, settings, slow), visits)
    assert bool(leaks(out, visits)) != bounded
    assert bool(clean(out)) != bounded


def test_the_same_frames_leave_when_the_detector_keeps_its_interval(detectors, scenes):
    camera = CameraAnonymizer(SOURCE, Anonymize(), with_fault(detectors, lambda _: None), realtime=False)
    out = replayed(camera, scenes)
    assert len(clean(out)) == len(scenes)
    assert leaks(out, scenes) == []


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_detector_thread_that_dies_lets_nothing_out_from_then_on(detectors, scenes):
    def dying(look):
        if look == 3:
            raise SystemExit

    out = live(CameraAnonymizer(SOURCE, Anonymize(), with_fault(detectors, dying)), scenes[:40])
    assert leaks(out, scenes) == []
    # Frame 6 is that of the third look: no frame from there on has been looked at.
    assert [item.index for item in clean(out) if item.index >= 6] == []
    assert "detector_failed" in {item.reason for item in out if not isinstance(item, CleanFrame)}


def test_a_full_delay_line_holds_frames_back_and_shows_none(detectors, scenes):
    go_on = threading.Event()
    blocked = with_fault(detectors, lambda _: go_on.wait(30))
    camera = CameraAnonymizer(SOURCE, Anonymize(delay="60 s"), blocked)
    many = [scenes[i % len(scenes)] for i in range(150)]
    out = []
    for i, (scene, _) in enumerate(many):
        out += camera.push(raw(scene, i, i * FRAME_NS))
        assert len(camera._pending) <= _MAX_PENDING
    assert [item.index for item in out] == list(range(150 - _MAX_PENDING))
    assert clean(out) == []
    go_on.set()
    out += camera.flush()
    camera.close()
    assert [item.index for item in out] == list(range(150))
    assert leaks(out, many) == []


def test_a_full_queue_drops_frames_gives_their_buffers_back_and_shows_none(detectors, scenes):
    """More frames than the path can take, at once: the newest win, each other one is counted."""
    begun, go_on = threading.Event(), threading.Event()
    camera = CameraAnonymizer(SOURCE, Anonymize(), with_fault(detectors, lambda _: None))
    given, left = [], []

    class Gates:
        def before(self, frame, *, camera):
            begun.set()
            go_on.wait(30)
            return "any"

        def hold(self, frame, stage, reason, receipt=None):
            return Suppressed(frame=frame.index, captured_ms=0, stage=stage, reason=reason)

    path = LivePath("cam", Gates(), camera, None, Figures(), realtime=True)
    path._classify.put = lambda item: left.append(item[0])
    path.start()
    for i, (scene, _) in enumerate(scenes[:30]):
        path.put(raw(scene, i, time.monotonic_ns(), release=lambda i=i: given.append(i)))
        if i == 0:
            assert begun.wait(30)
    go_on.set()
    while not path._anonymize.idle():
        time.sleep(0.01)
    path.stop(10)
    assert path._batch.dropped == 25  # one under way, four wait
    assert sorted(given) == list(range(30))
    assert leaks(left, scenes) == []


@pytest.mark.parametrize("by_s", [3600.0, -3600.0, 0.45])
def test_a_stepped_clock_shows_no_face(detectors, scenes, by_s):
    """The monotonic clock itself steps, which it never should; capture's stamps are of before the step."""
    offset = [0]
    camera = CameraAnonymizer(
        SOURCE,
        Anonymize(),
        with_fault(detectors, lambda _: None),
        clock=lambda: time.monotonic_ns() + offset[0],
    )
    out = []
    for i, (scene, _) in enumerate(scenes[:30]):
        if i == 15:
            offset[0] = int(by_s * 1e9)
        out += camera.push(raw(scene, i, time.monotonic_ns()))
        time.sleep(FRAME_NS / 1e9)
    out += camera.flush()
    camera.close()
    assert leaks(out, scenes) == []
    assert all(0 <= age <= 500 for age in ages(out))


def test_a_stepped_wall_clock_changes_nothing(detectors, scenes, monkeypatch):
    def step(index):
        if index == 8:
            monkeypatch.setattr(time, "time", lambda: 0.0)
            monkeypatch.setattr(time, "time_ns", lambda: 0)

    camera = CameraAnonymizer(SOURCE, Anonymize(), with_fault(detectors, lambda _: None), realtime=False)
    out = replayed(camera, scenes[:20], step)
    assert len(clean(out)) == 20
    assert leaks(out, scenes) == []
