"""A threshold is chosen on some strangers and judged on others."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from trainer.evaluation import halves, other_images
from trainer.evaluation.other_images import Other


def seen(others: list[Other]) -> set[bytes]:
    return {each.image.tobytes() for each in others}


def noise(path: Path, seed: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.random.default_rng(seed).integers(0, 255, (64, 64)).astype(np.uint8))
    return path


def test_only_val_is_what_thresholds_are_chosen_on() -> None:
    assert not halves.held_out("val")
    assert halves.held_out("test")
    assert halves.held_out("train")
    assert halves.held_out("validation of another hospital")


def test_drawn_strangers_are_disjoint_and_as_many() -> None:
    chosen, held = other_images.drawn(False, 3), other_images.drawn(True, 3)
    assert not seen(chosen) & seen(held)
    assert [each.kind for each in chosen] == [each.kind for each in held]
    assert len(seen(held)) == len(held)


def test_files_are_divided_by_content_alone(tmp_path: Path) -> None:
    files = [noise(tmp_path / f"{number}.png", number) for number in range(40)]
    chosen, held = halves.own_half(files, False), halves.own_half(files, True)
    assert sorted([*chosen, *held]) == sorted(files)
    assert 10 <= len(held) <= 30
    # A copy under another name, beside other files, stays in its half.
    copy = tmp_path / "copy.png"
    copy.write_bytes(held[0].read_bytes())
    assert halves.own_half([chosen[0], copy], True) == [copy]
    assert halves.own_half([chosen[0], copy], False) == [chosen[0]]
    (tmp_path / "a folder").mkdir()
    assert halves.own_half([tmp_path / "a folder", tmp_path / "gone", chosen[0]], True) == [chosen[0]]


def test_a_kind_with_one_file_is_held_out(tmp_path: Path) -> None:
    for seed in range(6):
        only = noise(tmp_path / f"{seed}.png", seed)
        assert halves.own_half([only], True) == [only]
        assert halves.own_half([only], False) == []


def test_a_data_folder_shows_each_file_to_one_half(tmp_path: Path) -> None:
    for number in range(12):
        noise(tmp_path / "faces" / "files" / f"{number}.png", number)
        noise(tmp_path / "dicom" / "files" / f"{number}.png", 100 + number)
        portrait = noise(tmp_path / "faces" / "portraits" / f"{number}.png", 200 + number)
        portrait.rename(portrait.with_suffix(".jpg"))
    noise(tmp_path / "dicom" / "files" / "presidio_1_ORIGINAL.png", 300)
    chosen, held = (other_images.data_folder(tmp_path, each) for each in (False, True))
    assert not seen(chosen) & seen(held)
    assert len(chosen) + len(held) == 37
    assert {each.kind for each in chosen} == {"photograph", "portrait", "scan of another kind, real"}
    assert {each.kind for each in held} - {each.kind for each in chosen} == {"chest from the side, real"}
    # A user's own are taken whole.
    assert len(other_images.own(tmp_path)) == 37


def test_real_strangers_are_disjoint(edge_data: Path) -> None:
    pytest.importorskip("skimage")
    parts = [
        other_images.data_folder(edge_data, held) + other_images.stock_photographs(held)
        for held in (False, True)
    ]
    assert not seen(parts[0]) & seen(parts[1])
    for kind, least in (
        ("photograph", 4), ("portrait", 4), ("scan of another kind, real", 2), ("test object in DICOM", 2)
    ):  # fmt: skip
        counts = [sum(each.kind == kind for each in part) for part in parts]
        assert min(counts) >= least, (kind, counts)


def test_a_file_that_must_be_judged_is(tmp_path: Path) -> None:
    files = [noise(tmp_path / f"{number}.png", number) for number in range(20)]
    named = {file.name for file in halves.own_half(files, False)[:3]}
    assert named <= {file.name for file in halves.own_half(files, True, named)}
    assert not named & {file.name for file in halves.own_half(files, False, named)}
    both = [*halves.own_half(files, True, named), *halves.own_half(files, False, named)]
    assert sorted(both) == sorted(files)
