"""Near copies of judged images in the train split are found and left out; a train split may be elsewhere."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from phantom_images import phantom

from edge.imaging.bundle import Bundle, ClassInfo
from edge.imaging.preprocess import Preprocessing
from trainer import cli
from trainer.data import duplicates
from trainer.data.record import Record
from trainer.evaluation import page, train_split
from trainer.evaluation.judge import scored
from trainer.evaluation.table import table
from trainer.evaluation.train_split import TrainSplit
from trainer.evaluation.without_copies import without_copies
from trainer.release import card_figures

ROOT = Path(__file__).resolve().parents[2]
MODEL, TRUSTED = ROOT / "firmware_config" / "model", ROOT / "firmware_config" / "model-root.json"
MEAN = "mean_within_modality_balanced_accuracy"
RULES: Any = SimpleNamespace(
    classes=tuple(ClassInfo(name=name, group=name[:2]) for name in ("xr_a", "xr_b", "mr_a", "mr_b")),
    min_probability={"xr": 0.5, "mr": 0.5},
)


def record(number: int, split: str, label: str) -> Record:
    modality = "XR" if label.startswith("xr") else "MRI"
    return Record(Path(f"{split}{number}"), label, modality, split, f"{split}{number // 2}", "", "")


def pictures(count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.stack([phantom(rng, number) for number in range(count)])


@pytest.fixture(scope="module")
def train() -> TrainSplit:
    """24 images; number k is of class k % 4."""
    labels = [RULES.classes[number % 4].name for number in range(24)]
    records = tuple(record(number, "train", label) for number, label in enumerate(labels))
    return TrainSplit(records, pictures(24, 1))


PLANTED = {2: ("mirrored", 6), 7: ("upside down", 7), 11: ("turned by 180", 3), 13: ("", 9)}
"""Judged image -> how it is flipped, and of which train image it is a copy."""


def planted(train: TrainSplit) -> np.ndarray:
    """16 judged images, four of them re-encoded copies."""
    images = pictures(16, 2)
    for row, (flip, of) in PLANTED.items():
        down, right = duplicates.FLIPS[flip]
        copy = np.ascontiguousarray(train.images[of][::down, ::right])
        encoded = cv2.imencode(".jpg", copy, [cv2.IMWRITE_JPEG_QUALITY, 60])[1]
        images[row] = cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE)
    return images


def judged() -> Any:
    """The model is right where it has seen a copy, and in half of the other images of each modality."""
    records = [record(row, "test", RULES.classes[row % 4].name) for row in range(16)]
    probability = np.zeros((16, 4))
    for row in range(16):
        own = row % 4
        right = row in PLANTED or row in (0, 1, 4, 3, 6, 10)
        probability[row, own if right else own ^ 1] = 1
    return scored(probability, records, RULES)


def test_planted_copies_are_found_and_left_out(train: TrainSplit) -> None:
    them = judged()
    out = without_copies(them, planted(train), train)
    assert (out["with_copy"], out["images"], out["train_images"]) == (4, 12, 24)
    assert out["classes_lost"] == []
    assert out["accuracy"] == 0.5
    assert (them.best == them.labels).mean() == 10 / 16
    # Of the rows left: xr_a 0, 4, 8, 12; xr_b 1, 5, 9; mr_a 6, 10, 14; mr_b 3, 15.
    xr, mri = out["per_modality"]["XR"], out["per_modality"]["MRI"]
    assert (xr["with_copy"], xr["images"], mri["with_copy"], mri["images"]) == (1, 7, 3, 5)
    assert xr["balanced_accuracy"] == pytest.approx((2 / 4 + 1 / 3) / 2, abs=1e-4)
    assert mri["balanced_accuracy"] == pytest.approx((2 / 3 + 1 / 2) / 2, abs=1e-4)
    assert out[MEAN] == pytest.approx((xr["balanced_accuracy"] + mri["balanced_accuracy"]) / 2, abs=1e-4)
    for part, key in ((out, "accuracy"), (out, MEAN), (xr, "balanced_accuracy"), (mri, "accuracy")):
        low, high = part[f"{key}_interval"]
        assert low < part[key] < high


def test_without_copies_nothing_is_left_out(train: TrainSplit) -> None:
    them = judged()
    out = without_copies(them, pictures(16, 2), train)
    assert (out["with_copy"], out["images"]) == (0, 16)
    assert out["accuracy"] == 10 / 16


def test_a_class_whose_every_image_has_a_copy_is_named(train: TrainSplit) -> None:
    images = pictures(16, 2)
    images[1::4] = train.images[:4, :, ::-1]
    out = without_copies(judged(), images, train)
    assert out["classes_lost"] == ["xr_b"]
    images = np.concatenate([train.images[:16, :, ::-1]])
    assert "every judged image" in without_copies(judged(), images, train)["missing"]


def test_it_is_the_search_of_trainer_data(train: TrainSplit) -> None:
    images = planted(train)
    pairs = duplicates.near(np.concatenate([images, train.images]))
    across = {pair.first for pair in pairs if pair.first < len(images) <= pair.second}
    assert set(np.flatnonzero(duplicates.copied(images, train.images)).tolist()) == across == set(PLANTED)


def test_why_there_is_no_train_split_is_told_without_names(tmp_path: Path) -> None:
    records = [record(number, "train", "xr_a") for number in range(3)]
    plain = Preprocessing()
    found = train_split.load(records, "test", {"xr_a"}, plain)
    assert found.missing.startswith("3 of 3 files of the train split cannot be used here")
    assert "train0" not in found.missing
    assert "itself" in train_split.load(records, "train", {"xr_a"}, plain).missing
    assert "no images of these classes" in train_split.load(records, "test", {"xr_b"}, plain).missing
    there = tmp_path / "a.png"
    cv2.imwrite(str(there), pictures(1, 3)[0])
    whole = train_split.load([Record(there, "xr_a", "XR", "train", "g", "", "")], "test", {"xr_a"}, plain)
    assert not whole.missing
    assert whole.images.shape == (1, 224, 224)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two images of every class of the shipped model in train, mirrored in val beside two that are not."""
    folder = tmp_path_factory.mktemp("data")
    names = [each.name for each in Bundle.load(MODEL, TRUSTED).classes]
    images = pictures(4 * len(names), 5)
    rows = []
    for number, label in enumerate(name for name in names for _ in range(6)):
        which, split = number % 6, "train" if number % 6 < 2 else "val"
        image = images[4 * (number // 6) + which % 4]
        cv2.imwrite(str(folder / f"{split}{number}.png"), image if which < 4 else image[:, ::-1])
        modality = "MRI" if label.startswith("mri") else "XR"
        row = {"file": f"{split}{number}.png", "label": label, "modality": modality, "split": split}
        rows.append(row)
    with (folder / "index.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return folder / "index.csv"


def evaluate(data: Path, out: Path, *words: str) -> tuple[dict[str, Any], str]:
    """The JSON and the page of val."""
    fixed = ["evaluate", "--bundle", str(MODEL), "--root", str(TRUSTED), "--data", str(data)]
    files = ["--split", "val", "--json", str(out / "e.json"), "--html", str(out / "e.html")]
    skip = words or ("--skip", "degraded,faithfulness,precision")
    assert cli.main([*fixed, *files, *skip]) == 0
    return json.loads((out / "e.json").read_text()), (out / "e.html").read_text()


def test_copies_are_told_wherever_figures_are(data: Path, tmp_path: Path) -> None:
    result, text = evaluate(data, tmp_path)
    part = result["without_copies"]
    count = result["images"] // 2
    assert (part["with_copy"], part["images"]) == (count, count)
    assert f"{count} of {2 * count} images have a near copy in the train split" in table(result)
    assert f"{count} of the {2 * count} images have a near copy" in text
    assert "Pictures that it may have seen before" in text
    said = "\n".join(card_figures.figure_lines({**result, "published_sets_only": True}))
    assert f"| images with a near copy in the train split | {count} of {2 * count} |" in said
    assert "without these: MRI, balanced accuracy" in said
    assert "near copy" not in "\n".join(card_figures.figure_lines(result))  # private
    result, text = evaluate(
        data, tmp_path, "--skip", "shortcut,without_copies,degraded,faithfulness,precision"
    )
    assert "without_copies" not in result
    assert "may have seen before" not in text


def test_a_train_split_on_another_machine_is_no_mistake(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for file in data.parent.glob("val*"):
        (tmp_path / file.name).symlink_to(file)
    (tmp_path / "index.csv").write_text(data.read_text())
    result, text = evaluate(tmp_path / "index.csv", tmp_path)
    why = "files of the train split cannot be used here (No such file or directory)"
    for part in ("shortcut", "without_copies"):
        assert set(result[part]) == {"missing"}
        assert why in result[part]["missing"]
    assert result["accuracy"] is not None
    said = capsys.readouterr().out
    assert said.count(why) == 2
    assert text.count(why) >= 3
    assert page.page(result) == text
    card = "\n".join(card_figures.figure_lines(result))
    assert "Whether brightness and sharpness alone do as well was not measured." in card
    assert "without a near copy in the train split were not measured." in card
    assert "No such file" not in card
