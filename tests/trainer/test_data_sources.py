"""What counts as published is told by content; splits that share something are refused before anything."""

from __future__ import annotations

import csv
import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from trainer import cli
from trainer.comparison import material, recipes
from trainer.data import dataset, leaks, public_list, sources, splits
from trainer.data.record import Record
from trainer.privacy.ledger import Ledgers
from trainer.release.model_card import model_card
from trainer.training import run_record

Rows = list[dict[str, str]]


@pytest.fixture
def hospital(index: Path, tmp_path: Path) -> Path:
    """Private images in a folder with the name of a public set."""
    folder = tmp_path / "hospital"
    folder.mkdir()
    shutil.copytree(index.parent / "phantoms", folder / "chest_xray")
    (folder / "index.csv").write_text(index.read_text().replace("phantoms/", "chest_xray/"))
    return folder / "index.csv"


@pytest.fixture
def listed(hospital: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Record]:
    """The same images, after somebody put them on the list of public images."""
    records = dataset.read(hospital)
    pairs = [("chest_xray", digest) for digest in dataset.digests(records)]
    assert public_list.write(pairs, tmp_path / "list.npz") == len(records)
    monkeypatch.setattr(sources, "LIST", tmp_path / "list.npz")
    return records


def fit(index: Path, out: Path, *words: str) -> int:
    fixed = ["fit", "--data", str(index), "--out", str(out), "--epsilon", "2", "--delta", "1e-5"]
    fixed += ["--unit", "image"]
    return cli.main([*fixed, "--ledger", str(out / "ledgers"), *words])


def test_a_folder_named_like_a_public_set_is_private(
    hospital: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records = dataset.read(hospital)
    assert {record.folder for record in records} == {"chest_xray"}
    assert sources.published(records) == ()
    about = sources.describe(records)
    assert about["images"] == 60
    assert not {"images_per_class", "groups"} & set(about)
    # How many images a patient has would move with the patient.
    assert not {"images", "images_per_class", "groups"} & set(sources.describe(records, "patient"))
    assert "Kermany" not in str(about)
    assert "CC BY" not in str(about)
    assert fit(hospital, tmp_path / "run", "--mode", "research") == 2
    assert "--public NAME" in capsys.readouterr().err
    with pytest.raises(recipes.ComparisonError, match="--public NAME"):
        material.research(tmp_path, "", "", records)
    assert cli.main(f"cross-validate --data {hospital} --epsilon 2 --delta 1e-5".split()) == 2
    assert "--public NAME" in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.jsonl"))


def test_a_persons_word_that_images_are_public_is_told_as_that(
    hospital: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    word = "a person says that these images are public: our open set"
    more = ("--mode", "research", "--public", " our  open set", "--views", "1", "--steps", "1")
    assert fit(hospital, tmp_path / "run", *more, "--ledger", str(tmp_path / "ledgers")) == 0
    told = capsys.readouterr().err
    assert "That they are public (our open set) is your word: nothing checks it" in told
    (account,) = Ledgers(tmp_path / "ledgers").accounts()
    assert account.runs[0].public == word
    record, _ = run_record.load(tmp_path / "run")
    assert (record.privacy.model_extra or {})["ledger"]["public"] == word
    assert word in model_card(record, None)
    assert material.research(tmp_path, "", "our open set", dataset.read(hospital)).public == word


def test_images_on_the_list_are_public_whatever_their_folder_is_called(listed: list[Record]) -> None:
    renamed = [dataclasses.replace(record, folder="mine") for record in listed]
    assert sources.published(renamed) == ("chest_xray",)
    assert sum(sources.describe(renamed)["images_per_class"].values()) == 60
    assert material.research(Path(), "", "", renamed).public == "chest_xray"
    assert all({"licence", "limits"} <= set(each) for each in sources.KNOWN.values())


def test_one_image_that_is_not_on_the_list_makes_all_private(listed: list[Record]) -> None:
    listed[7].file.write_bytes(listed[7].file.read_bytes() + b"\0")
    assert sources.published(listed) == ()
    assert "images_per_class" not in sources.describe(listed)
    assert sources.published([]) == ()


def test_the_committed_list_is_that_of_the_real_index(edge_data: Path, tmp_path: Path) -> None:
    files = edge_data / "dicom" / "files"
    assert public_list.main([str(edge_data / "index.csv"), str(files), "--out", str(tmp_path / "x.npz")]) == 0
    assert (tmp_path / "x.npz").read_bytes() == sources.LIST.read_bytes()
    assert sources.LIST.stat().st_size < 60_000
    records = dataset.read(edge_data / "index.csv")
    assert sources.published(records) == ("brain_mri", "chest_ct", "chest_xray")
    leaks.refuse(records)


def _group(rows: Rows, _: Path) -> None:
    rows[59]["group_id"] = rows[0]["group_id"]


def _copy(rows: Rows, folder: Path) -> None:
    shutil.copy(folder / rows[0]["file"], folder / rows[59]["file"])


@pytest.mark.parametrize(
    ("leak", "message"),
    [(_group, "groups in several splits: 1"), (_copy, "identical files in several splits: 1")],
)
def test_splits_that_share_something_are_refused_and_nothing_is_spent(
    hospital: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    leak: Callable[[Rows, Path], None],
    message: str,
) -> None:
    with hospital.open(newline="") as file:
        rows = list(csv.DictReader(file))
    leak(rows, hospital.parent)
    with hospital.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    model = Path(__file__).resolve().parents[2] / "firmware_config" / "model"
    assert fit(hospital, tmp_path / "run") == 2
    told = capsys.readouterr().err
    assert message in told
    assert "trainer split INDEX" in told
    with pytest.raises(splits.SplitError, match="several splits"):
        material.load(dataset.read(hospital), "test", material.research(tmp_path, "", "x", []), {})
    from datetime import datetime, timezone

    from edge.imaging.bundle import Bundle
    from trainer.evaluation import evaluate, reads
    from trainer.privacy.folder import default_folder

    bundle = Bundle.load(
        model, model.parent / "model-root.json", datetime.now(timezone.utc), allow_research=True
    )
    known = [dataclasses.replace(r, label=bundle.classes[0].name) for r in dataset.read(hospital)]
    with pytest.raises(splits.SplitError, match="several splits"):
        evaluate.evaluate(bundle, known, "test")
    assert not (tmp_path / "run").exists()
    assert not (default_folder() / reads.FILE).exists()


def test_files_that_are_not_there_are_told_and_not_taken_for_copies(
    hospital: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records = dataset.read(hospital)
    for record in records[-3:]:
        record.file.unlink()
    leaks.refuse(records)
    assert "warning: 3 files of the index cannot be opened here" in capsys.readouterr().err
