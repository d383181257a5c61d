"""The leak bench itself: its truth is where it says, its judge sees what is bare, its bounds are right."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.leak import clip, judge, outcome, report, video_cases
from support.leak.clip import Truth

from trainer.detectors.faces.portraits import Portrait


def drawn_portrait(name: str = "drawn") -> Portrait:
    """A drawn head on gray: green all over the box of eyes and mouth, which nothing else is."""
    pixels = np.full((275, 225, 3), 120, np.uint8)
    pixels[70:220, 60:170] = (200, 160, 140)
    points = np.array([(85, 115), (140, 115), (90, 170), (135, 170)], np.float32)
    pixels[100:186, 70:156] = (20, 250, 20)
    return Portrait(name, pixels, points)


@pytest.fixture(scope="module")
def compositor():
    room = np.full((video_cases.ROWS, video_cases.COLUMNS, 3), 90, np.uint8)
    return clip.Compositor({"drawn": drawn_portrait()}, [room])


def plain(number: int, **changes) -> video_cases.VideoCase:
    base = {
        "number": number, "identity": "drawn", "others": (), "angle": 0.0, "height": 120.0, "size": 96,
        "light": "lit", "cover": "none", "pace": "calm", "step": 0.01, "seed": number,
    }  # fmt: skip
    return video_cases.VideoCase(**{**base, **changes})


@settings(max_examples=12, deadline=None)
@given(angle=st.floats(0, 359), height=st.floats(60, 240), seed=st.integers(0, 99))
def test_the_truth_lies_on_the_face(compositor, angle, height, seed):
    pixels, (truth,) = next(compositor.clip(plain(seed, angle=angle, height=height)))
    ys, xs = np.nonzero(truth.bare)
    if not truth.judged:
        return
    under = pixels[ys + truth.top, xs + truth.left].astype(int)
    green = (under[:, 1] > 180) & (under[:, 0] < 120)
    assert green.mean() > 0.9


def test_a_raw_frame_is_a_leak_and_a_filled_one_is_none(compositor):
    pixels, (truth,) = next(compositor.clip(plain(1)))
    assert judge.uncovered(pixels, truth) == 1.0  # the control
    filled = pixels.copy()
    ys, xs = np.nonzero(truth.bare)
    filled[
        ys.min() + truth.top : ys.max() + 1 + truth.top, xs.min() + truth.left : xs.max() + 1 + truth.left
    ] = 0
    assert judge.uncovered(filled, truth) == 0.0
    filled = pixels.copy()
    rows = ys < np.quantile(ys, 0.85)
    filled[ys[rows] + truth.top, xs[rows] + truth.left] = 0
    assert judge.LEAK < judge.uncovered(filled, truth) < 0.25  # a chin alone is a leak, too


def test_what_a_hand_or_the_edge_of_the_frame_hides_is_not_judged():
    bare = np.zeros((10, 10), bool)
    bare[:2] = True
    assert not Truth("a", 0, 0, bare, 100).judged
    bare[:3] = True
    assert Truth("a", 0, 0, bare, 100).judged


def test_every_stratum_is_planned_and_every_identity_judges():
    names = [f"id{n}" for n in range(500)]
    planned = video_cases.cases(names)
    assert len(planned) == 12 * 5 * 3 * 6 * 3
    assert {case.identity for case in planned} == set(names)
    assert planned == video_cases.cases(names)  # seeds are fixed
    for case in planned:
        low, high = video_cases.PACES[case.pace]
        assert low <= case.step <= high


def test_bounds_are_those_of_clopper_and_pearson_and_identities_count_once():
    assert judge.upper(0, 500) == pytest.approx(1 - 0.05 ** (1 / 500))
    assert judge.upper(3, 3) == 1.0
    assert judge.by_cluster([("a", True), ("a", False), ("b", False)]) == (1, 2)


def test_a_leak_reaches_the_table():
    planned = [plain(n) for n in range(4)]
    results = [outcome.CaseResult(n, f"id{n}", control=1.0, judged=16, emitted=16) for n in range(4)]
    results[2].leaking = 1
    text = report.markdown(report.rows(planned, results))
    assert "| calm and brisk | 4 | 1: 25.00%" in text
    assert "1 of 4" in text
