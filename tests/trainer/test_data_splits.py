"""Splits keep groups and copies together, hold each class in proportion, and leaking ones are refused."""

from __future__ import annotations

import csv
import stat
from collections import Counter
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phantom_images import phantom

from trainer import cli
from trainer.data import dataset, splits
from trainer.data.record import Record

THREE = {"train": 70.0, "val": 15.0, "test": 15.0}


def records(groups: list[tuple[str, str, int]]) -> list[Record]:
    """From (label, source, images) of each group."""
    return [
        Record(Path(f"{number}-{image}"), label, "MRI", "train", f"g{number}", source, "")
        for number, (label, source, count) in enumerate(groups)
        for image in range(count)
    ]


GROUPS = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(["s", "t"]), st.integers(1, 9)), min_size=3, max_size=60
)


@settings(max_examples=100, deadline=None)
@given(GROUPS, st.integers(0, 99), st.sampled_from([THREE, {"train": 4.0, "test": 1.0}]))
def test_no_group_is_torn_and_no_split_is_empty(groups, seed, fractions) -> None:
    given_records = records(groups)
    chosen = splits.divide(given_records, splits.join(given_records), fractions, seed)
    divided = [replace(r, split=name) for r, name in zip(given_records, chosen, strict=True)]
    splits.check(divided)
    assert set(chosen) == set(fractions)
    assert chosen == splits.divide(given_records, splits.join(given_records), fractions, seed)


def test_classes_and_sources_are_divided_in_proportion() -> None:
    rng = np.random.default_rng(0)
    plan = [(label, source, int(rng.integers(1, 8))) for label in "abc" for source in "st" for _ in range(60)]
    given_records = records(plan)
    chosen = splits.divide(given_records, splits.join(given_records), THREE, 1)
    held = Counter((r.label, r.source, name) for r, name in zip(given_records, chosen, strict=True))
    total = Counter((r.label, r.source) for r in given_records)
    for (label, source), count in total.items():
        for name, share in THREE.items():
            assert abs(held[label, source, name] / count - share / 100) < 0.03
    assert chosen != splits.divide(given_records, splits.join(given_records), THREE, 2)


@pytest.mark.parametrize(("grown", "may_move"), [(1, 3), (20, 20)])
def test_data_that_grow_keep_their_splits_and_no_test_image_is_trained_on(grown: int, may_move: int) -> None:
    """Dealt out in turn, one group more would move about half of the 200 that were there."""
    rng = np.random.default_rng(1)
    plan = [("abc"[n % 3], "st"[n % 2], int(rng.integers(1, 8))) for n in range(200 + grown)]
    later = records(plan)
    order = rng.permutation(len(later))  # new rows may stand anywhere
    earlier = [record for record in later if int(record.group[1:]) < 200]
    later = [later[row] for row in order]
    splits_of = [
        {
            record.group: name
            for record, name in zip(some, splits.divide(some, splits.join(some), THREE, 0), strict=True)
        }
        for some in (earlier, later)
    ]
    was, now = splits_of
    assert sum(was[group] != now[group] for group in was) <= may_move
    assert not [group for group in was if (was[group], now[group]) == ("test", "train")]


def test_a_class_of_few_groups_is_trained_on_and_judged() -> None:
    some = records([("common", "s", 3)] * 40 + [("rare", "s", 2)] * 2 + [("single", "s", 4)])
    for seed in range(20):
        chosen = splits.divide(some, splits.join(some), THREE, seed)
        held = {(record.label, name) for record, name in zip(some, chosen, strict=True)}
        assert {name for label, name in held if label == "rare"} == {"train", "test"}
        assert {name for label, name in held if label == "single"} == {"train"}


def test_links_patients_and_files_join_groups() -> None:
    base = records([("a", "s", 1)] * 6)
    base[2] = replace(base[2], patient="p", patient_known=True)
    base[3] = replace(base[3], patient="p", patient_known=True)
    base[4] = replace(base[4], patient="p", patient_known=False)
    clusters = splits.join(base, [(0, 1)])
    assert clusters[0] == clusters[1]
    assert clusters[2] == clusters[3]
    assert len(set(clusters)) == 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"group": "g0"}, "groups in several splits: 1"),
        ({"patient": "p", "patient_known": True}, "patients in several"),
        ({"file": Path("0-0"), "frame": 2}, "files with frames"),
    ],
)
def test_leaking_splits_are_refused(change: dict[str, object], message: str) -> None:
    first, second = records([("a", "s", 1), ("a", "s", 1)])
    first = replace(first, patient="p", patient_known=True)
    splits.check([first, replace(second, split="test")])
    with pytest.raises(splits.SplitError, match=message) as caught:
        splits.check([first, replace(second, split="test", **change)])
    told = str(caught.value)
    assert "trainer split" in told
    # Who it is stands in the report alone.
    assert not any(name in told for name in ("g0", "p (s)", "0-0"))


def test_an_identical_file_in_two_splits_is_refused() -> None:
    first, second, third = records([("a", "s", 1)] * 3)
    splits.check([first, second, replace(third, split="test")], ["x", "x", "y"])
    with pytest.raises(splits.SplitError, match="identical files in several splits: 1"):
        splits.check([first, second, replace(third, split="test")], ["x", "y", "x"])


def test_too_few_groups_are_told() -> None:
    few = records([("a", "s", 5), ("b", "s", 5)])
    with pytest.raises(splits.SplitError, match="2 groups cannot be divided into 3"):
        splits.divide(few, splits.join(few), THREE, 0)
    chosen = splits.divide(few, splits.join(few), {"train": 1.0, "test": 1.0}, 0)
    assert len(splits.lacking(few, chosen)) == 2


@given(st.text(max_size=20) | st.sampled_from(["70", "1,2,3,4", "70,-1,5", "nan,1", "inf,1", "0,1", ""]))
def test_other_fractions_are_refused(text: str) -> None:
    try:
        found = splits.parse_fractions(text)
    except splits.SplitError:
        return
    assert len(found) == text.count(",") + 1
    assert all(number > 0 for number in found.values())


@pytest.fixture
def leaking(tmp_path: Path) -> Path:
    """24 groups of two images; an identical file and a mirrored copy lie in groups of their own."""
    rng = np.random.default_rng(5)
    folder = tmp_path / "data"
    (folder / "images").mkdir(parents=True)
    rows = []
    for number in range(50):
        pixels = phantom(rng, number)
        file = folder / "images" / f"{number}.png"
        cv2.imwrite(str(file), pixels)
        if number == 48:
            file.write_bytes((folder / "images" / "0.png").read_bytes())
        if number == 49:
            cv2.imwrite(str(file), cv2.imread(str(folder / "images" / "3.png"))[:, ::-1])
        group = f"g{number // 2 if number < 48 else number}"
        row = {"file": f"images/{number}.png", "label": "ab"[number % 2], "modality": "MRI"}
        rows.append({**row, "group_id": group, "note": f"n{number}"})
    with (folder / "index.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return folder / "index.csv"


def test_the_command_keeps_copies_together(leaking: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed in range(3):
        out = leaking.parent / f"new{seed}.csv"
        fractions = ["--fractions", "60,20,20", "--seed", str(seed)]
        assert cli.main(["split", str(leaking), "--out", str(out), *fractions]) == 0
        made = dataset.read(out)
        splits.check(made, [dataset.digest(each) for each in made])
        where = {each.file.name: (each.split, each.group) for each in made}
        assert where["0.png"] == where["48.png"] == where["1.png"]
        assert where["3.png"] == where["49.png"] == where["2.png"]
        assert {each.split for each in made} == {"train", "val", "test"}
    with out.open() as file:
        assert [row["note"] for row in csv.DictReader(file)] == [f"n{number}" for number in range(50)]
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    told = capsys.readouterr().out
    assert "26 groups, 24 after joining" in told
    assert cli.main(["split", str(leaking), "--out", str(out)]) == 2
    assert "exists" in capsys.readouterr().err


def test_an_index_that_could_not_name_its_files_is_not_written(leaking: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert cli.main(["split", str(leaking), "--out", str(elsewhere / "new.csv"), "--groups-only"]) == 2
    (elsewhere / "link").symlink_to(leaking.parent)
    above = tmp_path / "new.csv"
    assert cli.main(["split", str(leaking), "--out", str(above), "--groups-only"]) == 0
    assert all(each.file.is_file() for each in dataset.read(above))
    linked = elsewhere / "link" / "index.csv"
    assert cli.main(["split", str(linked), "--out", str(elsewhere / "new.csv"), "--groups-only"]) == 0
    assert all(each.file.is_file() for each in dataset.read(elsewhere / "new.csv"))


def test_a_folder_becomes_an_index(leaking: Path, tmp_path: Path) -> None:
    root = tmp_path / "folder"
    for number in range(12):
        target = root / "ab"[number % 2] / f"p{number // 3}" / f"{number}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((leaking.parent / "images" / f"{number}.png").read_bytes())
    out = root / "index.csv"
    arguments = ["--modality", "MRI", "--out", str(out), "--groups-only", "--fractions", "50,50"]
    assert cli.main(["split", str(root), *arguments]) == 0
    made = dataset.read(out)
    assert {each.label for each in made} == {"a", "b"}
    assert {each.split for each in made} == {"train", "test"}
    assert {each.patient for each in made} == {"p0", "p1", "p2", "p3"}
    splits.check(made)


def test_the_real_splits_share_no_group_patient_or_file(edge_data: Path) -> None:
    found = dataset.read(edge_data / "index.csv")
    splits.check(found, [each.sha256 for each in found])
