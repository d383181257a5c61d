"""The data report tells what is wrong in words, shows nothing but copies, and stays with its owner."""

from __future__ import annotations

import csv
import json
import re
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest
from phantom_images import phantom

from trainer import cli
from trainer.data import dataset, duplicates, shortcuts
from trainer.data.examine import Examined, examine
from trainer.data.findings import findings
from trainer.data.report import page

ODD = "images/<i>&'9\".png"


class Made(NamedTuple):
    index: Path
    out: Path
    html: str
    json: dict
    told: str


def make_index(folder: Path, count: int, *, faults: bool) -> Path:
    """Two classes in three splits, groups of two; class b is darker. With ``faults``, everything is wrong."""
    (folder / "images").mkdir(parents=True)
    rng = np.random.default_rng(8)
    rows = []
    for number in range(count):
        pixels = phantom(rng, number // 2)
        if number % 2 and faults:
            pixels = (pixels * 0.5).astype(np.uint8)
        name = ODD if number == 9 else f"images/{number}.png"
        cv2.imwrite(str(folder / name), pixels)
        split = "train" if number < 0.6 * count else "val" if number < 0.8 * count else "test"
        person = {"patient_id": f"p{number // 4}", "patient_id_kind": "source", "age": str(20 + number)}
        row = {
            "file": name,
            "label": "ab"[number % 2],
            "modality": "MRI",
            "split": split,
            "source": "hospital",
        }
        rows.append({**row, **person, "sex": "FM"[number % 2], "group_id": f"g{number // 4}", "sha256": ""})
    for row in rows:
        row["sha256"] = dataset.digest(dataset.Record(folder / row["file"], "", "", "", "", "", ""))
    if faults:
        last = count - 1
        cv2.imwrite(str(folder / f"images/{last}.png"), phantom(rng, 1)[:, ::-1])  # changed since the index
        cv2.imwrite(str(folder / "images/mirror.png"), cv2.imread(str(folder / ODD))[:, ::-1])
        (folder / "images/same.png").write_bytes((folder / "images/2.png").read_bytes())
        (folder / "images/broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
        for name, label, source in (
            ("mirror", "a", "hospital"),
            ("same", "a", "hospital"),
            ("broken", "b", "x"),
        ):
            own = {"file": f"images/{name}.png", "label": label, "source": source, "split": "val"}
            rows.append({**rows[-1], **own, "group_id": name, "patient_id": name, "sha256": ""})
    with (folder / "index.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return folder / "index.csv"


@pytest.fixture(scope="module")
def few_trees() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shortcuts, "TREES", 40)
        yield


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, few_trees: None) -> Made:
    folder = tmp_path_factory.mktemp("report")
    index = make_index(folder / "data", 60, faults=True)
    out = folder / "out"
    with pytest.MonkeyPatch.context() as patch:
        lines: list[str] = []
        patch.setattr("builtins.print", lambda *parts, **_: lines.append(" ".join(map(str, parts))))
        assert cli.main(["data", str(index), "--out", str(out)]) == 0
    return Made(
        index,
        out,
        (out / "report.html").read_text("utf-8"),
        json.loads((out / "report.json").read_text("utf-8")),
        "\n".join(lines),
    )


@pytest.mark.parametrize(
    "sentence",
    [
        "Images that cannot be used: 1 (no whole PNG, JPEG or DICOM file)",
        "Files that are not those the index was made of (column sha256): 1.",
        "Identical files in several splits: 1",
        "Pairs of near copies in different splits: 1; 1 images outside of train have a copy in train.",
        "Pictures that have a copy under another class: 1.",
        "Images that share their content with another: 2.",
        "Brightness alone tells these classes apart: a high accuracy proves little.",
        "This is a look at private data",
        "is not covered by the epsilon of a later training",
    ],
)
def test_page_and_terminal_say_what_is_wrong(made: Made, sentence: str) -> None:
    assert sentence in made.html
    assert sentence in " ".join(made.told.split())


def test_every_bad_file_is_named(made: Made) -> None:
    for name in ("broken.png", "same.png", "mirror.png", "59.png"):
        assert name in made.html
    assert [Path(each["file"]).name for each in made.json["unusable"]] == ["broken.png"]
    assert [[Path(f).name for f in each] for each in made.json["identical"]] == [["2.png", "same.png"]]
    with (made.out / "near_copies.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert (row["relation"], row["flip"]) == ("across splits", "mirrored")
    assert {Path(row["first"]).name, Path(row["second"]).name} == {Path(ODD).name, "mirror.png"}


def test_counts_are_right(made: Made) -> None:
    total = made.json["counts"][-1]
    assert (total["train"], total["val"], total["test"], total["images"]) == (36, 15, 12, 63)
    assert made.json["near_copies"] == {"across splits": 1}
    assert all(each["found"] == each["planted"] > 0 for each in made.json["control"].values())
    probe = made.json["probes"]["MRI"]["label"]
    assert probe["value"] > 0.9
    assert probe["images"] == 36  # the split train alone


def test_the_page_stands_alone(made: Made) -> None:
    assert "<script" not in made.html.lower()
    assert not re.search(r"\bon\w+=", made.html)
    assert all(uri.startswith("data:image/") for uri in re.findall(r'(?:src|href)="([^"]*)', made.html))
    assert not re.search(r"url\(|@import|https?://", made.html)
    assert "default-src 'none'" in made.html
    assert "<i>&" not in made.html
    assert "&lt;i&gt;&amp;" in made.html


def test_no_image_is_shown_but_copies(made: Made) -> None:
    assert made.html.count("data:image/jpeg") == 1
    assert made.html.count('alt="Near copies') == 1
    assert "data:image/png" not in made.html


def test_nobody_else_can_look(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    assert stat.S_IMODE(made.out.stat().st_mode) == 0o700
    assert {stat.S_IMODE(each.stat().st_mode) for each in made.out.iterdir()} == {0o600}
    assert len(list(made.out.iterdir())) == 3
    shared = made.out.parent / "shared"
    shared.mkdir(mode=0o755)
    assert cli.main(["data", str(made.index), "--out", str(shared)]) == 2
    assert "chmod 700" in capsys.readouterr().err
    assert list(shared.iterdir()) == []


def test_a_split_that_is_not_asked_for_is_not_opened(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    read = Path.read_bytes
    monkeypatch.setattr(duplicates, "near", lambda *_: [])  # the slow part, which opens nothing
    monkeypatch.setattr(Path, "read_bytes", lambda path: opened.append(path.name) or read(path))
    out = made.out.parent / "part"
    assert cli.main(["data", str(made.index), "--out", str(out), "--split", "train,val"]) == 0
    assert {"0.png", "47.png"} <= set(opened)
    assert not {f"{number}.png" for number in range(48, 60)} & set(opened)
    assert cli.main(["data", str(made.index), "--out", str(out), "--split", "tset"]) == 2


def test_writing_again_replaces_and_does_not_follow_links(tmp_path: Path) -> None:
    from trainer.data.private_files import write, write_new

    target, file = tmp_path / "elsewhere", tmp_path / "report.html"
    target.write_text("keep")
    file.symlink_to(target)
    write(file, "new")
    assert (target.read_text(), file.read_text(), file.is_symlink()) == ("keep", "new", False)
    with pytest.raises(FileExistsError):
        write_new(file, "again")


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory, few_trees: None) -> Examined:
    index = make_index(tmp_path_factory.mktemp("clean"), 80, faults=False)
    return examine(index, dataset.read(index))


def test_a_clean_set_has_no_problem(clean: Examined) -> None:
    found = findings(clean)
    assert "problem" not in {each.level for each in found}
    text = " ".join(each.text for each in found)
    assert "All 80 images can be read." in text
    assert "No group, known patient or identical file stands in two splits." in text
    assert "No near copies. The search works" in text
    assert "proves little" not in text
    assert "Age and sex" in page(clean)


def test_images_with_a_copy_in_train_are_counted_once(clean: Examined) -> None:
    row = {
        split: [n for n, r in enumerate(clean.usable) if r.split == split]
        for split in ("train", "val", "test")
    }
    ends = [(row["val"][0], row["test"][0])]
    for wanted, more in ((0, []), (1, [(row["train"][0], row["val"][0]), (row["train"][1], row["val"][0])])):
        pairs = tuple(duplicates.Pair(a, b, "", 0, 1.0, 1.0) for a, b in [*ends, *more])
        text = " ".join(each.text for each in findings(replace(clean, pairs=pairs)))
        assert f"different splits: {len(pairs)}; {wanted} images outside of train" in text


def test_a_search_that_finds_nothing_planted_is_a_problem(
    clean: Examined, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duplicates, "near", lambda *_: [])
    blind = examine(clean.path, clean.records)
    assert any(each.level == "problem" and "does not work" in each.text for each in findings(blind))


def test_nothing_usable_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "data" / "a").mkdir(parents=True)
    (tmp_path / "data" / "a" / "notes.txt").write_text("x")
    arguments = ["data", str(tmp_path / "data"), "--modality", "MRI", "--out", str(tmp_path / "out")]
    assert cli.main(arguments) == 2
    assert "none of 1 images can be used" in capsys.readouterr().err


def test_images_that_are_nearly_black_are_told(tmp_path: Path, few_trees: None) -> None:
    index = make_index(tmp_path / "data", 20, faults=False)
    dark = tmp_path / "data" / "images" / "3.png"
    cv2.imwrite(str(dark), cv2.imread(str(dark)) // 16)
    data = examine(index, dataset.read(index))
    assert [record.file for record in data.flat] == [dark]
    (told,) = [each.text for each in findings(data) if "gray levels" in each.text]
    assert "hundredth: 1, the first" in told
    assert "3.png" in told
