"""The shipped bundle, and clean frames as the gate makes them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge.imaging import frames
from edge.imaging.bundle import Bundle
from edge.imaging.frames import Acquisition, CleanFrame
from edge.messages import Receipt

SHIPPED = Path(__file__).resolve().parents[2] / "firmware_config"


@pytest.fixture(scope="session")
def bundle() -> Bundle:
    return Bundle.load(SHIPPED / "model", SHIPPED / "model-root.json", None)


@pytest.fixture
def clean() -> Callable[[np.ndarray], CleanFrame]:
    """Makes a CleanFrame with the gate's own key, as only a test may."""

    def make(pixels: np.ndarray) -> CleanFrame:
        return CleanFrame(
            pixels=pixels,
            source="test",
            index=3,
            captured_ns=1,
            captured_ms=5,
            acquisition=Acquisition(modality="MR", body_part="BRAIN"),
            receipt=Receipt(policy="test", detectors=[], kept_share=1.0, masked_share=0.0),
            _key=frames._GATE_KEY,
        )

    return make
