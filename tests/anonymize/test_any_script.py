"""The own text detector: its maps to boxes, and text that lies askew, as a code, or in another script."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.anonymize.geometry import Box, paint
from edge.anonymize.models import DetectorUnavailable
from edge.anonymize.text.any_script import GLANCE_SIDE, STRIDE, decode


def maps(cells, height=4.0):
    return np.where(cells, 5.0, -5.0).astype(np.float32), np.full(cells.shape, np.log(height), np.float32)


@given(seed=st.integers(0, 2**16), rows=st.integers(2, 40), columns=st.integers(2, 40))
@settings(max_examples=80)
def test_every_cell_of_text_is_covered(seed, rows, columns):
    rng = np.random.default_rng(seed)
    cells = cv2.blur(rng.random((rows, columns)).astype(np.float32), (3, 3)) > 0.5
    count, labels = cv2.connectedComponents(cells.astype(np.uint8), connectivity=8)
    for label in range(1, count):
        if (labels == label).sum() < 2:
            cells[labels == label] = False
    mask = np.zeros((rows * STRIDE, columns * STRIDE), bool)
    paint(mask, decode(*maps(cells), 0.3))
    assert mask[np.kron(cells, np.ones((STRIDE, STRIDE), bool)).astype(bool)].all()


def test_a_line_askew_is_not_covered_by_one_square():
    cells = np.zeros((80, 80), np.uint8)
    cv2.line(cells, (5, 5), (74, 74), 1, 4)
    boxes = decode(*maps(cells > 0), 0.3)
    mask = np.zeros((320, 320), bool)
    paint(mask, boxes)
    assert mask.mean() < 0.4
    assert not mask[20:120, 220:300].any()
    assert all(box.elongation > 8 for box in boxes)  # each knows that it is a part of a line


def test_a_high_line_gets_a_wider_margin_and_no_find_more_than_its_own_height():
    cells = np.zeros((40, 60), bool)
    cells[10:20, 10:50] = True
    margins = [10 * STRIDE - decode(*maps(cells, height), 0.3)[0].top for height in (4.0, 10.0, 1000.0)]
    assert margins[0] < margins[1] == margins[2]


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_values_that_are_not_finite_are_no_look(wrong):
    fine = np.zeros((4, 4), np.float32)
    for broken in ((np.full((4, 4), wrong, np.float32), fine), (fine, np.full((4, 4), wrong, np.float32))):
        with pytest.raises(DetectorUnavailable):
            decode(*broken, 0.5)


def wall(rows=360, columns=640):
    scene = np.full((rows, columns, 3), (205, 200, 190), np.uint8)
    cv2.rectangle(scene, (60, 40), (250, 300), (170, 180, 200), -1)
    return scene


def covered(detectors, scene, ink):
    mask = np.zeros(scene.shape[:2], bool)
    paint(mask, detectors.any_script.glance(scene, GLANCE_SIDE))
    return float(mask[ink].mean()), float(mask.mean())


@pytest.mark.parametrize("angle", range(0, 360, 30))
def test_a_name_in_a_room_is_found_at_any_angle(detectors, angle):
    ink = np.zeros((360, 640), np.uint8)
    cv2.putText(ink, "DOE^MARTHA 1961", (180, 188), cv2.FONT_HERSHEY_SIMPLEX, 0.8, 255, 2, cv2.LINE_AA)
    turn = cv2.getRotationMatrix2D((310, 180), angle, 1.0)
    ink = cv2.warpAffine(ink, turn, (640, 360)) > 127
    scene = wall()
    scene[ink] = 30
    share, masked = covered(detectors, scene, ink)
    assert share > 0.97
    assert masked < 0.35
    assert covered(detectors, wall(), ink)[0] < 0.1  # the control: without the name nothing is covered there


def test_a_bar_code_on_a_wristband_is_found(detectors):
    ink = np.repeat(np.repeat(np.random.default_rng(4).random(60) < 0.5, 3)[None], 48, axis=0)
    place = np.zeros((360, 640), bool)
    place[140 : 140 + ink.shape[0], 300 : 300 + ink.shape[1]] = ink
    scene = wall()
    cv2.rectangle(scene, (280, 125), (300 + ink.shape[1] + 20, 150 + ink.shape[0] + 15), (250, 250, 250), -1)
    scene[place] = 15
    assert covered(detectors, scene, place)[0] > 0.95


def test_a_picture_smaller_than_a_tile_of_the_network_gives_boxes_inside_it(detectors):
    scene = np.full((50, 190), 20, np.uint8)
    cv2.putText(scene, "DOE JANE", (8, 33), cv2.FONT_HERSHEY_SIMPLEX, 0.7, 230, 2, cv2.LINE_AA)
    boxes = detectors.any_script.glance(scene, GLANCE_SIDE)
    assert boxes
    assert all(box.touches(Box(0, 0, 190, 50)) for box in boxes)


def test_what_is_likely_somewhere_is_followed_to_its_ends_and_what_is_likely_nowhere_does_not_count():
    logit = np.full((40, 60), -5.0, np.float32)
    logit[5:9, 5:50] = 1.0
    logit[5:9, 20:24] = 6.0
    logit[30:34, 5:50] = 1.0
    height = np.full_like(logit, np.log(4))
    both = np.zeros((160, 240), bool)
    paint(both, decode(logit, height, 0.5, margin=0.0))
    assert both[20:36, 20:200].all()
    assert both[120:136, 20:200].all()
    sure = np.zeros_like(both)
    paint(sure, decode(logit, height, 0.5, sure=0.99, margin=0.0))
    assert sure[20:36, 20:200].all()
    assert not sure[100:].any()


def test_in_doubt_what_lies_beside_a_line_that_was_found_is_masked_and_elsewhere_it_is_not(detectors):
    noise = cv2.GaussianBlur(
        np.random.default_rng(0).normal(0, 30, (480, 600)).astype(np.float32), (0, 0), 1.2
    )
    ink = np.zeros((480, 600), np.uint8)
    cv2.putText(ink, "1961 WARD", (60, 112), cv2.FONT_HERSHEY_SIMPLEX, 0.8, 255, 2, cv2.LINE_AA)
    ink = ink > 127
    scene = np.clip(60 + noise + 20 * ink, 0, 255).astype(np.uint8)

    def covered(boxes):
        mask = np.zeros(ink.shape, bool)
        paint(mask, boxes)
        return float(mask[ink].mean())

    assert covered(detectors.any_script.find(scene)) < 0.5
    above, away = Box(60, 60, 190, 84, elongation=5.4), Box(60, 300, 190, 324, elongation=5.4)
    assert covered(detectors.any_script.find_beside(scene, [above])) > 0.9
    assert covered(detectors.any_script.find_beside(scene, [away])) == 0
    blob = Box(60, 60, 84, 84, elongation=1.0)
    assert detectors.any_script.find_beside(scene, [blob]) == []


def test_letters_of_a_few_pixels_are_found_by_a_closer_look(detectors):
    scene = np.full((512, 608), 70, np.uint8)
    cv2.putText(scene, "DOE^JANE 1961-04-17", (40, 60), cv2.FONT_HERSHEY_PLAIN, 0.62, 110, 1, cv2.LINE_AA)
    ink = scene > 85
    mask = np.zeros(scene.shape, bool)
    paint(mask, detectors.any_script.find(scene))
    assert mask[ink].mean() > 0.9
