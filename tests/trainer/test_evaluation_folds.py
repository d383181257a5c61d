"""Folds of whole groups."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from phantom_images import phantom

from edge.imaging.bundle import ClassInfo
from trainer import cli
from trainer.data import copies, splits
from trainer.data.dataset import Record
from trainer.evaluation import fold_training
from trainer.evaluation.errors import EvaluationError
from trainer.evaluation.folds import Predictor, assign, cross_validate
from trainer.privacy import marker
from trainer.privacy.ledger import Ledgers, default_folder

RULES: Any = SimpleNamespace(
    classes=(ClassInfo(name="a", group="g"), ClassInfo(name="b", group="g")), min_probability={"g": 0.5}
)


def records(groups: int = 40) -> list[Record]:
    rng = np.random.default_rng(0)
    return [
        Record(Path(f"{group}-{image}"), "ab"[group % 4 == 0], "MRI", "train", f"g{group}", "", "")
        for group in range(groups)
        for image in range(int(rng.integers(1, 6)))
    ]


def test_no_group_is_torn_and_every_fold_has_every_class() -> None:
    some = records()
    place = assign(some, 5)
    assert set(place) == set(range(5))
    at: dict[str, int] = {}
    for record, fold in zip(some, place, strict=True):
        assert at.setdefault(record.group, fold) == fold
    shares = [
        np.mean([r.label == "b" for r, f in zip(some, place, strict=True) if f == fold]) for fold in range(5)
    ]
    assert max(shares) - min(shares) < 0.25
    assert (assign(some, 5) == place).all()


def test_copies_of_a_picture_are_never_trained_on_and_judged(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    some = []
    for number in range(24):
        picture = phantom(rng, number)
        for name, pixels in (("", picture), ("mirrored", picture[:, ::-1])):
            file = tmp_path / f"{number}{name}.png"
            cv2.imwrite(str(file), pixels)
            # Under another patient's name, as in public sets.
            some.append(Record(file, "ab"[number % 2], "MRI", "train", f"{name}{(7 * number) % 24}", "", ""))
    together = copies.together(some)
    assert together.near >= 24
    apart = assign(some, 4)
    assert (apart[::2] != apart[1::2]).any(), "the control: by groups alone, copies fall apart"

    def train(kept: list[Record]) -> Predictor:
        pictures = {int(record.file.stem.removesuffix("mirrored")) for record in kept}
        groups = {record.group for record in kept}

        def probabilities(held: list[Record]) -> np.ndarray:
            assert not pictures & {int(record.file.stem.removesuffix("mirrored")) for record in held}
            assert not groups & {record.group for record in held}
            return np.full((len(held), 2), 0.5)

        return Predictor(RULES, probabilities)

    found = cross_validate(some, 4, train, together.clusters)
    # Intervals resample pictures, of which there are half as many as groups.
    assert found["pooled"]["groups"] == 24


def test_folds_take_the_recipe_of_a_run_and_stand_in_the_ledger_by_name(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def command(*words: object) -> int:
        return cli.main([str(word) for word in words])

    public = ("--public", "drawn")
    fit = ("fit", "--data", index, "--out", tmp_path / "run", "--epsilon", 2, "--delta", 1e-3, *public)
    more = ("--unit", "patient", "--per-patient", 2, "--views", 1, "--steps", 3, "--mode", "research")
    assert command(*fit, *more) == 0
    monkeypatch.setenv("EDGE_LEDGER", str(tmp_path / "others"))  # A ledger keeps its first name.
    monkeypatch.setattr(marker, "beside", lambda _: tmp_path / "note")
    out = tmp_path / "folds.json"
    folds = ("cross-validate", "--data", index, "--folds", 2, "--epsilon", 2, "--delta", 1e-3, *public)
    assert command(*folds, "--run", tmp_path / "run", "--json", out) == 0
    found = json.loads(out.read_text())
    assert out.stat().st_mode & 0o777 == 0o600
    recipe = found["recipe"]
    assert (recipe["unit"], recipe["images_per_unit"]) == ("patient", 2)
    assert (recipe["engine"]["views"], recipe["engine"]["steps"]) == (1, 3)
    accounts = Ledgers(default_folder()).accounts()
    names = {each.name for each in accounts}
    assert f"{index.resolve()}, split train and val, folds" in names
    assert {each.unit for each in accounts} == {"patient"}
    assert set(json.loads((tmp_path / "note").read_text())["ledgers"]) == {each.id for each in accounts}


def test_a_run_from_another_prior_gives_no_folds(index: Path, tmp_path: Path) -> None:
    words = ["fit", "--data", index, "--out", tmp_path / "run", "--epsilon", 2, "--delta", 1e-3]
    more = ["--unit", "image", "--views", 1, "--steps", 3, "--mode", "research", "--public", "drawn"]
    assert cli.main([str(word) for word in (*words, *more)]) == 0
    assert fold_training.of_run(tmp_path / "run").prior is not None
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    record["training"]["prior_sha256"] = "0" * 64
    (tmp_path / "run" / "run.json").write_text(json.dumps(record))
    with pytest.raises(EvaluationError, match="another prior"):
        fold_training.of_run(tmp_path / "run")


def test_without_a_run_folds_say_that_they_are_the_usual_recipe() -> None:
    recipe = fold_training.usual("head")
    assert "need not be this network's" in recipe.words
    assert recipe.to_json()["unit"] == "image"


@pytest.mark.parametrize(("folds", "said"), [(1, "at least 2"), (11, "fewer folds")])
def test_impossible_folds_are_refused(folds: int, said: str) -> None:
    with pytest.raises(EvaluationError, match=said):
        assign(records(), folds)


def test_each_record_is_held_out_once_and_never_trained_on() -> None:
    some = records()
    asked: list[str] = []

    def train(kept: list[Record]) -> Predictor:
        names = {record.group for record in kept}

        def probabilities(held: list[Record]) -> np.ndarray:
            assert not names & {record.group for record in held}
            asked.extend(str(record.file) for record in held)
            right = np.array([[record.label == "a", record.label == "b"] for record in held], float)
            right[0] = right[0, ::-1]
            return right * 0.8 + 0.1

        return Predictor(RULES, probabilities)

    out = cross_validate(some, 5, train, splits.join(some))
    assert sorted(asked) == sorted(str(record.file) for record in some)
    assert out["runs"] == len(out["each"]) == 5
    assert out["pooled"]["accuracy"] == pytest.approx(1 - 5 / len(some), abs=1e-4)
    assert out["accuracy"] == pytest.approx(np.mean([one["accuracy"] for one in out["each"]]), abs=1e-4)
    assert out["accuracy_deviation"] > 0
