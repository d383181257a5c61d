"""Markers of side and orientation, calipers and rulers stay; names however short, and initials, go."""

from __future__ import annotations

from pathlib import Path

import cv2
import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from edge.anonymize.geometry import Box
from edge.anonymize.scanner.glyph import ALLOWED
from edge.anonymize.scanner.markers import markers
from tests.anonymize import drawn_markers
from tests.anonymize.scenes import radiograph

FONTS = [cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_TRIPLEX]


def written(*texts: tuple[str, int, int], font=cv2.FONT_HERSHEY_DUPLEX, value=245, scale=1.0):
    """A drawn radiograph with texts at (x, y) of their lower left corners, and a box around each."""
    image, boxes = radiograph(None), []
    for text, x, y in texts:
        (width, height), _ = cv2.getTextSize(text, font, scale, 2)
        cv2.putText(image, text, (x, y), font, scale, value, 2, cv2.LINE_AA)
        sides = width + 10, height + 10
        box = Box(x - 5, y - height - 5, x + width + 5, y + 5, elongation=max(sides) / min(sides))
        boxes.append(box)
    return image, boxes


@pytest.mark.parametrize("font", FONTS)
@pytest.mark.parametrize("letter", sorted(ALLOWED))
def test_a_letter_of_the_list_stays_alone(letter, font):
    image, boxes = written((letter, 60, 80), font=font)
    assert markers(image, boxes) == boxes


@pytest.mark.parametrize("font", FONTS)
@pytest.mark.parametrize("letter", sorted(set("BCDEGJKMNOQTUVWXYZ23456789")))
def test_another_letter_or_a_digit_does_not(letter, font):
    image, boxes = written((letter, 60, 80), font=font)
    assert markers(image, boxes) == []


def test_dark_letters_on_a_bright_field_are_letters_too():
    image, boxes = written(("R", 60, 80))
    assert markers(255 - image, boxes) == boxes
    image, boxes = written(("K", 60, 80))
    assert markers(255 - image, boxes) == []


@pytest.mark.parametrize("height", [20, 24, 32])
def test_a_letter_of_thick_and_thin_strokes_is_not_its_own_company(height):
    font = ImageFont.truetype(str(Path(mpl.get_data_path()) / "fonts" / "ttf" / "STIXGeneralBol.ttf"), height)

    def kept(words):
        page = Image.new("L", (200, 160), 170)
        pen = ImageDraw.Draw(page)
        pen.text((80, 60), words, 20, font)
        x0, y0, x1, y1 = pen.textbbox((80, 60), "R", font)
        box = Box(x0 - 4, y0 - 4, x1 + 5, y1 + 6, elongation=1.2)
        return markers(np.asarray(page), [box]) == [box]

    assert kept("R")
    assert not kept("RJ")
    assert not kept("R J")


def test_a_box_that_cuts_a_letter_stays_with_it_and_small_initials_below_one_do_not():
    image, (box,) = written(("R", 60, 80), scale=1.6)
    cut = Box(box.left + 9, box.top + 9, box.right - 9, box.bottom - 9, elongation=1.1)
    assert markers(image, [box, cut]) == [box, cut]
    cv2.putText(image, "JD", (62, 96), cv2.FONT_HERSHEY_PLAIN, 0.7, 245, 1, cv2.LINE_AA)
    both = Box(box.left, box.top, box.right, 100, elongation=1.4)
    assert markers(image, [both, Box(60, 86, 82, 99, elongation=1.7)]) == []


def test_a_shape_without_strokes_gives_back_no_line_inside_it():
    image = radiograph(None)
    image[60:140, 60:140] = 90
    cv2.putText(image, "Wu", (72, 104), cv2.FONT_HERSHEY_SIMPLEX, 0.9, 130, 1, cv2.LINE_AA)
    line, blob = Box(66, 80, 126, 110, elongation=2.6), Box(62, 70, 134, 134, elongation=1.1)
    assert line not in markers(image, [line, blob])


def test_twins_of_one_marker_count_once():
    image, (box,) = written(("R", 60, 80))
    twins = [box, box.shifted(1, 0), box.shifted(0, 1), box.padded(1, 1), box.shifted(1, 1)]
    assert markers(image, twins) == twins


@pytest.mark.parametrize("name", ["JD", "AL", "LR", "Li", "R.", "A I", "Ho", "R2"])
def test_a_box_that_holds_more_than_one_letter_does_not_stay(name):
    image, (box,) = written((name, 60, 80))
    assert markers(image, [box]) == []


@pytest.mark.parametrize(
    "second",
    [("R", 95, 80), ("R", 60, 125), ("DOE", 110, 80), ("S", 20, 80)],
    ids=["beside", "below", "a word", "before"],
)
def test_a_letter_beside_others_does_not_stay_whether_they_were_found_or_not(second):
    image, boxes = written(("L", 60, 80), second)
    assert markers(image, boxes) == []
    assert markers(image, boxes[:1]) == []
    alone, box = written(("L", 60, 80))
    assert markers(alone, box) == box  # the control


def test_a_marker_stays_beside_what_is_not_of_its_ink():
    image, boxes = written(("L", 60, 80))
    cv2.putText(image, "K", (95, 80), cv2.FONT_HERSHEY_DUPLEX, 1.0, 60, 2, cv2.LINE_AA)
    assert markers(image, boxes) == boxes


def test_more_letters_than_an_image_has_markers_are_none():
    places = [("L", 40, 60), ("R", 440, 60), ("A", 40, 360), ("P", 440, 360)]
    image, boxes = written(*places)
    assert markers(image, boxes) == boxes
    image, boxes = written(*places, ("H", 240, 60))
    assert markers(image, boxes) == []


def test_what_has_no_strokes_is_no_letter_and_stays():
    image = radiograph(None)
    cv2.circle(image, (100, 100), 14, 220, cv2.FILLED)
    image = cv2.GaussianBlur(image, (0, 0), 6)
    box = Box(80, 80, 120, 120, elongation=1.0)
    assert markers(image, [box]) == [box]
    assert markers(image, [Box(80, 80, 160, 120, elongation=2.0)]) == []


def test_on_real_radiographs_markers_calipers_and_rulers_stay_and_names_that_are_found_go(
    edge_data, detectors
):
    lost = names = 0
    for case in drawn_markers.cases(edge_data, 5):
        if case.kind == "name":
            found = detectors.text.find(case.pixels)
            ink = np.any(case.ink, axis=0)
            on_it = [box for box in found if ink[_inside(box)].any()]
            assert not set(on_it) & set(markers(case.pixels, found)), case.what
            names += bool(on_it)
        else:
            lost += min(drawn_markers.left(case, detectors)) < 0.95
    assert names >= 3
    assert lost <= 2


def _inside(box: Box):
    return np.s_[max(0, int(box.top)) : int(box.bottom), max(0, int(box.left)) : int(box.right)]
