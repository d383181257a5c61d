"""Fixtures of the anonymization tests: real detectors, drawn scenes, an OCR that the product does not use."""

from __future__ import annotations

import shutil
import subprocess
from importlib import resources
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.anonymize.detectors import Detectors, load_detectors
from edge.settings import Anonymize


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    cv2.setNumThreads(1)


@pytest.fixture(scope="session")
def detectors() -> Detectors:
    found = load_detectors(Anonymize())
    assert found.problems == ()
    return found


@pytest.fixture(scope="session")
def face() -> np.ndarray:
    """A face (160, 160, 3): the public-domain picture of the self-test."""
    data = (resources.files("edge.anonymize") / "data" / "known-face.png").read_bytes()
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1].copy()


@pytest.fixture(scope="session")
def ocr(tmp_path_factory):
    """Words that tesseract reads in a picture, upper case."""
    if shutil.which("tesseract") is None:
        pytest.skip("needs tesseract (apt install tesseract-ocr)")
    folder = tmp_path_factory.mktemp("ocr")

    def read(pixels: np.ndarray) -> str:
        path: Path = folder / "page.png"
        big = (
            cv2.resize(pixels, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)
            if max(pixels.shape) < 700
            else pixels
        )
        cv2.imwrite(str(path), big)
        done = subprocess.run(
            ["tesseract", str(path), "-", "--psm", "11"], capture_output=True, check=True, text=True
        )
        return done.stdout.upper()

    return read
