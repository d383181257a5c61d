"""Decision: masking, calibration, abstention, activation map."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edge.classify.decide import decide, decide_among
from edge.imaging.bundle import Bundle, ClassInfo, Likeness
from edge.imaging.intended_use import looks_intended

NAMES = ["a", "b", "c"]
CAM = np.arange(5 * 4, dtype=np.float32).reshape(5, 2, 2)


def test_logits_of_other_kinds_are_masked() -> None:
    """A class of another modality is never named, however loudly the network says it."""
    logits = np.array([0.0, 50.0, 1.0, 3.0, 60.0], np.float32)
    decision = decide_among(logits, CAM, [0, 2, 3], NAMES, 1.0, 0.4)
    assert set(decision.probabilities) == set(NAMES)
    assert decision.label == "c"
    assert sum(decision.probabilities.values()) == pytest.approx(1)
    # The same logits with the others admitted: the control.
    assert decide_among(logits, CAM, [0, 1, 2, 3, 4], list("vwxyz"), 1.0, 0.4).label == "z"


def test_temperature_flattens() -> None:
    logits = np.array([2.0, 0.0, 0.0], np.float32)
    hot = decide_among(logits, CAM[:3], [0, 1, 2], NAMES, 4.0, 0.0).probabilities["a"]
    cold = decide_among(logits, CAM[:3], [0, 1, 2], NAMES, 1.0, 0.0).probabilities["a"]
    assert cold == pytest.approx(np.exp(2) / (np.exp(2) + 2))
    assert hot == pytest.approx(np.exp(0.5) / (np.exp(0.5) + 2))


@pytest.mark.parametrize(("limit", "label", "abstained"), [(0.5, "a", None), (0.9, None, "unsure")])
def test_abstains_below_the_limit(limit: float, label: str | None, abstained: str | None) -> None:
    logits = np.array([2.0, 0.0, 0.0], np.float32)
    decision = decide_among(logits, CAM[:3], [0, 1, 2], NAMES, 1.0, limit)
    assert decision.label == label
    assert decision.abstained == abstained
    assert decision.probabilities["a"] > 0.7


def test_cam_is_of_the_best_class_and_spread_over_bytes() -> None:
    cam = np.zeros((3, 2, 3), np.float32)
    cam[1] = [[-1, 0, 1], [3, 2, 1]]
    decision = decide_among(np.array([0, 5, 0], np.float32), cam, [0, 1, 2], NAMES, 1.0, 0.0)
    assert decision.cam_shape == (2, 3)
    assert list(decision.cam) == [0, 64, 128, 255, 191, 128]
    flat = decide_among(np.array([5, 0, 0], np.float32), cam, [0, 1, 2], NAMES, 1.0, 0.0)
    assert flat.cam == bytes(6)


@given(arrays(np.float32, 5, elements=st.floats(-1e6, 1e6, width=32)))
def test_probabilities_are_shares_whatever_the_logits(logits: np.ndarray) -> None:
    decision = decide_among(logits, CAM, [1, 2, 4], NAMES, 1.0, 0.5)
    assert sum(decision.probabilities.values()) == pytest.approx(1)
    assert all(0 <= value <= 1 for value in decision.probabilities.values())
    assert (decision.label is None) != (decision.abstained is None)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_no_number_is_no_finding(bad: float) -> None:
    with pytest.raises(ValueError, match="not a number"):
        decide_among(np.array([bad, 0, 0], np.float32), CAM[:3], [0, 1, 2], NAMES, 1.0, 0.5)


def test_unknown_group_is_refused(bundle: Bundle) -> None:
    classes = len(bundle.classes)
    with pytest.raises(ValueError, match="no class"):
        decide(
            np.zeros(classes, np.float32),
            np.zeros(448, np.float32),
            np.zeros((classes, 7, 7), np.float32),
            "knee",
            bundle,
        )


@pytest.mark.parametrize(
    ("features", "label", "abstained"),
    [
        ([1.0, 0.0], "a", None),
        ([0.5, 0.9], "a", None),
        ([0.2, 0.9], None, "not_intended_use"),
        ([-1.0, 0.0], None, "not_intended_use"),
        ([float("nan"), 1.0], None, "not_intended_use"),
    ],
)
def test_an_image_unlike_its_group_gets_no_label(
    features: list[float], label: str | None, abstained: str | None
) -> None:
    """However sure the network is: the header, or the camera's setting, was wrong."""
    classes = (ClassInfo(name="a", group="g"), ClassInfo(name="b", group="g"))
    bundle: Any = SimpleNamespace(
        classes=classes,
        class_indices=lambda _: [0, 1],
        temperature={"g": 1.0},
        min_probability={"g": 0.5},
        likeness={"g": Likeness(direction=(1.0, 0.0), least=0.4)},
    )
    logits = np.array([9.0, 0.0], np.float32)
    decision = decide(logits, np.array(features, np.float32), CAM[:2], "g", bundle)
    assert (decision.label, decision.abstained) == (label, abstained)
    # The control: a bundle that does not say what its images look like gives the label.
    bundle.likeness = {}
    assert decide(logits, np.array(features, np.float32), CAM[:2], "g", bundle).label == "a"


def test_features_of_another_length_are_an_error() -> None:
    with pytest.raises(ValueError, match="inconsistent"):
        looks_intended(np.zeros(3, np.float32), Likeness(direction=(1.0, 0.0), least=0.4))
