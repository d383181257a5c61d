"""What an index may say, and what is refused before any image is opened."""

from __future__ import annotations

import contextlib
import csv
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trainer.data import dataset
from trainer.data.index import read_index

ROW = {"file": "set/a.png", "label": "x", "modality": "MRI"}


def write(folder: Path, *rows: dict[str, str]) -> Path:
    path = folder / "index.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(dict.fromkeys(key for row in rows for key in row)), restval="")
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_every_column_arrives(tmp_path: Path) -> None:
    full = {
        **ROW, "task_label": "mri_x", "split": "val", "group_id": "g", "source": "s", "patient_id": "p7",
        "patient_id_kind": "source", "age": "045Y", "sex": "female", "frame": "3", "sha256": "AB",
    }  # fmt: skip
    (record,) = dataset.read(write(tmp_path, full))
    assert record.file == tmp_path / "set" / "a.png"
    assert (record.label, record.modality, record.split) == ("mri_x", "MRI", "val")
    assert (record.group, record.source, record.folder) == ("g", "s", "set")
    assert (record.patient, record.patient_known, record.age, record.sex) == ("p7", True, 45.0, "F")
    assert (record.frame, record.sha256) == (3, "ab")


def test_what_is_not_said_is_not_made_up(tmp_path: Path) -> None:
    (record,) = dataset.read(write(tmp_path, ROW))
    assert (record.split, record.group, record.source) == ("train", "set/a.png", "")
    assert (record.patient, record.patient_known, record.age, record.sex) == ("", False, None, "")


def test_a_surrogate_patient_is_not_known_but_groups(tmp_path: Path) -> None:
    (record,) = dataset.read(write(tmp_path, {**ROW, "patient_id": "p1", "patient_id_kind": "surrogate"}))
    assert (record.patient, record.patient_known, record.group) == ("p1", False, "p1")


@pytest.mark.parametrize(
    "name",
    ["../a.png", "set/../../a.png", "/etc/passwd", "..\\a.png", "C:\\a.png", "\\\\host\\a.png", "", "."],
)
def test_a_path_that_leads_out_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(dataset.DataError, match="outside the index's folder"):
        dataset.read(write(tmp_path, {**ROW, "file": name}))


def test_a_path_of_windows_is_refused_with_what_to_write(tmp_path: Path) -> None:
    with pytest.raises(dataset.DataError, match=r"(?s)backslash; write folders with /.*s\\b.png"):
        dataset.read(write(tmp_path, ROW, {**ROW, "file": "s\\b.png"}))


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text("./\\abC:~\0é", min_size=1, max_size=12))
def test_no_path_of_any_form_leaves_the_folder(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, {**ROW, "file": name})
    try:
        (record,) = read_index(path)
    except dataset.DataError:
        return
    assert record.file.resolve().is_relative_to(tmp_path.resolve())
    assert record.file.resolve() != tmp_path.resolve()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label": ""}, "no label"),
        ({"modality": " "}, "no modality"),
        ({"split": ""}, "empty split"),
        ({"age": "old"}, "age"),
        ({"age": "-3"}, "age"),
        ({"age": "nan0"}, "age"),
        ({"sex": "girl"}, "sex"),
        ({"frame": "0"}, "frame"),
        ({"frame": "1.5"}, "frame"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_with_its_row(
    tmp_path: Path, change: dict[str, str], message: str
) -> None:
    good = {"split": "train", "age": "", "sex": "", "frame": ""}
    with pytest.raises(dataset.DataError, match=f"(?s){message}.*set/b.png"):
        dataset.read(write(tmp_path, {**ROW, **good}, {**ROW, **good, "file": "set/b.png", **change}))


@pytest.mark.parametrize(
    ("text", "years"),
    [("", None), ("NA", None), ("nan", None), ("63", 63.0), ("0.5", 0.5), ("018M", 1.5), ("000D", 0.0)],
)
def test_ages(tmp_path: Path, text: str, years: float | None) -> None:
    (record,) = dataset.read(write(tmp_path, {**ROW, "age": text}))
    assert record.age == years


def test_an_image_named_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(dataset.DataError, match="named twice"):
        dataset.read(write(tmp_path, ROW, {**ROW, "file": "set/./a.png"}))
    with pytest.raises(dataset.DataError, match="named twice"):  # no frame is frame 1
        dataset.read(write(tmp_path, ROW, {**ROW, "frame": "1"}))
    frames = dataset.read(write(tmp_path, {**ROW, "frame": "1"}, {**ROW, "frame": "2"}))
    assert [record.frame for record in frames] == [1, 2]


def test_a_byte_order_mark_and_spaces_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / "index.csv").write_bytes(b"\xef\xbb\xbffile, label ,modality\r\na.png, x,MRI\r\n\r\n")
    (record,) = dataset.read(tmp_path / "index.csv")
    assert (record.file.name, record.label) == ("a.png", "x")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "lacks the columns"),
        ("file;label;modality\na;b;c\n", "comma-separated"),
        ("file,label,modality\n", "no rows"),
        ("file,label,modality\na.png,x\n", "line 2: 2 fields"),
        ("file,label,modality\na.png,x,MRI,9\n", "line 2: 4 fields"),
        ("file,label,label,modality\na,b,c,d\n", "twice"),
        ('file,label,modality\n"a,b,c\n', "cannot be read"),
    ],
)
def test_a_file_that_is_no_index_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "index.csv").write_text(text)
    with pytest.raises(dataset.DataError, match=message):
        dataset.read(tmp_path / "index.csv")


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(max_size=200)
    | st.text(max_size=200).map(lambda text: ("file,label,modality\n" + text).encode())
)
def test_any_bytes_are_read_or_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "index.csv").write_bytes(data)
    with contextlib.suppress(dataset.DataError):
        assert read_index(tmp_path / "index.csv")


def test_the_real_index(edge_data: Path) -> None:
    records = dataset.read(edge_data / "index.csv")
    assert len(records) == 5784
    assert {record.modality for record in records if record.patient_known} == {"XR"}
    assert all(record.sha256 for record in records)
