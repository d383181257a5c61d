"""The bench of burned-in text: its truth is where the ink is, its slices are fair, its table is right."""

from __future__ import annotations

from collections import Counter

import cv2
import numpy as np
import pytest
from support.leak import (
    canvas,
    fonts,
    judge,
    objects,
    report_files,
    run_text,
    run_utility,
    script_proof,
    sources,
    text_cases,
)
from support.leak.outcome import FileResult, Outcome
from support.leak.screens import DETECTOR_DECIDES, LAYOUTS

from edge.anonymize.scanner.regions import kept_regions
from edge.anonymize.text import evidence
from edge.anonymize.text.evidence import Trust
from edge.imaging import dicom
from edge.imaging.decoded import DecodeLimits
from trainer.detectors.text.writing import FAMILIES

SOURCES = {kind: [f"{kind}{n}.png" for n in range(3)] for kind in ("xray", "ct", "mri", "us")}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Drawn pictures in the place of real ones."""
    folder = tmp_path_factory.mktemp("data")
    y, x = np.mgrid[:224, :224]
    for kind, names in SOURCES.items():
        for number, name in enumerate(names):
            gray = 70 + 40 * np.sin(x / (30 + number)) + 25 * np.cos(y / (17 + len(kind)))
            assert cv2.imwrite(str(folder / name), gray.round().astype(np.uint8))
    return folder


@pytest.fixture
def drawn(data):
    missing = fonts.missing()
    if missing:
        pytest.skip("; ".join(missing))

    def make(**changes):
        base = {"number": 1, "script": "latin", "font": "sans", "size": 20, "contrast": "strong",
                "layout": "CT console", "strokes": "smooth", "source": "ct0.png", "seed": 5}  # fmt: skip
        case = text_cases.TextCase(**{**base, **changes})
        return run_text.draw(case, data)

    return make


def test_no_font_that_judges_has_trained():
    files = [face.file for kinds in fonts.FONTS.values() for faces in kinds.values() for face in faces]
    assert not [file for file in files if file.startswith(FAMILIES)]


def test_missing_fonts_are_named_with_their_packages(tmp_path):
    said = "\n".join(fonts.missing(tmp_path))
    for package in ("freefont-ttf", "liberation", "hosny-amiri", "lohit-deva", "wqy-zenhei"):
        assert f"install fonts-{package}" in said


@pytest.mark.parametrize("count", [36, 150, 3024])
def test_any_number_of_cases_is_balanced(count):
    planned = text_cases.cases(SOURCES, count)
    for name in ("script", "layout", "size", "contrast", "strokes"):
        times = Counter(case.strata[name] for case in planned)
        if name == "script":  # two thirds of all, as it is the one that is to be proved
            latin = times.pop("latin")
            assert abs(latin - 2 * sum(times.values())) <= 10
        assert max(times.values()) - min(times.values()) <= 1
    assert planned == text_cases.cases(SOURCES, 3024)[:count]  # seeds are fixed


def test_the_last_cases_are_of_the_scripts_that_have_too_few():
    last = text_cases.cases(SOURCES)[text_cases.LATIN_TOO :]
    times = Counter(case.script for case in last)
    assert set(times) == set(fonts.FONTS) - {"latin"}
    assert len(set(times.values())) == 1


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("script", fonts.FONTS)
def test_the_truth_lies_on_the_ink(drawn, layout, script):
    made = drawn(layout=layout, script=script, font=next(iter(fonts.FONTS[script])))
    original = objects.stored(made.data)
    assert made.screen.lines
    assert run_text.judged(original, original, made.screen).leaking  # the control
    filled = original.copy()
    for ink in made.screen.lines:
        assert ink.ys.size > 20
        filled[ink.ys.min() : ink.ys.max() + 1, ink.xs.min() : ink.xs.max() + 1] = 1
    assert not run_text.judged(filled, original, made.screen).leaking


@pytest.mark.parametrize("layout", LAYOUTS)
def test_our_rules_keep_of_a_layout_what_the_table_says(drawn, layout):
    made = drawn(layout=layout)
    if made.suffix == ".png":
        return
    opened = dicom.open_(made.data, DecodeLimits())
    regions = kept_regions(opened.acquisition, *opened.shape[:2], Trust((), frozenset({"latin"})))
    kept = LAYOUTS[layout].kept
    assert (regions == "unknown_layout") == (kept == "nothing: unknown")
    if regions != "unknown_layout":
        inside = [any(r.left <= x < r.right and r.top <= y < r.bottom for r in regions)
                  for ink in made.screen.lines for y, x in zip(ink.ys, ink.xs, strict=True)]  # fmt: skip
        assert all(inside) if kept in DETECTOR_DECIDES else not any(inside)


def line(letters: int, size: int = 20) -> canvas.Ink:
    """Boxes of ink, half as wide as high, like letters."""
    page = np.zeros((size, letters * size // 2), bool)
    for n in range(letters):
        page[2:-2, n * size // 2 + 1 : (n + 1) * size // 2 - 1] = True
    ys, xs = np.nonzero(page)
    return canvas.Ink(ys, xs, xs.astype(float), float(size))


def test_two_letters_left_of_ten_are_a_leak_and_specks_are_none():
    ink = line(10)
    assert judge.legible(np.ones(ink.ys.size, bool), ink) == 1.0
    assert judge.legible(ink.xs >= 80, ink) == 1.0  # two letters of ten, a fifth of all ink
    assert judge.legible((ink.ys < 10), ink) == pytest.approx(0.5, abs=0.05)  # their upper halves
    assert judge.legible(ink.xs >= 98, ink) < judge.READABLE
    specks = np.random.default_rng(0).random(ink.ys.size) < 0.1
    assert judge.legible(specks, ink) < judge.READABLE
    assert judge.legible(np.zeros(ink.ys.size, bool), ink) == 0.0


def test_a_fill_that_has_the_value_of_the_ink_covers_it():
    whole = line(10)
    strokes = whole.xs % 5 < 2
    ink = canvas.Ink(whole.ys[strokes], whole.xs[strokes], whole.along[strokes], whole.size)
    page = np.full((40, 140), 30, np.uint8)
    page[ink.ys, ink.xs] = 90
    assert judge.bare(page, page, ink).all()  # the control
    assert not judge.bare(np.full_like(page, 90), page, ink).any()


def test_a_black_fill_over_another_one_shows_no_black_ink():
    ink = line(10)
    page = np.random.default_rng(2).integers(120, 180, (40, 140)).astype(np.uint8)
    page[ink.ys, ink.xs] = 0
    filled = np.full_like(page, 150)
    filled[:, 30:70] = 0  # as a face's mask over a text's
    assert judge.legible(judge.bare(page, page, ink), ink) > 0.6  # the control
    assert judge.legible(judge.bare(filled, page, ink), ink) == 0.0
    half = page.copy()
    half[:, :70] = 150
    assert judge.legible(judge.bare(half, page, ink), ink) > 0.6


def test_a_line_that_fell_outside_the_picture_cannot_leak():
    nowhere = np.zeros(0, np.int64)
    ink = canvas.Ink(nowhere, nowhere, nowhere.astype(float), 14.0)
    frame = np.full((40, 60), 90, np.uint8)
    assert judge.legible(judge.bare(frame, frame, ink), ink) == 0


def test_a_leak_reaches_the_table_and_a_held_object_is_none():
    strata = [{"script": "latin"}, {"script": "latin"}, {"script": "greek"}]
    results = [
        FileResult(0, "a", True, {"edge": Outcome(masked=0.1, seconds=1), "peer": Outcome(leaking=True)}),
        FileResult(1, "a", True, {"edge": Outcome(leaking=True, masked=0.3, seconds=1), "peer": Outcome()}),
        FileResult(2, "b", True, {"edge": Outcome(held="unknown_layout", seconds=2), "peer": Outcome()}),
    ]
    rows = report_files.rows(strata, results)
    text = report_files.markdown(rows)
    assert "| all | 3 | 1: 33.33% (86.46%) | 1 of 2 (97.47%) | 33.3% | 20.0% | 1: 33.33%" in text
    assert "| script greek | 1 | 0: 0.00% (95.00%) | 0 of 1 (95.00%) | 100.0% | - |" in text
    assert "0.75" in report_files.summary(rows[0].tallies)


def test_a_changed_label_reaches_the_table_and_a_held_image_changes_none():
    found = [
        run_utility.Compared("brain_mri/", "a", None, 0.02, "mri_glioma", "mri_notumor"),
        run_utility.Compared("brain_mri/", "a", None, 0.0, "mri_glioma", "mri_glioma"),
        run_utility.Compared("chest_xray/", "b", "text_left", 0.0, None, None),
    ]
    text = run_utility.markdown(found)
    assert "| all: 3 | 1 | 1 | 1.00% | 1: 50.00% (97.47%) | 1 of 1 (100.00%) |" in text
    assert "| chest_xray: 1 | 1 | 0 | 0.00% | 0: 0.00% (100.00%) | 0 of 0 (100.00%) |" in text


def test_ours_masks_a_plain_label_and_leaves_it_with_a_blind_detector(drawn, data, monkeypatch):
    drawn()  # skips without fonts
    case = text_cases.TextCase(1, "latin", "sans", 20, "strong", "x-ray corner", "smooth", "xray0.png", 5)
    plan = run_text.Plan(str(data), None)
    assert not run_text.run_case(case, plan).outcomes["edge"].leaking
    for finder in run_text.detectors().texts:
        monkeypatch.setattr(finder, "find", lambda image, within=None: [])
    assert run_text.run_case(case, plan).outcomes["edge"].leaking


def test_a_script_without_proof_is_held_and_still_measured(drawn, data, monkeypatch):
    drawn()
    monkeypatch.setattr(evidence, "table", lambda: ())
    run_text.anonymizer.cache_clear()
    case = text_cases.TextCase(1, "latin", "sans", 20, "strong", "x-ray corner", "smooth", "xray0.png", 5)
    found = run_text.run_case(case, run_text.Plan(str(data), None))
    run_text.anonymizer.cache_clear()
    assert found.outcomes["edge"].held == "unproved_script"
    assert found.outcomes[run_text.TRUSTED].held is None


def test_the_proof_of_a_script_is_made_of_what_left_where_detectors_decide(tmp_path):
    layouts = ("x-ray corner", "picture", "x-ray corner", "ultrasound bar", "x-ray corner")
    planned = [
        text_cases.TextCase(n, "latin", "sans", 20, "strong", layout, "smooth", name, 0)
        for n, (layout, name) in enumerate(zip(layouts, "aabcd", strict=True))
    ]
    made = (Outcome(leaking=True), Outcome(), Outcome(), Outcome(leaking=True), Outcome(held="text_left"))
    results = [
        FileResult(n, case.source, True, {"edge": Outcome(), run_text.TRUSTED: outcome})
        for n, (case, outcome) in enumerate(zip(planned, made, strict=True))
    ]
    (row,) = script_proof.rows(planned, results, ["ab" * 32])
    assert (row.script, row.cases, row.leaking) == ("latin", 3, 1)
    assert row.upper == pytest.approx(judge.upper(1, 2), abs=1e-4)  # two files: one of them in two cases
    assert "latin: 1 of 3 that left leak" in script_proof.in_words([row])
    assert "keep-region only" in script_proof.in_words([row])
    script_proof.write([row], tmp_path / "scripts.csv")
    text = (tmp_path / "scripts.csv").read_text(encoding="utf-8")
    assert text.splitlines()[1] == f"latin,3,1,{row.upper},{'ab' * 32}"


def test_rules_are_chosen_on_other_images_and_cases_than_those_that_judge(edge_data):
    judging, tuning = (sources.images(edge_data, tune=tune) for tune in (False, True))
    for kind in ("xray", "ct", "mri"):
        assert not set(judging[kind]) & set(tuning[kind])
        assert len(tuning[kind]) >= 0.15 * len(judging[kind])
    judged, tuned = (text_cases.cases(SOURCES, 40, tune=tune) for tune in (False, True))
    assert not {case.seed for case in judged} & {case.seed for case in tuned}
