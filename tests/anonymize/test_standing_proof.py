"""Canary and second look with real detectors, healthy and broken for real (T13, F9, F10): what leaves."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import cv2
import numpy as np
import pytest

from edge.anonymize import models
from edge.anonymize.camera.anonymizer import CameraAnonymizer
from edge.anonymize.faces.rotation_free import RotationFreeDetector
from edge.anonymize.gate import Held
from edge.anonymize.geometry import Box
from edge.anonymize.proof import planting
from edge.anonymize.proof.canary import Canary, Material, Result
from edge.anonymize.proof.examiner import Examiner
from edge.anonymize.proof.second_look import SecondLook, explained
from edge.anonymize.self_test import SelfTest
from edge.imaging.frames import Acquisition, CleanFrame, RawFrame
from edge.settings import Anonymize, Proof, Source
from tests.anonymize.scenes import film

SCENE = Source(name="cam", kind="video", looks_at="scene", whole_scene=True)
FRAME_NS = 33_333_333


def room(seed=3, size=(360, 640)):
    """A room without anybody: soft shapes and the noise of a sensor."""
    rng = np.random.default_rng(seed)
    soft = rng.integers(50, 150, (9, 16, 3)).astype(np.uint8)
    ground = cv2.resize(soft, size[::-1], interpolation=cv2.INTER_CUBIC).astype(np.float32)
    return np.clip(ground + rng.normal(0, 3, ground.shape), 0, 255).astype(np.uint8)


def with_face(face, x=250, y=120, side=120):
    scene = room()
    scene[y : y + side, x : x + side] = cv2.resize(face, (side, side), interpolation=cv2.INTER_CUBIC)
    return scene


class Blinded:
    """A detector whose weights were put to nought: it runs, and finds nothing."""

    def __init__(self, real):
        self._real, self.name, self.sha256 = real, real.name, real.sha256

    def find(self, image, *how):
        self._real.find(image, *how)
        return []

    def find_beside(self, image, lines):
        return []

    def glance(self, image, side):
        self._real.glance(image, side)
        return []


def silenced():
    """The shipped face detector's own file with its last layer's bias so low that no score is reached."""
    onnx = pytest.importorskip("onnx")
    weights = models.load(models.ROTATION_FREE)
    graph = onnx.load_from_string(weights.data)
    last = next(node for node in reversed(graph.graph.node) if node.op_type == "Conv")
    bias = next(each for each in graph.graph.initializer if each.name == last.input[2])
    values = onnx.numpy_helper.to_array(bias).copy()
    values[0] = -1000  # the logit of a face's centre
    bias.CopyFrom(onnx.numpy_helper.from_array(values, bias.name))
    return RotationFreeDetector(replace(weights, data=graph.SerializeToString()))


class Passing(SelfTest):
    """A self-test that was passed just before the detector broke."""

    def run_if_due(self, now_ns):
        self._reason, self._ran_ns = None, now_ns


def canary(detectors, source=SCENE, self_test=SelfTest, key=7):
    tested = self_test(detectors, 600, Anonymize().face_width)
    tested.run_if_due(time.monotonic_ns())
    return Canary(source, Anonymize(), detectors, tested, key)


def test_canaries_differ_and_can_be_drawn_again():
    scene = room()
    area = np.array([[0, 0], [640, 0], [640, 360], [0, 360]], np.float32)
    drawn = [planting.plant(scene, area, [], planting.generator(5, number)) for number in (1, 2, 1)]
    assert np.array_equal(drawn[0].pixels, drawn[2].pixels)
    assert not np.array_equal(drawn[0].pixels, drawn[1].pixels)
    for each in drawn:
        assert (each.face > 127).any()
        assert (each.text > 127).any()
        assert not ((each.face > 127) & (each.text > 127)).any()
        assert not np.array_equal(each.pixels, scene)


def test_nothing_is_planted_where_it_would_be_masked_anyway():
    scene, wide = room(), Box(0, 0, 640, 200)
    area = np.array([[0, 0], [640, 0], [640, 360], [0, 360]], np.float32)
    for number in range(20):
        each = planting.plant(scene, area, [wide], planting.generator(5, number))
        assert np.array_equal(each.pixels[:200], scene[:200])
    nowhere = planting.plant(scene, area, [Box(0, 0, 640, 360)], planting.generator(5, 1))
    assert (nowhere.face, nowhere.text) == (None, None)


@pytest.mark.parametrize(
    ("source", "scene"),
    [
        (SCENE, room()),
        (Source(name="cam", kind="video", looks_at="scene", keep=(0.2, 0.2, 0.9, 0.9)), room()),
        (Source(name="cam", kind="video", looks_at="film"), film(6)),
        (
            Source(name="cam", looks_at="scene", whole_scene=True, consent="switch", consent_by="the ward"),
            room(),
        ),
    ],
    ids=["scene", "keep-region", "film", "consent by the switch"],
)
def test_healthy_detectors_cover_their_canaries(detectors, source, scene):
    singer = canary(detectors, source)
    results = [singer.sing(Material(scene, 0, [])) for _ in range(6)]
    told = [covered for result in results for covered in (result.face, result.text)]
    assert told.count(True) >= 4
    assert told.count(False) == 0


def test_what_masks_do_not_cover_is_a_miss(detectors):
    """The detectors look and find nothing: each canary is missed, faces and texts, which take turns."""
    blinded = replace(detectors, faces=Blinded(detectors.faces), any_script=Blinded(detectors.any_script))
    singer = canary(blinded, self_test=Passing)
    assert [singer.sing(Material(room(), 0, [])) for _ in range(2)] == [
        Result(face=False),
        Result(text=False),
    ]


def test_a_text_mask_over_a_face_is_no_find_of_the_face_detector(detectors):
    class Everywhere(Blinded):
        def glance(self, image, side):
            return [Box(0, 0, image.shape[1], image.shape[0])]

    wide = replace(detectors, faces=Blinded(detectors.faces), any_script=Everywhere(detectors.any_script))
    assert canary(wide, self_test=Passing).sing(Material(room(), 0, [])) == Result(face=False)


def test_a_frame_that_is_held_back_proves_nothing(detectors):
    class Broken(Blinded):
        def find(self, image, width=0, within=None):
            raise models.DetectorUnavailable("broken")

    singer = canary(replace(detectors, faces=Broken(detectors.faces)), self_test=Passing)
    assert singer.sing(Material(room(), 0, [])) == Result()


def test_the_second_look_objects_to_a_bare_face_alone(detectors, face):
    look = SecondLook(detectors.second, Proof().second_score)
    scene = with_face(face)
    (found,) = look.objections(scene)
    assert found.overlap(Box(280, 160, 340, 235)) > 0.3
    masked = scene.copy()
    masked[138:225, 278:342] = 0  # hair, ears and collar are still there
    assert look.objections(masked) == []
    assert look.objections(room()) == []


def test_a_find_on_fill_is_explained():
    pixels = np.full((100, 100, 3), 90, np.uint8)
    pixels[20:60, 20:60] = 0
    assert explained(Box(15, 15, 65, 65), pixels)
    assert not explained(Box(45, 45, 95, 95), pixels)
    assert explained(Box(300, 300, 320, 320), pixels)
    assert not explained(Box(50, 50, 90, 90), pixels[:, :, 0])


class Consequences:
    """Latches at the first word, as a budget of one would."""

    def __init__(self):
        self.cause, self.frames, self.said = None, [], threading.Event()

    def stopped(self, source):
        return self.cause

    def objected(self, source, frame):
        self.frames.append(frame)
        self.cause = "leak_budget_spent"
        self.said.set()

    def recall_fell(self, source):
        self.cause = self.cause or "recall_low"
        self.said.set()


class Meter:
    def __init__(self):
        self.counts = {}

    def count(self, name, by=1):
        self.counts[name] = self.counts.get(name, 0) + by

    def took(self, stage, seconds):
        self.count(stage, seconds)


class Service:
    """One camera with its standing proof, fed with frames until something is said or enough is seen."""

    def __init__(self, detectors, proof, *, passing=False):
        self.consequences, self.meter = Consequences(), Meter()
        self.examiner = Examiner(Anonymize(), proof, detectors, self.consequences, self.meter)
        self.watch = self.examiner.watch(SCENE)
        tested = (Passing if passing else SelfTest)(detectors, 600, Anonymize().face_width)
        tested.run_if_due(time.monotonic_ns())
        self.camera = CameraAnonymizer(
            SCENE, Anonymize(), detectors, realtime=False, self_test=tested, witness=self.watch
        )
        self.index = 0

    def feed(self, pixels, count):
        out = []
        for _ in range(count):
            out += self.camera.push(
                RawFrame(pixels, "cam", self.index, self.index * FRAME_NS, 0, Acquisition())
            )
            self.index += 1
        return out

    def until_said(self, pixels, seconds=240):
        end = time.monotonic() + seconds
        while not self.consequences.said.is_set():
            assert time.monotonic() < end, self.meter.counts
            self.feed(pixels, 3)
            self.consequences.said.wait(0.2)

    def stop(self):
        self.camera.close()
        self.examiner.stop()


@pytest.fixture
def service():
    running = []

    def start(*args, **options):
        running.append(Service(*args, **options))
        return running[-1]

    yield start
    for each in running:
        each.stop()


NO_SECOND_LOOK = Proof(canary_every="1 s", second_share=1e-6)
NO_CANARY = Proof(canary_every="1 h", second_share=1.0)


def test_the_canary_finds_out_a_silenced_detector(detectors, service):
    """The real file with one number changed: it runs, it is fast, it finds nothing."""
    box = service(replace(detectors, faces=silenced()), NO_SECOND_LOOK, passing=True)
    assert any(isinstance(item, CleanFrame) for item in box.feed(room(), 12))  # so far nobody knows
    box.until_said(room())
    assert box.consequences.cause == "recall_low"
    assert box.watch.faces.covered == 0
    assert box.watch.texts.covered == box.watch.texts.planted  # the text detector is not blamed
    after = box.feed(room(), 12)
    assert after
    assert all(isinstance(item, Held) and item.reason == "recall_low" for item in after)


def test_the_second_look_finds_out_a_silenced_detector(detectors, face, service):
    scene = with_face(face)
    blind = replace(detectors, faces=silenced(), any_script=Blinded(detectors.any_script))
    box = service(blind, NO_CANARY, passing=True)  # the text detector would take the face for writing
    leaked = box.feed(scene, 12)
    assert any(isinstance(item, CleanFrame) and item.pixels[160:200, 295:320].any() for item in leaked)
    box.until_said(scene)
    assert box.consequences.cause == "leak_budget_spent"
    (frame,) = box.consequences.frames
    assert frame.pixels[160:200, 295:320].any()
    after = box.feed(scene, 12)
    assert after
    assert all(isinstance(item, Held) and item.reason == "leak_budget_spent" for item in after)


def test_healthy_detectors_are_left_open(detectors, face, service):
    """A person moves through a room; canaries and second looks are had, and nothing is said."""
    box = service(detectors, Proof(canary_every="1 s", second_share=1.0))
    outcomes = []
    for step in range(30):
        outcomes += box.feed(with_face(face, x=50 + 12 * step, y=100 + 2 * step, side=100), 3)
    end = time.monotonic() + 240
    while box.watch.faces.planted < 3 or box.watch.second_looks < 5:
        assert time.monotonic() < end
        outcomes += box.feed(with_face(face), 3)
        time.sleep(0.2)
    assert not box.consequences.said.is_set(), box.meter.counts
    assert box.watch.obstacle() is None
    assert sum(isinstance(item, CleanFrame) for item in outcomes) >= 85
    assert box.watch.faces.covered >= box.watch.faces.planted - 1


def test_canaries_never_come_out(detectors, service):
    """What the anonymizer gives out are the frames it was given, in order, and no other."""
    box = service(detectors, Proof(canary_every="1 s", second_share=1e-6))
    outcomes = []
    while box.watch.faces.planted < 2:
        outcomes += box.feed(room(), 3)
        time.sleep(0.2)
    outcomes += box.camera.flush()
    assert [item.index for item in outcomes] == list(range(box.index))
    clean = [item.pixels for item in outcomes if isinstance(item, CleanFrame)]
    assert clean
    assert all(np.array_equal(pixels, room()) for pixels in clean)


@pytest.fixture
def unproven(detectors):
    """A camera whose canaries never come: the thread is stopped. Give it seconds, get outcomes."""
    now = [0.0]
    examiner = Examiner(Anonymize(), Proof(), detectors, Consequences(), Meter(), clock=lambda: now[0])
    watch = examiner.watch(SCENE)
    examiner.stop()
    tested = Passing(detectors, 600, 1280)
    tested.run_if_due(0)
    camera = CameraAnonymizer(
        SCENE, Anonymize(), detectors, realtime=False, self_test=tested, witness=watch, clock=lambda: 0
    )

    def after(steps):
        out = []
        for i, step in enumerate(steps):
            now[0] += step
            out += camera.push(RawFrame(room(), "cam", i, i * FRAME_NS, 0, Acquisition()))
        return out

    yield after
    camera.close()


def test_frames_do_not_leave_for_long_without_a_canary_that_proves_something(unproven):
    outcomes = unproven([0.9] * 240)
    assert all(isinstance(item, CleanFrame) for item in outcomes[:180])
    late = outcomes[-15:]
    assert [item.reason for item in late if isinstance(item, Held)] == ["recall_low"] * len(late)


def test_time_in_which_nothing_left_needs_no_canary(unproven):
    outcomes = unproven([0.1] * 12 + [1000.0] + [0.1] * 12)
    assert len(outcomes) >= 15
    assert all(isinstance(item, CleanFrame) for item in outcomes)


def test_the_thread_steps_back(detectors, service):
    import os

    box = service(detectors, Proof())
    deadline = time.monotonic() + 5
    while (niceness := os.getpriority(os.PRIO_PROCESS, box.examiner._thread.native_id)) != 19:
        assert time.monotonic() < deadline, niceness
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) < 19
