"""The bench of text in a room: its truth is where the ink is, its judge sees what is bare."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import cv2
import numpy as np
import pytest
from support.leak import blind, carriers, codes, fonts, judge, report, room_cases, room_clip, run_room
from support.leak.canvas import Ink
from support.leak.outcome import CaseResult
from support.leak.video_cases import COLUMNS, ROWS

PLAIN = room_cases.RoomCase(
    number=1, script="latin", font=fonts.FONTS["latin"]["sans"][0], carrier="bed card", size=24, light="lit",
    pace="still", step=0.0, room=0, seed=5,
)  # fmt: skip


@pytest.fixture(scope="module")
def compositor():
    missing = fonts.missing()
    if missing:
        pytest.skip("; ".join(missing))
    wall = np.full((ROWS + room_clip.PAN, COLUMNS + room_clip.PAN, 3), 120, np.uint8)
    return room_clip.RoomCompositor([wall])


def of(script: str, **changes) -> room_cases.RoomCase:
    face = None if script == "code" else next(iter(fonts.FONTS[script].values()))[0]
    return replace(PLAIN, **{"script": script, "font": face, **changes})


def rules(case):
    return run_room._CODES if case.script == "code" else run_room._TEXT


@pytest.mark.parametrize("count", [40, 1400])
def test_any_number_of_cases_is_balanced(count):
    planned = room_cases.cases(count)
    for name in ("script", "line height", "light", "pace"):
        times = Counter(case.strata[name] for case in planned)
        assert max(times.values()) - min(times.values()) <= 1
    written = Counter(case.carrier for case in planned if case.script != "code")
    assert written.keys() == set(room_cases.CARRIERS)
    assert max(written.values()) - min(written.values()) <= 1
    assert planned == room_cases.cases()[:count]  # seeds are fixed
    assert all(np.subtract(*room_cases.PACES[c.pace]) <= 0 <= c.step for c in planned)


def test_a_full_run_has_every_carrier_and_as_many_rooms_as_are_drawn():
    planned = room_cases.cases()
    assert len(planned) >= 600
    assert set(carriers.CARRIERS) == set(room_cases.CARRIERS)
    assert {case.room for case in planned} == set(range(len(run_room.rooms(36, 64, drawn=room_cases.DRAWN))))


@pytest.mark.parametrize("carrier", room_cases.CARRIERS)
@pytest.mark.parametrize("script", fonts.FONTS)
def test_the_truth_lies_on_the_ink(compositor, carrier, script, monkeypatch):
    case = of(script, carrier=carrier, size=40)
    clean, lines = next(compositor.clip(case))
    assert lines
    # The same case with nothing of its ink: what differs is ink, and nothing else is.
    monkeypatch.setattr(carriers._Sheet, "write", lambda *_: None)
    blank, none = next(compositor.clip(case))
    assert not none
    inked = np.abs(clean.astype(int) - blank).mean(axis=2) > 40
    truth = np.zeros(inked.shape, bool)
    for ink in lines:
        assert ink.ys.size > 100
        inside = judge.unfilled(clean, ink)
        truth[ink.ys[inside], ink.xs[inside]] = True
    assert inked[truth].mean() > 0.95
    near = cv2.dilate(truth.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    assert near[inked].mean() > 0.99


@pytest.mark.parametrize("carrier", room_cases.CARRIERS)
@pytest.mark.parametrize("script", room_cases.SCRIPTS)
def test_the_control_shows_all_and_a_filled_line_shows_none(compositor, carrier, script):
    case = of(script, carrier=carrier, size=16)
    pixels, lines = next(compositor.clip(case))
    judged = rules(case)
    shares = [judged.uncovered(pixels, ink) for ink in lines if judged.in_sight(pixels, ink)]
    assert shares
    assert max(shares) == 1.0  # the control
    for ink in lines:
        inside = judge.unfilled(pixels, ink)
        pixels[ink.ys[inside], ink.xs[inside]] = 0
    assert [judged.uncovered(pixels, ink) for ink in lines] == [0.0] * len(lines)


@pytest.mark.parametrize("carrier", room_cases.CARRIERS)
def test_two_letters_of_a_line_left_are_a_leak_wherever_they_turn(compositor, carrier):
    case = of("latin", carrier=carrier, size=24)
    pixels, lines = next(compositor.clip(case))
    ink = max(lines, key=lambda line: np.ptp(line.along))
    middle = (ink.along.min() + ink.along.max()) / 2
    left = np.abs(ink.along - middle) <= 0.6 * ink.size
    pixels[ink.ys[~left], ink.xs[~left]] = 0
    assert judge.READABLE < run_room._TEXT.uncovered(pixels, ink) <= 1.0
    few = np.abs(ink.along - middle) <= 0.1 * ink.size
    pixels[ink.ys[~few], ink.xs[~few]] = 0
    assert run_room._TEXT.uncovered(pixels, ink) < judge.READABLE


def test_a_slice_of_a_code_is_a_leak(compositor):
    case = of("code", carrier="wristband", size=40)
    pixels, (ink,) = next(compositor.clip(case))
    judged = run_room._CODES
    order = np.argsort(ink.along)
    for share, leaks in ((0.2, True), (0.05, False)):
        some = order[int(share * order.size) :]
        part = pixels.copy()
        part[ink.ys[some], ink.xs[some]] = 0
        assert (judged.uncovered(part, ink) > judged.most) is leaks


def test_what_is_beyond_the_edge_of_the_frame_is_not_shown(compositor):
    case = of("latin", carrier="held label", size=40, pace="fast", step=24.0, seed=1)
    seen = [
        [run_room._TEXT.uncovered(pixels, ink) for ink in lines] for pixels, lines in compositor.clip(case)
    ]
    assert max(map(max, seen)) == 1.0
    assert min(map(min, seen)) == 0.0
    ends = np.array([-1, 0, ROWS - 1, ROWS]), np.array([-1, 0, COLUMNS - 1, COLUMNS])
    for ys, xs in (ends, (np.full(4, 5), ends[1]), (ends[0], np.full(4, 5))):
        ink = Ink(ys, xs, np.zeros(4), 12.0)
        shown = judge.unfilled(np.ones((ROWS, COLUMNS, 3), np.uint8), ink)
        assert shown.tolist() == [False, True, True, False]


def test_only_what_is_far_from_writing_counts_as_masked_needlessly(compositor):
    pixels, lines = next(compositor.clip(PLAIN))
    writing = np.zeros((ROWS, COLUMNS), np.uint8)
    for ink in lines:
        writing[ink.ys, ink.xs] = 1
    near = pixels.copy()
    near[cv2.dilate(writing, np.ones((41, 41), np.uint8)) > 0] = 0
    assert run_room._away(near, lines) == 0.0
    assert run_room._away(np.zeros_like(pixels), lines) == 1.0


def test_bars_are_an_interleaved_2_of_5_code_and_squares_are_read_back():
    row = codes.bars("49", 1.0, 1)[0] > 127
    edges = np.flatnonzero(np.diff(np.r_[False, row, False].astype(int)))
    # 4 is nnwnw in bars, 9 is nwnwn in the spaces between: start, the pair, stop.
    assert np.diff(edges).tolist() == [1, 1, 1, 1, 1, 1, 1, 3, 3, 1, 1, 3, 3, 1, 3, 1, 1]
    code = np.pad(255 - codes.squares("48151623", 6.0), 40, constant_values=255)
    assert cv2.QRCodeDetector().detectAndDecode(code)[0] == "48151623"


def test_a_readable_name_leaks_with_a_blind_detector_and_is_masked_by_ours(compositor, monkeypatch):
    case = replace(PLAIN, size=64)
    monkeypatch.setattr(run_room, "compositor", lambda: compositor)
    monkeypatch.setattr(room_clip, "FRAMES", 8)
    ours = run_room.run_case(case)
    assert ours.control == 1.0
    assert ours.emitted > 0
    assert not ours.leaked
    alone = run_room.run_case(case, faces=False)
    assert alone.emitted > 0
    assert not alone.leaked
    found = run_room.detectors(faces=False)
    monkeypatch.setattr(run_room, "detectors", lambda faces: blind.without_text(found))
    missed = run_room.run_case(case)
    assert missed.leaked
    assert missed.worst == 1.0


def test_a_leak_reaches_the_table_and_rooms_with_one_font_count_once():
    planned = [replace(PLAIN, number=n, script=("latin", "greek")[n % 2]) for n in range(4)]
    results = [CaseResult(n, planned[n].source, control=1.0, emitted=32, away=0.02) for n in range(4)]
    results[2].leaking, results[2].judged = 1, 1
    results[3].held = {"no_bracket": 32}
    rows = report.rows(planned, results)
    text = report.markdown(rows, report.LINES)
    assert "| all | 4 | 1: 25.00%" in text
    assert "1 of 1 (100.00%)" in text
    assert "| script greek | 2 | 0: 0.00%" in text
    assert "2.00% |" in text
    assert "held back: no_bracket 32" in report.held(results)
