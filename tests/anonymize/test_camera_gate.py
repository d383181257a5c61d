"""Camera frames: masked, bracketed, in order, or held back; with the detectors broken for real."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import cv2
import numpy as np
import pytest

from edge.anonymize import models, self_test
from edge.anonymize.camera import scene as scene_cells
from edge.anonymize.camera.anonymizer import CameraAnonymizer
from edge.anonymize.detectors import load_detectors
from edge.anonymize.gate import Held
from edge.anonymize.geometry import Box
from edge.anonymize.models import DetectorUnavailable
from edge.imaging.frames import Acquisition, CleanFrame, RawFrame
from edge.settings import Anonymize, Source
from tests.anonymize.scenes import film

FRAME_NS = 33_333_333
TOLD = {"name": "cam", "consent": "signage", "consent_by": "data protection office, sign at the door"}
SCENE = Source(**TOLD, looks_at="scene", whole_scene=True)


def raw(pixels, index, at_ns=None, release=None) -> RawFrame:
    return RawFrame(
        pixels, "cam", index, index * FRAME_NS if at_ns is None else at_ns, 0, Acquisition(), release=release
    )


def replay(camera: CameraAnonymizer, frames) -> list:
    out = [item for i, pixels in enumerate(frames) for item in camera.push(raw(pixels, i))]
    out += camera.flush()
    camera.close()
    return out


def crossing(face, count=26, step=11):
    """A face that crosses the scene; and where its eyes and mouth are (left, top, right, bottom)."""
    rng = np.random.default_rng(3)
    ground = cv2.resize(
        rng.integers(60, 120, (9, 16, 3)).astype(np.uint8), (640, 360), interpolation=cv2.INTER_CUBIC
    )
    for i in range(count):
        scene = ground.copy()
        x = 20 + i * step
        scene[100:260, x : x + 160] = face
        yield scene, (x + 58, 100 + 52, x + 102, 100 + 112)


def test_a_moving_face_is_covered_in_every_frame(detectors, face):
    scenes = list(crossing(face))
    out = replay(CameraAnonymizer(SCENE, Anonymize(), detectors, realtime=False), [s for s, _ in scenes])
    assert [item.index for item in out] == list(range(len(scenes)))
    assert all(isinstance(item, CleanFrame) for item in out)
    for item, (scene, (left, top, right, bottom)) in zip(out, scenes, strict=True):
        assert scene[top:bottom, left:right].any(axis=2).all()  # the control: the face was there
        assert not item.pixels[top:bottom, left:right].any()
        assert item.receipt.faces >= 1
        assert item.receipt.masked_share < 0.7
        ages = {d.name: (d.before_ms, d.after_ms) for d in item.receipt.detectors}
        assert all(age is not None and 0 <= age < 200 for age in ages["edge-faces-1"])


def test_text_in_the_room_is_covered(detectors, ocr):
    scene = np.full((360, 640, 3), 200, np.uint8)
    cv2.putText(
        scene, "BED 4 MARTHA DOE", (60, 180), cv2.FONT_HERSHEY_SIMPLEX, 1.2, (20, 20, 20), 3, cv2.LINE_AA
    )
    assert "MARTHA" in ocr(scene)
    out = replay(CameraAnonymizer(SCENE, Anonymize(), detectors, realtime=False), [scene] * 6)
    assert all(isinstance(item, CleanFrame) for item in out)
    assert "MARTHA" not in ocr(out[0].pixels)
    assert "DOE" not in ocr(out[-1].pixels)


@pytest.mark.parametrize(
    "source",
    [
        Source(**TOLD),
        Source(**TOLD, looks_at="scene"),
        Source(name="cam", looks_at="scene", whole_scene=True),  # no consent mode
        SCENE.model_copy(update={"consent": "switch"}),  # and no switch
    ],
)
def test_a_camera_that_is_told_nothing_stays_blind(detectors, source):
    given = []
    camera = CameraAnonymizer(source, Anonymize(), detectors)
    out = camera.push(raw(np.zeros((90, 160, 3), np.uint8), 0, release=lambda: given.append(1)))
    camera.close()
    assert [item.reason for item in out] == ["blind"]
    assert given == [1]


def test_outside_the_keep_region_everything_is_filled(detectors):
    source = Source(**TOLD, looks_at="scene", keep=(0.25, 0.25, 0.75, 0.75))
    scene = np.full((360, 640, 3), 130, np.uint8)
    out = replay(CameraAnonymizer(source, Anonymize(), detectors, realtime=False), [scene] * 2)
    for item in out:
        kept = item.pixels.any(axis=2)
        assert kept[90:270, 160:480].all()
        assert kept.sum() == 180 * 320
        assert item.receipt.kept_share == pytest.approx(0.25)


@pytest.mark.parametrize("angle", [0, 8, -12])
def test_a_film_is_found_and_looked_at_straight(detectors, angle):
    source = Source(**TOLD, looks_at="film")
    out = replay(CameraAnonymizer(source, Anonymize(), detectors, realtime=False), [film(angle)] * 2)
    for item in out:
        assert isinstance(item, CleanFrame)
        rows, columns = item.pixels.shape[:2]
        assert columns / rows == pytest.approx(4 / 3, rel=0.06)
        mark = item.pixels[rows // 6, columns // 6].astype(int)
        assert mark[0] > mark[1] + 100  # the top left corner stands there again
        assert item.pixels.max(axis=2).min() > 60  # nothing of the dark room


def test_without_a_film_nothing_leaves(detectors):
    source = Source(**TOLD, looks_at="film")
    rng = np.random.default_rng(1)
    room = cv2.resize(rng.integers(0, 60, (9, 16, 3)).astype(np.uint8), (640, 360))
    out = replay(CameraAnonymizer(source, Anonymize(), detectors, realtime=False), [room] * 3)
    assert [item.reason for item in out] == ["film_not_found"] * 3


class Faces:
    """The real detector, broken as the test says."""

    def __init__(self, real, broken):
        self.real, self.broken, self.looks = real, broken, 0
        self.name, self.sha256 = real.name, real.sha256

    def find(self, image, width):
        self.looks += 1
        if self.looks > 1:  # the first look is the self-test's
            self.broken()
        return self.real.find(image, width)


def raising():
    raise DetectorUnavailable("broken for the test")


def crashing():
    raise KeyError("an error of no known kind")


@pytest.mark.parametrize("broken", [raising, crashing])
@pytest.mark.parametrize("realtime", [True, False])
def test_a_detector_that_raises_lets_nothing_out(detectors, face, broken, realtime):
    faces = Faces(detectors.faces, broken)
    camera = CameraAnonymizer(SCENE, Anonymize(), replace(detectors, faces=faces), realtime=realtime)
    out = []
    for i, (scene, _) in enumerate(crossing(face, 8)):
        out += camera.push(raw(scene, i, time.monotonic_ns() if realtime else None))
        time.sleep(0.02 if realtime else 0)
    out += camera.flush()
    camera.close()
    assert [item.index for item in out] == list(range(8))
    assert not [item for item in out if isinstance(item, CleanFrame)]
    assert "detector_failed" in {item.reason for item in out}


def test_a_stalled_detector_lets_nothing_out(detectors, face):
    go_on = threading.Event()
    faces = Faces(detectors.faces, lambda: go_on.wait(10))
    camera = CameraAnonymizer(SCENE, Anonymize(delay="120 ms"), replace(detectors, faces=faces))
    out = []
    started = time.monotonic()
    for i, (scene, _) in enumerate(crossing(face, 10)):
        out += camera.push(raw(scene, i, time.monotonic_ns()))
        time.sleep(0.03)
    out += camera.flush()
    assert time.monotonic() - started < 5  # it waits for nobody
    go_on.set()
    camera.close()
    assert [item.index for item in out] == list(range(10))
    assert {item.reason for item in out} <= {"no_bracket", "detector_late"}


def test_a_swapped_model_file_lets_nothing_out(tmp_path, face, monkeypatch):
    path = tmp_path / "face.onnx"
    path.write_bytes(b"not the model")
    monkeypatch.setattr(models, "locate", lambda *_: path)
    broken = load_detectors(Anonymize())
    out = replay(
        CameraAnonymizer(SCENE, Anonymize(), broken, realtime=False), [s for s, _ in crossing(face, 5)]
    )
    assert [item.reason for item in out] == ["detector_failed"] * 5


def test_a_detector_that_finds_nothing_fails_the_self_test(detectors, face):
    class Blind(Faces):
        def find(self, *_):
            return []

    blind = replace(detectors, faces=Blind(detectors.faces, None))
    out = replay(
        CameraAnonymizer(SCENE, Anonymize(), blind, realtime=False), [s for s, _ in crossing(face, 5)]
    )
    assert [item.reason for item in out] == ["self_test_failed"] * 5


def test_a_live_source_comes_out_in_order_and_its_buffers_are_given_back_at_once(detectors, face):
    camera = CameraAnonymizer(SCENE, Anonymize(delay="2 s", max_detection_age="2 s"), detectors)
    given, out = [], []
    for i, (scene, _) in enumerate(crossing(face, 16)):
        out += camera.push(raw(scene, i, time.monotonic_ns(), release=lambda i=i: given.append(i)))
        assert given[-1] == i
        scene[:] = 255  # the buffer belongs to capture again
        time.sleep(0.033)
    out += camera.flush()
    camera.close()
    assert [item.index for item in out] == list(range(16))
    clean = [item for item in out if isinstance(item, CleanFrame)]
    assert len(clean) >= 8
    for item in clean:
        left = 20 + item.index * 11
        assert not item.pixels[152:212, left + 58 : left + 102].any()


def test_a_camera_slower_than_its_setting_still_sends(detectors, face):
    """Asked for 30 frames a second it gives 4: two looks ahead of every frame would outlast the delay."""
    now = [0]
    camera = CameraAnonymizer(SCENE, Anonymize(), detectors, clock=lambda: now[0])
    scene = next(crossing(face, 1))[0]
    out = []
    for i in range(24):
        now[0] += 250_000_000
        out += camera.push(raw(scene, i, now[0]))
        camera._faces.wait(5)
        camera._texts.wait(5)
        out += camera.poll()
    camera.close()
    assert len(out) >= 20
    assert all(isinstance(item, CleanFrame) for item in out[-8:])


def test_frames_before_a_replay_starts_again_are_not_bracketed_by_frames_after(detectors, face):
    camera = CameraAnonymizer(SCENE, Anonymize(), detectors, realtime=False)
    scenes = [s for s, _ in crossing(face, 9)]
    out = [item for i, s in enumerate(scenes) for item in camera.push(raw(s, i))]
    out += camera.push(raw(scenes[0], 9, at_ns=0))
    camera.close()
    held = [item.index for item in out if isinstance(item, Held)]
    assert held == [3, 4, 5, 6, 7, 8]  # looks at 0, 3 and 6; a frame waits for two after it


def test_a_frame_of_another_size_is_not_bracketed_by_those_before(detectors, face):
    camera = CameraAnonymizer(SCENE, Anonymize(), detectors, realtime=False)
    scene = next(crossing(face, 1))[0]
    out = [item for i in range(5) for item in camera.push(raw(scene, i))]
    turned = np.ascontiguousarray(np.rot90(scene))
    out += [item for i in range(5, 9) for item in camera.push(raw(turned, i))]
    out += camera.flush()
    camera.close()
    reasons = {item.index: item.reason for item in out if isinstance(item, Held)}
    assert set(reasons) == {4, 5}  # looks at frames 3 and 6, of another size each, bracket neither
    assert set(reasons.values()) <= {"no_bracket", "detector_late"}


class Texts:
    """A perfect text detector: it knows the planted name by its colour. Slow as the real one, if told."""

    name, sha256 = "edge-text-1", b"t" * 32

    def __init__(self, real, seconds=0.0):
        self.real, self.seconds, self.looks = real, seconds, 0

    def find(self, image, within=None):
        return self.real.find(image, within)

    def glance(self, image, side):
        if image.shape[:2] == self_test.known_text()[0].shape:
            return self.real.glance(image, side)
        self.looks += 1
        time.sleep(self.seconds)
        ys, xs = np.nonzero(named(image))
        return [Box(xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)] if len(xs) else []


def named(pixels):
    red, green = pixels[..., 0].astype(int), pixels[..., 1].astype(int)
    return red > green + 60


def page(name="", value=150):
    scene = np.full((360, 640, 3), value, np.uint8)
    cv2.putText(scene, name, (200, 180), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (255, 60, 60), 2, cv2.LINE_AA)
    return scene


def opening(camera, realtime):
    """A page with a name opens right after a text look, and stays for as long as there is no other due."""
    out = []
    pages = [page()] * 26 + [page("DOE JANE")] * 20 + [page()] * 2
    for i, pixels in enumerate(pages):
        out += camera.push(raw(pixels, i, time.monotonic_ns() if realtime else None))
        time.sleep(FRAME_NS / 1e9 if realtime else 0)
    out += camera.flush()
    camera.close()
    assert [item.index for item in out] == list(range(len(pages)))
    return [item for item in out if isinstance(item, CleanFrame)]


@pytest.mark.parametrize("realtime", [True, False])
def test_a_page_that_opens_between_two_text_looks_never_shows_its_name(detectors, realtime):
    texts = Texts(detectors.any_script, 0.1 if realtime else 0.0)
    camera = CameraAnonymizer(SCENE, Anonymize(), replace(detectors, any_script=texts), realtime=realtime)
    clean = opening(camera, realtime)
    assert [item.index for item in clean if named(item.pixels).any()] == []
    assert {item.index for item in clean} >= set(range(4, 24))  # what had been looked at passed
    assert len([item for item in clean if item.index >= 26 and item.receipt.texts]) >= 8
    assert texts.looks <= 8  # of 48 frames: a scene that stands still is not looked at again


def test_without_the_comparison_of_scenes_the_name_would_be_seen(detectors, monkeypatch):
    monkeypatch.setattr(scene_cells, "_THRESHOLD", 1e9)  # the control
    texts = Texts(detectors.any_script, 0.1)
    camera = CameraAnonymizer(SCENE, Anonymize(), replace(detectors, any_script=texts))
    assert [item.index for item in opening(camera, True) if named(item.pixels).any()]


def test_a_scene_that_grows_lighter_all_over_is_the_same_scene(detectors):
    texts = Texts(detectors.any_script)
    camera = CameraAnonymizer(SCENE, Anonymize(), replace(detectors, any_script=texts), realtime=False)
    out = replay(camera, [page(value=120 + i) for i in range(16)])
    assert all(isinstance(item, CleanFrame) for item in out)
    assert texts.looks == 1


def test_a_name_that_only_a_wider_mask_had_hidden_is_looked_for_when_it_lies_bare(detectors):
    """Until a second look has seen a face, its mask is wider; what it hid then, nobody had looked at."""

    class Still(Faces):
        def find(self, image, width):
            self.looks += 1
            known = [Box(60, 140, 140, 220).scaled(*[image.shape[1] / 640] * 2)]
            return self.real.find(image, width) if self.looks == 1 else known

    texts, faces = Texts(detectors.any_script), Still(detectors.faces, None)
    doubles = replace(detectors, any_script=texts, faces=faces)
    camera = CameraAnonymizer(SCENE, Anonymize(), doubles, realtime=False)
    scenes = [page()] * 4 + [page("DOE")] * 2 + [page()] * 8
    out = replay(camera, scenes)
    assert named(scenes[4]).any()
    assert [item.index for item in out if isinstance(item, Held)] == []
    assert not any(named(item.pixels).any() for item in out)
    assert texts.looks == 2
