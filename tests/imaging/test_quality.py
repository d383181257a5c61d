"""The quality gate holds back what shows nothing, and lets real images through."""

from __future__ import annotations

import csv

import cv2
import numpy as np
import pytest

from edge.imaging.quality import judge, measure
from edge.settings import Quality

LIMITS = Quality()
RNG = np.random.default_rng(5)


def _phantom(side=256):
    image = np.full((side, side), 30, np.uint8)
    cv2.circle(image, (side // 2, side // 2), side // 3, 160, -1)
    cv2.ellipse(image, (side // 2, side // 2), (side // 8, side // 5), 30, 0, 360, 220, -1)
    return cv2.GaussianBlur(image, (0, 0), 1.2)


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (np.zeros((300, 300), np.uint8), "too_dark"),
        (np.full((300, 300), 255, np.uint8), "too_bright"),
        (np.full((300, 300), 120, np.uint8), "no_content"),
        (RNG.integers(0, 256, (512, 512), dtype=np.uint8), "noise"),
        (RNG.integers(0, 256, (720, 1280, 3), dtype=np.uint8), "noise"),
        (_phantom()[:32], "too_small"),
        (_phantom(), None),
        (_phantom(2000), None),
        (cv2.cvtColor(_phantom(), cv2.COLOR_GRAY2RGB), None),
    ],
)
def test_an_image_of_nothing_is_held_back_and_a_phantom_is_not(image, reason):
    assert judge(measure(image), LIMITS, camera=False) == reason


def test_a_blurred_frame_is_held_back_from_a_camera_alone():
    blurred = cv2.GaussianBlur(_phantom(512), (0, 0), 40)
    assert judge(measure(blurred), LIMITS, camera=True) == "blurred"
    assert judge(measure(blurred), LIMITS, camera=False) is None


def test_no_real_image_of_any_source_is_held_back(edge_data):
    held, seen, sources = [], 0, set()
    with (edge_data / "index.csv").open(newline="") as file:
        for number, row in enumerate(csv.DictReader(file)):
            if number % 12 == 0:
                image = cv2.imread(str(edge_data / row["file"]), cv2.IMREAD_GRAYSCALE)
                reason = judge(measure(image), LIMITS, camera=False)
                held += [(row["source"], reason)] if reason else []
                seen += 1
                sources.add(row["source"])
    assert (held, seen > 400, len(sources)) == ([], True, 5)
