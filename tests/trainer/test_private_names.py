"""Names of folders, files, sources and groups of private images leave in no file of a bundle."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest

from trainer import cli
from trainer.data import dataset, sources
from trainer.release.model_card import model_card
from trainer.training import run_record

NAMES = ("MUELLER_ANNA_1961", "geb-1961-03-04", "Station-Sued-7", "PSEUDONYM-77")


@pytest.fixture
def hospital(index: Path, tmp_path: Path) -> Path:
    """A folder, a source and a group for each patient, all with telling names."""
    folder = tmp_path / "hospital"
    with index.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for number, row in enumerate(rows):
        patient = number // 2
        name = f"{NAMES[0]}_{patient}/{NAMES[1]}-{number}.png"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(index.parent / row["file"], folder / name)
        row |= {"file": name, "group_id": f"{NAMES[3]}-{patient}", "source": f"{NAMES[2]}-{patient // 8}"}
    with (folder / "index.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return folder / "index.csv"


def command(words: str) -> None:
    assert cli.main(words.split()) == 0


def test_no_name_of_the_index_is_in_an_exported_bundle(hospital: Path, tmp_path: Path) -> None:
    ledgers, bundle, figures = tmp_path / "ledgers", tmp_path / "bundle", tmp_path / "e.json"
    command(
        f"fit --data {hospital} --unit image --epsilon 2 --delta 1e-5 --steps 4 --views 2 "
        f"--out {tmp_path}/run --ledger {ledgers}"
    )
    export = f"export --run {tmp_path}/run --keys {tmp_path}/keys --out {bundle} --ledger {ledgers}"
    command(export)
    command(
        f"evaluate --bundle {bundle} --data {hospital} --split test --json {figures} --others "
        "--skip degraded,faithfulness,precision"
    )
    command(f"{export} --figures {figures} --data {hospital}")
    assert all(name in hospital.read_text() for name in NAMES)
    # The JSON is for its owner alone; that it tells sources shows that the card could have.
    assert NAMES[2] in figures.read_text()
    files = [file for file in bundle.rglob("*") if file.is_file()]
    assert {"MODEL_CARD.md", "bundle.json", "privacy.json"} <= {file.name for file in files}
    for file in [*files, tmp_path / "run" / run_record.RECORD]:
        held = file.read_bytes().lower()
        assert not [name for name in NAMES if name.lower().encode() in held], file
    card = (bundle / "targets" / "MODEL_CARD.md").read_text()
    assert card.count("private images, licence not known to the trainer") == 1
    # What is said of the train split without noise stays here, too.
    assert "with_copy" in json.loads(figures.read_text())["without_copies"]
    assert "near copy" not in card


def test_a_run_of_an_earlier_version_names_no_folder_either(hospital: Path, tmp_path: Path) -> None:
    command(
        f"fit --data {hospital} --unit image --epsilon 2 --delta 1e-5 --steps 4 --views 2 "
        f"--out {tmp_path}/run --ledger {tmp_path}/ledgers"
    )
    record, _ = run_record.load(tmp_path / "run")
    earlier = {f"{NAMES[0]}_{number}": {"licence": sources.UNKNOWN} for number in range(20)}
    old = record.model_copy(update={"data": {**record.data, "sets": earlier}})
    card = model_card(old, None)
    assert NAMES[0] not in card
    assert card.count(sources.PRIVATE) == 1


def test_public_sets_among_private_images_keep_their_names_and_licences(
    hospital: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = dataset.read(hospital)
    some = ["chest_ct", *[""] * (len(records) - 1)]
    monkeypatch.setattr(sources, "sets_of", lambda given: some[: len(given)])
    about = sources.describe(records)
    assert about["sets"] == {
        "chest_ct": sources.KNOWN["chest_ct"],
        sources.PRIVATE: {"licence": sources.UNKNOWN},
    }
    assert "images_per_class" not in about
