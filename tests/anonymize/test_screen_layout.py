"""A screen's layout: what is proposed to be kept, and which frames are still of that screen."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from edge.anonymize.geometry import Box
from edge.anonymize.layout.learn import LearnError, Proposal, learn
from edge.anonymize.layout.match import matches
from edge.anonymize.layout.rectangle import largest
from edge.imaging.layout_template import LayoutTemplate
from edge.wire.codec import decode_as, encode
from tests.anonymize.screens import COLUMNS, IMAGE, PATIENTS, ROWS, samples, sector, vendor_a, vendor_b, write

DRAWN = {"a": vendor_a, "sector": sector, "b": vendor_b}
NEW = ("MUELLER-LUEDENSCHEIDT^KARL", 77)
"""A patient and an image that no sample shows; the name is longer than any of theirs."""


@pytest.fixture(scope="module", params=DRAWN)
def vendor(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def proposals() -> dict[str, Proposal]:
    return {name: learn(samples(draw), [[]] * 6, name) for name, draw in DRAWN.items()}


@pytest.fixture
def template(proposals, vendor) -> LayoutTemplate:
    return proposals[vendor].template


@pytest.fixture
def frame(vendor) -> np.ndarray:
    return DRAWN[vendor](*NEW)


def moved(frame, x, y):
    move = np.float32([[1, 0, x], [0, 1, y]])
    return cv2.warpAffine(frame, move, (COLUMNS, ROWS), borderMode=cv2.BORDER_REPLICATE)


def zoomed(frame, zoom, centre=(COLUMNS / 2, ROWS / 2)):
    turn = cv2.getRotationMatrix2D(centre, 0, zoom)
    return cv2.warpAffine(frame, turn, (COLUMNS, ROWS), borderMode=cv2.BORDER_REPLICATE)


def test_the_image_is_proposed_and_nothing_around_it(proposals):
    for name in ("a", "sector"):
        (region,) = proposals[name].template.keep
        left, top, right, bottom = IMAGE
        assert left <= region.left < region.right <= right
        assert top <= region.top < region.bottom <= bottom
        share = (
            (region.right - region.left) * (region.bottom - region.top) / ((right - left) * (bottom - top))
        )
        assert share > (0.9 if name == "a" else 0.5)


def test_both_images_of_a_dual_display_are_proposed(proposals):
    first, second = sorted(proposals["b"].template.keep, key=lambda r: r.left)
    assert 20 <= first.left < first.right <= 630
    assert 650 <= second.left < second.right <= 1260
    assert all(40 <= r.top < r.bottom <= 640 for r in (first, second))


def test_another_patient_with_a_longer_name_has_the_same_layout(template, frame):
    assert matches(template, frame).matches


def test_noise_drift_and_compression_do_not_change_the_layout(template, frame):
    noise = np.random.default_rng(0).normal(4, 6, frame.shape)
    assert matches(template, np.clip(frame + noise, 0, 255).astype(np.uint8)).matches
    for quality in (50, 80):
        _, jpeg = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, quality])
        assert matches(template, cv2.imdecode(jpeg, cv2.IMREAD_COLOR)).matches


@pytest.mark.parametrize("by", [(2, 0), (-2, 0), (0, 3), (0, -3), (5, 4), (17, 0), (0, -40), (64, 64)])
def test_a_shifted_screen_does_not_match(template, frame, by):
    assert not matches(template, moved(frame, *by)).matches


@pytest.mark.parametrize("zoom", [0.9, 0.97, 1.03, 1.1])
def test_a_zoomed_screen_does_not_match(template, frame, zoom):
    assert not matches(template, zoomed(frame, zoom)).matches
    assert not matches(template, zoomed(frame, zoom, (0, 0))).matches


def test_another_resolution_does_not_match(template, frame):
    assert matches(template, cv2.resize(frame, (1920, 1080))).why == "other_size"


def test_dark_mode_and_a_black_screen_do_not_match(template, frame):
    assert not matches(template, 255 - frame).matches
    assert not matches(template, (frame // 2).astype(np.uint8)).matches
    assert not matches(template, np.zeros_like(frame)).matches


def test_another_vendors_screen_does_not_match(proposals):
    for name, draw in DRAWN.items():
        found = {other for other, p in proposals.items() if matches(p.template, draw(*NEW)).matches}
        # A's screen and the sector's differ in the image alone.
        assert name in found
        assert (name == "b") == ("b" in found)


def test_a_moved_image_region_does_not_match(proposals):
    left, top, right, bottom = IMAGE
    screen = vendor_a(*NEW, image=(left + 12, top, right + 12, bottom))
    assert matches(proposals["a"].template, vendor_a(*NEW)).matches
    assert not matches(proposals["a"].template, screen).matches


def test_one_menu_more_does_not_match(template, frame):
    cv2.rectangle(frame, (20, 652), (140, 712), (95, 95, 95), -1)
    write(frame, "Export", 30, 690)
    assert not matches(template, frame).matches


def test_a_pop_up_over_the_border_of_the_image_does_not_match(template, frame):
    region = template.keep[0]
    cv2.rectangle(frame, (region.left + 100, region.bottom - 80), (region.left + 400, 700), (60, 60, 66), -1)
    write(frame, "Select patient", region.left + 120, region.bottom - 40)
    assert not matches(template, frame).matches


def test_a_pop_up_inside_the_image_is_left_to_the_text_detector(proposals, detectors):
    frame = vendor_a(*NEW)
    (region,) = proposals["a"].template.keep
    cv2.rectangle(frame, (400, 300), (760, 380), (60, 60, 66), -1)
    write(frame, "DOE^JANE 1961-02-03", 420, 350, 240, 0.8)
    assert matches(proposals["a"].template, frame).matches
    kept = frame[region.top : region.bottom, region.left : region.right]
    popup = Box(400 - region.left, 300 - region.top, 760 - region.left, 380 - region.top)
    assert any(box.touches(popup) for box in detectors.text.find(kept))


def test_a_mouse_pointer_over_the_chrome_is_borne(template, frame):
    cv2.fillConvexPoly(frame, np.array([(60, 655), (60, 670), (70, 666)]), (255, 255, 255))
    assert matches(template, frame).matches


def test_text_in_the_image_region_shrinks_it_or_is_reported():
    left, top, right, _ = IMAGE
    edge = Box(left, top, right, top + 40)
    (region,) = learn(samples(), [[edge]] + [[]] * 5, "a").template.keep
    assert region.top >= top + 40
    middle = Box(500, 300, 700, 420)
    proposal = learn(samples(), [[middle]] + [[]] * 5, "a")
    assert proposal.texts_inside == (middle,)


def test_text_that_stands_still_in_all_samples_is_shown_to_the_technician():
    patient = Box(20, 18, 400, 44)
    alike = learn([vendor_a(PATIENTS[0], seed) for seed in range(4)], [[patient]] * 4, "a")
    assert alike.texts_static == (patient,)
    assert learn(samples(), [[patient]] * 6, "a").texts_static == ()


def test_the_template_holds_no_image_and_no_field_that_changed(proposals):
    for proposal in proposals.values():
        template = proposal.template
        assert not template.chrome_mask()[proposal.fields].any()
        assert not template.chrome_levels()[~template.chrome_mask()].any()


@pytest.mark.parametrize(
    ("frames", "reason"),
    [
        (samples()[:2], "too_few_samples"),
        ([*samples()[:2], np.zeros((480, 640, 3), np.uint8)], "different_sizes"),
        ([vendor_a(PATIENTS[0], 1)] * 4, "no_image_region"),
    ],
)
def test_samples_that_teach_nothing_are_refused(frames, reason):
    with pytest.raises(LearnError) as refused:
        learn(frames, [[]] * len(frames), "a")
    assert refused.value.reason == reason


def test_a_screen_without_anything_around_the_image_is_refused():
    def bare(seed):
        screen = np.zeros((ROWS, COLUMNS, 3), np.uint8)
        left, top, right, bottom = IMAGE
        screen[top:bottom, left:right] = vendor_a("", seed)[top:bottom, left:right]
        return screen

    with pytest.raises(LearnError) as refused:
        learn([bare(seed) for seed in range(4)], [[]] * 4, "a")
    assert refused.value.reason == "nothing_to_hold_on_to"


def test_a_template_survives_its_encoding_and_a_frame_judges_the_same(template, frame):
    again = decode_as(LayoutTemplate, encode(template))
    assert again == template
    assert matches(again, frame) == matches(template, frame)


@pytest.mark.parametrize(
    "change",
    [
        {"levels": b""},
        {"chrome": b"\0"},
        {"keep": []},
        {"keep": [{"left": 0, "top": 0, "right": COLUMNS, "bottom": ROWS}]},
        {"keep": [{"left": 200, "top": 200, "right": 100, "bottom": 300}]},
        {"thresholds": {"level": 255.0}},
        {"rows": 1080},
        {"v": 2},
    ],
)
def test_a_template_that_contradicts_itself_is_refused(proposals, change):
    whole = proposals["a"].template.model_dump()
    LayoutTemplate.model_validate(whole)
    with pytest.raises(ValidationError):
        LayoutTemplate.model_validate({**whole, **change})


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.data())
def test_the_largest_rectangle_is_the_largest(rows, columns, data):
    cells = data.draw(st.lists(st.booleans(), min_size=rows * columns, max_size=rows * columns))
    allowed = np.array(cells).reshape(rows, columns)
    left, top, right, bottom = largest(allowed)
    assert allowed[top:bottom, left:right].all()
    best = max(
        ((y1 - y0) * (x1 - x0) if allowed[y0:y1, x0:x1].all() else 0)
        for y0 in range(rows) for y1 in range(y0 + 1, rows + 1)
        for x0 in range(columns) for x1 in range(x0 + 1, columns + 1)
    )  # fmt: skip
    assert (right - left) * (bottom - top) == best
