"""Reads of a split are counted, whatever it is called and wherever it lies."""

from __future__ import annotations

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from trainer.data.dataset import Record
from trainer.evaluation import reads
from trainer.evaluation.errors import EvaluationError


def files(folder: Path, contents: list[bytes]) -> list[Record]:
    folder.mkdir()
    out = []
    for number, content in enumerate(contents):
        file = folder / f"{number}.png"
        file.write_bytes(content)
        out.append(Record(file, "a", "MRI", "test", "g", "", ""))
    return out


def test_a_copied_split_is_the_same_split(tmp_path: Path) -> None:
    first = files(tmp_path / "a", [b"one", b"two"])
    again = files(tmp_path / "b", [b"two", b"one"])
    changed = files(tmp_path / "c", [b"two", b"One"])
    key = reads.split_digest(first)
    assert reads.split_digest(again) == key
    assert reads.split_digest(changed) != key
    assert reads.count_read(key, "test", first, "m", tmp_path) == 1
    assert reads.count_read(key, "holdout", again, "m", tmp_path) == 2
    path = tmp_path / reads.FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [json.loads(line)["read"] for line in path.read_text().splitlines()] == [1, 2]


def test_a_part_of_a_split_is_a_read_of_it(tmp_path: Path) -> None:
    whole = files(tmp_path / "a", [b"one", b"two", b"three"])
    other = files(tmp_path / "b", [b"four", b"five"])

    def read(records: list[Record]) -> int:
        return reads.count_read(reads.split_digest(records), "test", records, "m", tmp_path)

    assert read(whole) == 1
    assert read(whole[:1]) == 2
    assert read([*other, whole[2]]) == 2
    assert read(other[1:]) == 2
    assert read(whole) == 4
    assert read(files(tmp_path / "c", [b"six"])) == 1


def test_reads_counted_before_images_were_noted_still_count(tmp_path: Path) -> None:
    records = files(tmp_path / "a", [b"one"])
    key = reads.split_digest(records)
    (tmp_path / reads.FILE).write_text(json.dumps({"split": key, "name": "test", "read": 1}) + "\n")
    assert reads.count_read(key, "test", records, "m", tmp_path) == 2


def _count(where: Path) -> int:
    return reads.count_read("k", "test", [], "m", where)


def test_readers_at_once_are_counted_one_by_one(tmp_path: Path) -> None:
    with ThreadPoolExecutor(
        8
    ) as pool:  # each opens the file anew, so the lock parts them as it parts processes
        numbers = list(pool.map(_count, [tmp_path] * 80))
    assert sorted(numbers) == list(range(1, 81))


def test_a_damaged_count_stops_the_reading(tmp_path: Path) -> None:
    _count(tmp_path)
    with (tmp_path / reads.FILE).open("a") as file:
        file.write('{"split": "k"\n')
    with pytest.raises(EvaluationError, match="damaged"):
        _count(tmp_path)


def test_what_cannot_be_counted_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EvaluationError, match="EDGE_LEDGER"):
        _count(tmp_path / "file")


def test_the_directory_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_LEDGER", str(tmp_path / "here"))
    assert reads.count_read("k", "test", [], "m") == 1
    assert (tmp_path / "here" / reads.FILE).is_file()


def test_the_count_lies_beside_ledgers_and_is_none(tmp_path: Path) -> None:
    """A ledger that nobody can read stops training; the count of reads must not be taken for one."""
    from trainer import cli

    assert reads.count_read("00", "test", [], "ff", tmp_path) == 1
    assert cli.main(["ledger", "show", "--ledger", str(tmp_path)]) == 0
