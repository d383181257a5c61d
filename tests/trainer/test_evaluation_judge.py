"""The figures of a split, worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edge.imaging.bundle import ClassInfo, Likeness
from trainer.data.dataset import Record
from trainer.evaluation import least_likeness, precision, shortcut, subgroups, words
from trainer.evaluation.judge import NO_EVIDENCE, figures, judge, scored
from trainer.evaluation.other_images import Other
from trainer.evaluation.privacy_words import privacy
from trainer.evaluation.runner import answers_unknown
from trainer.evaluation.train_split import TrainSplit

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
    assert mri["abstained"] == 0
    assert mri["abstained_interval"][1] > 0
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


def test_as_shown_is_what_the_box_shows() -> None:
    records, guesses = many(20)  # Two of each class are wrong, but of mri_b none.
    probability = answers(guesses)
    probability[4:8, :2] = (0.45, 0.55)  # mri_a: 4 surely right ones become unsure and forced wrong.
    rules = SimpleNamespace(classes=RULES.classes, min_probability={"mri": 0.6, "xr": 0.7})
    them = scored(probability, records, rules)
    limit = them.limit.copy()
    limit[9:14] = np.inf  # 5 more do not look like their group.
    out = figures(replace(them, limit=limit))
    part = out["per_modality"]["MRI"]["per_class"]["mri_a"]
    assert part["sensitivity"] == 14 / 20
    shown = part["as_shown"]
    assert (shown["right"], shown["wrong"], shown["no_label"]) == (9 / 20, 2 / 20, 9 / 20)
    assert (shown["no_label_unsure"], shown["no_label_unlike_its_kind"]) == (4 / 20, 5 / 20)
    assert part["sensitivity_as_shown"] == 9 / 20
    assert part["sensitivity_as_shown_interval"] == shown["right_interval"]
    # Of the 20 images of mri_a, 2 are shown as mri_b.
    assert out["per_modality"]["MRI"]["per_class"]["mri_b"]["wrongly_shown_for_others"] == 0.1
    assert out["abstained"] == out["as_shown"]["no_label"] == pytest.approx(9 / 80, abs=1e-4)
    said = words.shown(shown)
    assert said.startswith("the right label for 45 (")
    assert "a wrong one for 10 (" in said
    assert said.endswith("it is unsure of 20, and 25 do not look like their kind of image")


def test_hundredths_add_up() -> None:
    assert words.of_hundred(1 / 3, 1 / 3, 1 / 3) == [34, 33, 33]
    assert words.of_hundred(0.615, 0.385, 0.0) == [62, 38, 0]
    assert sum(words.of_hundred(0.1234, 0.5678, 0.3088)) == 100


def statement(**more: Any) -> str:
    usual = {
        "privacy_mode": "release", "epsilon": 2.0, "delta": 1e-5, "unit": "image",
        "adjacency": "add or remove one image", "not_covered": "For 2 together epsilon is 4.4.",
    }  # fmt: skip
    return " ".join(privacy({**usual, **more}))


def test_privacy_is_said_by_epsilon_and_unit() -> None:
    said = statement()
    assert "at most 7.4 times as likely as without it" in said
    assert "1 in 100,000" in said
    assert "reasonable protection, not strong" in said
    assert "patients, as far as they have more than one image" in said
    assert said.endswith("For 2 together epsilon is 4.4.")
    assert "at most 1.11 times" in statement(epsilon=0.1)
    assert "this is strong protection" in statement(epsilon=0.1)
    assert "weak protection or none" in statement(epsilon=20.0)
    patient = statement(unit="patient (surrogate ids: group_id stands for the patient)")
    assert "any one patient in the training" in patient
    assert "families and hospitals" in patient
    assert "as far as they have" not in patient
    assert "research run" not in said
    assert "research run" in statement(privacy_mode="research")
    assert "without any privacy guarantee" in statement(epsilon=None)


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


def test_answers_without_a_known_modality_are_judged_beside() -> None:
    records, guesses = many(20)
    out = judge(answers(guesses), records, RULES, np.zeros(len(records), np.intp))
    assert out["accuracy_modality_unknown"] == 0.25


def test_an_image_of_unknown_kind_goes_to_the_group_that_it_looks_like() -> None:
    first, second = sorted({each.group for each in RULES.classes})
    members = [[row for row, each in enumerate(RULES.classes) if each.group == g] for g in (first, second)]
    logits = np.zeros((2, len(RULES.classes)), np.float32)
    logits[:, members[0][0]] = 9  # The largest of all, whichever kind it is.
    logits[:, members[1][1]] = 5
    features = np.array([[0.9, 0.1], [0.2, 0.8]], np.float32)
    alike = {
        first: Likeness(direction=(1.0, 0.0), least=0.3),
        second: Likeness(direction=(0.0, 1.0), least=0.3),
    }
    bundle: Any = SimpleNamespace(
        classes=RULES.classes, temperature={first: 1.0, second: 1.0}, likeness=alike
    )
    assert answers_unknown(bundle, logits, features).tolist() == [members[0][0], members[1][1]]
    bundle.likeness = {}
    assert answers_unknown(bundle, logits, features).tolist() == [members[0][0]] * 2


def test_a_threshold_of_likeness_is_chosen_by_what_it_holds_back() -> None:
    alike = {"a": Likeness(direction=(1.0, 0.0), least=0.3), "b": Likeness(direction=(0.0, 1.0), least=0.3)}
    seen = np.array([[0.9, 0.0], [0.32, 0.0], [0.0, 0.7], [0.0, 0.12]], np.float32)
    strange = np.array([[0.2, 0.4], [0.9, 0.2]], np.float32)
    runner: Any = SimpleNamespace(run=lambda images, _: {"features": strange[: len(images)]})
    blank = np.zeros((224, 224), np.uint8)
    others = [Other("x", blank), Other("y", blank, ("b",))]
    bundle: Any = SimpleNamespace(likeness=alike)
    curve = least_likeness.curve(bundle, runner, seen, ["a", "a", "b", "b"], others)
    shares = {each["least"]: (each["valid"], each["others"]) for each in curve}
    # The second one is offered to its own group alone.
    assert shares[0.1] == (0.0, 0.0)
    assert shares[0.3] == (0.25, round(2 / 3, 4))
    assert shares[0.35] == (0.5, round(2 / 3, 4))
    assert shares[0.8] == (0.75, 1.0)
    bundle.likeness = {}
    assert least_likeness.curve(bundle, runner, seen, ["a"] * 4, others) == []


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


def test_lead_over_the_probe_is_paired() -> None:
    records, guesses = many(30)
    them = scored(answers(guesses), records, RULES)
    train = TrainSplit(tuple(records), np.zeros((len(records), 4, 4), np.uint8))

    def blind(train_x: np.ndarray, train_y: np.ndarray, test_x: np.ndarray) -> np.ndarray:
        assert len(train_x) == len(train_y) == 60
        return np.tile([0.9, 0.1], (len(test_x), 1))

    images = np.zeros((120, 4, 4), np.uint8)
    out = shortcut.margins(them, images, train, lambda some: some.reshape(len(some), -1).astype(float), blind)
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
    out = shortcut.margins(them, images, train, lambda some: some.reshape(len(some), -1).astype(float), same)
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
