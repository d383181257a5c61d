"""The figures of a split, worked out by hand."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edge.imaging.bundle import ClassInfo
from trainer.data.dataset import Record
from trainer.evaluation import precision, shortcut, subgroups
from trainer.evaluation.judge import NO_EVIDENCE, figures, judge, scored

CLASSES = {"mri_a": "mri", "mri_b": "mri", "xr_normal": "xr", "xr_pneumonia": "xr"}
RULES: Any = SimpleNamespace(
    classes=tuple(ClassInfo(name=name, group=group) for name, group in CLASSES.items()),
    min_probability={"mri": 0.5, "xr": 0.7},
)
NAMES = list(CLASSES)


def record(label: str, group: str, **more: Any) -> Record:
    modality = "MRI" if label.startswith("mri") else "XR"
    return Record(Path(group), label, modality, "val", group, more.pop("source", "s"), "f", **more)


def answers(guesses: list[str], sure: float = 0.8) -> np.ndarray:
    out = np.zeros((len(guesses), 4))
    for row, guess in enumerate(guesses):
        own = [NAMES.index(name) for name in NAMES if CLASSES[name] == CLASSES[guess]]
        out[row, own] = 1 - sure
        out[row, NAMES.index(guess)] = sure
    return out


def many(per_class: int = 25) -> tuple[list[Record], list[str]]:
    """The first tenth of each class is called by the other name, but mri_b always is right."""
    records, guesses = [], []
    for name in NAMES:
        other = next(each for each in NAMES if each != name and CLASSES[each] == CLASSES[name])
        for number in range(per_class):
            records.append(record(name, f"{name}{number}", source=("kermany", "nih-cxr14")[number % 2]))
            guesses.append(other if number < per_class // 10 and name != "mri_b" else name)
    return records, guesses


def test_main_figures_and_their_keys() -> None:
    records, guesses = many(30)
    out = judge(answers(guesses), records, RULES)
    assert out["accuracy"] == pytest.approx(1 - 9 / 120)
    mri = out["per_modality"]["MRI"]
    assert mri["balanced_accuracy"] == pytest.approx((27 / 30 + 1) / 2)
    assert mri["per_class"]["mri_a"]["sensitivity"] == pytest.approx(0.9)
    assert mri["per_class"]["mri_a"]["specificity"] == 1
    assert mri["per_class"]["mri_b"]["specificity"] == pytest.approx(0.9)
    assert mri["recall"] == {"mri_a": 0.9, "mri_b": 1.0}
    mean = (mri["balanced_accuracy"] + out["per_modality"]["XR"]["balanced_accuracy"]) / 2
    assert out["mean_within_modality_balanced_accuracy"] == pytest.approx(mean, abs=1e-4)
    for part, key in (
        (out, "accuracy"), (out, "macro_f1"), (out, "mean_within_modality_balanced_accuracy"),
        (mri, "balanced_accuracy"), (mri["per_class"]["mri_b"], "sensitivity"),
        (mri["per_class"]["mri_a"], "auc"), (out, "brier"), (out, "expected_calibration_error"),
    ):  # fmt: skip
        low, high = part[f"{key}_interval"]
        assert low <= part[key] <= high, key
        assert low < high, key
    assert out["worst_class"]["sensitivity"] == 0.9
    assert out["confusion"]["counts"][0] == [27, 3, 0, 0]
    assert out["modalities_with_evidence"] == ["MRI", "XR"]


def test_few_groups_are_no_evidence() -> None:
    records, guesses = many(30)
    small = [
        record(each.label, f"g{row % 6}") if each.modality == "XR" else each
        for row, each in enumerate(records)
    ]
    out = judge(answers(guesses), small, RULES)
    assert out["per_modality"]["XR"]["evidence"] == NO_EVIDENCE
    assert out["per_modality"]["MRI"]["evidence"] == ""
    assert out["mean_of_modalities_with_evidence"] == out["per_modality"]["MRI"]["balanced_accuracy"]


def test_abstention_follows_each_groups_own_threshold() -> None:
    records, guesses = many(20)
    out = judge(answers(guesses, sure=0.6), records, RULES)
    assert out["abstained"] == 0.5  # .6 is above MRI's .5 and below X-ray's .7
    assert [point["coverage"] for point in out["abstention_curve"]] == [1.0] * 13  # all are equally sure


def test_surer_answers_are_kept_longer() -> None:
    records = [record("mri_a", f"a{i}") for i in range(100)] + [record("mri_b", f"b{i}") for i in range(100)]
    probability = np.zeros((200, 4))
    right = np.tile(np.linspace(0.01, 0.99, 100), 2)
    rows = np.arange(200)
    probability[rows, rows // 100], probability[rows, 1 - rows // 100] = right, 1 - right
    curve = judge(probability, records, RULES)["abstention_curve"]
    # Wrong answers are as sure as right ones here: abstaining gains nothing.
    assert {round(point["accuracy"], 1) for point in curve} == {0.5}
    right = np.tile(np.linspace(0.4, 0.99, 100), 2)
    probability[rows, rows // 100], probability[rows, 1 - rows // 100] = right, 1 - right
    curve = judge(probability, records, RULES)["abstention_curve"]
    assert curve[0]["accuracy"] < curve[-1]["accuracy"] == 1.0


def test_all_logits_are_judged_beside() -> None:
    records, guesses = many(20)
    probability = answers(guesses)
    logits = probability.astype(np.float32)
    logits[:, 0] += 10
    out = judge(probability, records, RULES, logits)
    assert out["accuracy_modality_unknown"] == 0.25


def test_within_a_source_normal_and_pneumonia_are_told_apart() -> None:
    records, guesses = many(30)
    probability = answers(guesses)
    nih = [row for row, each in enumerate(records) if each.source == "nih-cxr14" and each.modality == "XR"]
    probability[np.ix_(nih, [2, 3])] = 0.5
    out = subgroups.within_sources(scored(probability, records, RULES))
    assert out["nih-cxr14"]["auc"] == 0.5
    assert out["kermany"]["auc"] > 0.8


def test_subgroups_by_age_and_sex() -> None:
    records, guesses = many(30)
    aged = [
        record(each.label, each.group, age=(70.0, 5.0)[row % 2], sex=("F", "M")[row % 2])
        for row, each in enumerate(records)
    ]
    aged[0] = records[0]
    out = subgroups.subgroups(scored(answers(guesses), aged, RULES))
    assert out["age"]["unknown"] == out["sex"]["unknown"] == 1
    assert {name.split(", ")[1] for name in out["age"] if name != "unknown"} == {"0 to 17 years", "65 on"}
    assert out["sex"]["MRI, female"]["images"] == 29
    assert out["sex"]["XR, male"]["images"] == 30


def test_lead_over_the_probe_is_paired(monkeypatch: pytest.MonkeyPatch) -> None:
    records, guesses = many(30)
    them = scored(answers(guesses), records, RULES)
    monkeypatch.setattr("trainer.data.dataset.load_all", lambda some: np.zeros((len(some), 4, 4), np.uint8))

    def blind(train_x: np.ndarray, train_y: np.ndarray, test_x: np.ndarray) -> np.ndarray:
        assert len(train_x) == len(train_y) == 60
        return np.tile([0.9, 0.1], (len(test_x), 1))

    images = np.zeros((120, 4, 4), np.uint8)
    out = shortcut.margins(
        them, images, records, lambda some: some.reshape(len(some), -1).astype(float), blind
    )
    assert out["MRI"]["balanced_accuracy"] == 0.5
    assert out["MRI"]["margin"] == pytest.approx(0.45)
    assert out["MRI"]["beaten"]

    def same(train_x: np.ndarray, train_y: np.ndarray, test_x: np.ndarray) -> np.ndarray:
        rows = [row for row, each in enumerate(records) if each.modality == modality[len(calls)]]
        calls.append(1)
        best = them.best[rows]
        return np.eye(2)[best - best.min()]

    calls: list[int] = []
    modality = ["MRI", "XR"]
    out = shortcut.margins(
        them, images, records, lambda some: some.reshape(len(some), -1).astype(float), same
    )
    # The same answers image by image: the difference is exactly zero in every resample.
    assert out["XR"]["margin_interval"] == [0.0, 0.0]
    assert not out["XR"]["beaten"]


def test_half_precision_is_compared_where_it_matters() -> None:
    reference = np.array([[0.51, 0.49, 0.0], [0.505, 0.495, 0.0], [0.9, 0.05, 0.05]])
    other = np.array([[0.49, 0.51, 0.0], [0.495, 0.505, 0.0], [0.9, 0.05, 0.05]])
    out = precision.compare(reference, other)
    assert (out["label_changes"], out["label_changes_at_margin"]) == (2, 1)
    assert out["largest_difference"] == pytest.approx(0.02)


def test_two_runs_give_the_same_figures() -> None:
    records, guesses = many(20)
    them = scored(answers(guesses), records, RULES)
    assert figures(them) == figures(scored(answers(guesses), records, RULES))
