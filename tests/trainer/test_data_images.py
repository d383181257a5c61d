"""Reading images: the box's decoders, DICOM refused where it may name somebody, nothing left out unsaid."""

from __future__ import annotations

import csv
import hashlib
import os
import sys
from pathlib import Path

import cv2
import numpy as np
import pydicom
import pytest

from edge.imaging import preprocess
from edge.imaging.dicom import DecodeLimits, decode
from trainer.data import dataset, dicom
from trainer.data.record import Record
from trainer.privacy.fingerprint import FingerprintError, fingerprint

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "imaging"))
import make_dicom

CLEAN = {"PatientIdentityRemoved": "YES", "PatientName": "", "PatientID": "x1"}
CT = np.arange(64 * 80, dtype=np.uint16).reshape(64, 80)


def record(file: Path, **changes: object) -> Record:
    values = {"label": "x", "modality": "CT", "split": "train", "group": "g", "source": "", "folder": ""}
    return Record(file, **{**values, **changes})


def put(file: Path, pixels: np.ndarray = CT, **attributes: str) -> Path:
    file.write_bytes(make_dicom.encode(make_dicom.dataset(pixels, **attributes)))
    return file


def test_dicom_is_shown_as_the_box_shows_it(tmp_path: Path) -> None:
    named = put(tmp_path / "a.dcm", **CLEAN, WindowCenter="2000", WindowWidth="1000")
    unnamed = put(tmp_path / "b", **CLEAN, WindowCenter="2000", WindowWidth="1000")
    wanted = preprocess.to_gray(decode(named.read_bytes(), DecodeLimits()).frames[0])
    images = dataset.load_all([record(named), record(unnamed)])
    assert np.array_equal(images[0], wanted)
    assert np.array_equal(images[1], wanted)
    assert wanted.min() == 0  # the window was applied
    assert wanted.max() == 255


def test_png_and_jpeg_are_shown_as_the_box_shows_them(tmp_path: Path) -> None:
    colour = np.random.default_rng(0).integers(0, 256, (300, 260, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), cv2.cvtColor(colour, cv2.COLOR_RGB2BGR))
    (image,) = dataset.load_all([record(tmp_path / "a.png")])
    assert np.array_equal(image, preprocess.to_gray(colour))


def test_options_are_done_to_every_image(tmp_path: Path) -> None:
    noisy = np.random.default_rng(0).integers(0, 256, (224, 224), np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), noisy)
    options = preprocess.Preprocessing(denoise=True)
    (image,) = dataset.load_all([record(tmp_path / "a.png")], options)
    assert np.array_equal(image, options.to_gray(noisy))
    assert not np.array_equal(image, noisy)


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({}, dicom.IDENTIFIED),
        ({"PatientIdentityRemoved": "NO"}, dicom.IDENTIFIED),
        ({"PatientIdentityRemoved": "YES\\NO"}, dicom.IDENTIFIED),
        ({"PatientIdentityRemoved": "YES", "BurnedInAnnotation": "NO\\YES"}, dicom.BURNED_IN),
        ({"PatientIdentityRemoved": ""}, dicom.IDENTIFIED),
        ({"PatientIdentityRemoved": "YES", "BurnedInAnnotation": "YES"}, dicom.BURNED_IN),
        ({"PatientIdentityRemoved": "YES", "BurnedInAnnotation": "NO"}, ""),
    ],
)
def test_what_may_name_somebody_is_refused(tmp_path: Path, claims: dict[str, str], reason: str) -> None:
    file = put(tmp_path / "a.dcm", **claims)
    loaded = dataset.load_each([record(file)])
    assert [fault.reason for fault in loaded.faults] == ([reason] if reason else [])
    assert len(loaded.images) == (not reason)


def test_the_refusal_lists_the_files_says_what_to_do_and_quotes_no_header(tmp_path: Path) -> None:
    good = put(tmp_path / "good.dcm", **CLEAN)
    bad = [put(tmp_path / f"bad{i}.dcm", PatientName="PLANTED^NAME") for i in range(60)]
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    records = [record(file) for file in (good, *bad, tmp_path / "broken.png", tmp_path / "gone.png")]
    with pytest.raises(dataset.UnusableError) as caught:
        dataset.load_all(records)
    text = str(caught.value)
    assert "62 of 63 images cannot be used" in text
    assert "60 refused: Patient Identity Removed (0012,0062) is not YES" in text
    assert "edge anonymize" in text
    assert "and 20 more" in text
    assert "broken.png" in text
    assert "gone.png" in text
    assert "good.dcm" not in text
    assert "PLANTED" not in text
    assert {fault.record.file for fault in caught.value.faults} == {each.file for each in records} - {good}


def test_a_multi_frame_object_is_taken_frame_by_frame_or_not_at_all(tmp_path: Path) -> None:
    frames = np.stack([np.full((32, 32), value, np.uint8) for value in (10, 120, 250)])
    frames[:, 0, 0], frames[:, 0, 1] = 0, 255
    file = put(tmp_path / "a.dcm", frames, **CLEAN)
    (fault,) = dataset.load_each([record(file)]).faults
    assert "3 frames" in fault.reason
    assert "column frame" in fault.reason
    images = dataset.load_all([record(file, frame=3), record(file, frame=1), record(file, frame=2)])
    assert [int(image[112, 112]) for image in images] == [250, 10, 120]
    (fault,) = dataset.load_each([record(file, frame=4)]).faults
    assert "frame 4" in fault.reason


def test_a_broken_dicom_object_is_unreadable_not_refused(tmp_path: Path) -> None:
    whole = put(tmp_path / "a.dcm", **CLEAN).read_bytes()
    (tmp_path / "a.dcm").write_bytes(whole[:-2000])
    (tmp_path / "b.dcm").write_bytes(b"no such thing")
    loaded = dataset.load_each([record(tmp_path / "a.dcm"), record(tmp_path / "b.dcm")])
    assert [fault.refused for fault in loaded.faults] == [False, False]
    assert len(loaded.images) == 0


def test_order_is_kept_around_a_fault(tmp_path: Path) -> None:
    for value in (10, 20, 30):
        cv2.imwrite(str(tmp_path / f"{value}.png"), np.full((224, 224), value, np.uint8))
    names = ("10.png", "none.png", "20.png", "30.png")
    loaded = dataset.load_each([record(tmp_path / name) for name in names])
    assert [each.file.name for each in loaded.records] == ["10.png", "20.png", "30.png"]
    assert loaded.images[:, 0, 0].tolist() == [10, 20, 30]


def test_one_image_has_one_digest_whatever_its_name_or_row_says(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    (tmp_path / "b").write_bytes(b"abc")
    a, b = record(tmp_path / "a"), record(tmp_path / "b", label="y")
    assert dataset.digest(a) == dataset.digest(b) == hashlib.sha256(b"abc").hexdigest()
    assert dataset.digest(record(tmp_path / "a", frame=1)) == dataset.digest(a)
    with pytest.raises(dataset.DataError, match="frame 2 is asked for, but the file is no DICOM object"):
        dataset.digest(record(tmp_path / "a", frame=2))
    with pytest.raises(dataset.DataError, match="none"):
        dataset.digest(record(tmp_path / "none"))


def test_frames_of_one_object_are_different_images_and_no_frame_is_the_first(tmp_path: Path) -> None:
    many = put(tmp_path / "many.dcm", np.zeros((3, 32, 32), np.uint8), **CLEAN)
    found = [dataset.digest(record(many, frame=frame)) for frame in (0, 1, 2, 3)]
    assert found[0] == found[1]
    assert len(set(found)) == 3
    one = put(tmp_path / "one.dcm", **CLEAN)
    assert dataset.digest(record(one, frame=1)) == dataset.digest(record(one))
    for file, frame, count in ((many, 4, 3), (one, 2, 1)):
        with pytest.raises(dataset.DataError, match=f"frame {frame} is asked for, the object has {count}"):
            dataset.digest(record(file, frame=frame))


def test_a_copy_under_the_name_of_a_frame_is_found_by_the_ledger(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(b"abc")
    rows = [record(tmp_path / "a.png"), record(tmp_path / "b.png", frame=1)]
    with pytest.raises(FingerprintError, match="more than once"):
        fingerprint("x", rows, "image", ["0", "1"])
    alone = [fingerprint("x", [row], "image", ["0"]).images[0].content for row in rows]
    assert alone[0] == alone[1]  # spent budget is found again


def test_a_changed_file_gets_a_new_digest(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"abc")
    os.utime(file, (1, 1))
    before = dataset.digest(record(file))
    assert dataset.digest(record(file)) == before
    file.write_bytes(b"abd")  # the same size, and the same time of change once more
    os.utime(file, (1, 1))
    assert dataset.digest(record(file)) == hashlib.sha256(b"abd").hexdigest() != before


def test_an_index_from_windows_with_names_of_any_script_is_read(tmp_path: Path) -> None:
    (tmp_path / "Röntgen 肺").mkdir()
    cv2.imwrite(str(tmp_path / "a.png"), CT.astype(np.uint8))
    (tmp_path / "a.png").rename(tmp_path / "Röntgen 肺" / "ä 1.png")
    text = "file,label,modality\r\nRöntgen 肺/ä 1.png,x,XR\r\n"
    (tmp_path / "index.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert dataset.load_all(dataset.read(tmp_path / "index.csv")).shape == (1, 224, 224)


def test_a_folder_per_class_leaves_nothing_out(tmp_path: Path) -> None:
    for name in ("a/1.png", "a/p7/1.png", "a/p7/2", "b/p7/1.dcm", "b/readme.txt", "b/.hidden", ".git/x"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    records = dataset.read(tmp_path, modality="MRI")
    found = {str(each.file.relative_to(tmp_path)): (each.label, each.group) for each in records}
    assert found == {
        "a/1.png": ("a", "a/1.png"),
        "a/p7/1.png": ("a", "p7"),
        "a/p7/2": ("a", "p7"),
        "b/p7/1.dcm": ("b", "p7"),
        "b/readme.txt": ("b", "b/readme.txt"),
    }
    assert not any(each.patient_known for each in records)


def test_folders_named_like_splits_are_no_classes(tmp_path: Path) -> None:
    for name in ("train", "Test"):
        (tmp_path / name).mkdir()
    with pytest.raises(dataset.DataError, match="named like splits"):
        dataset.read(tmp_path, modality="MRI")


def test_real_objects_that_do_not_claim_to_be_clean_are_all_refused(edge_data: Path) -> None:
    with (edge_data / "dicom" / "files.csv").open() as file:
        names = [row["file"] for row in csv.DictReader(file) if row["file"].endswith(".dcm")]
    files = [edge_data / "dicom" / name for name in names]
    clean = {each for each in files if pydicom.dcmread(each).get("PatientIdentityRemoved") == "YES"}
    loaded = dataset.load_each([record(file) for file in files])
    assert len(files) - len(clean) > 10
    assert {fault.record.file for fault in loaded.faults if fault.refused} == set(files) - clean
    assert {each.file for each in loaded.records} <= clean


def test_real_images_read_whole_and_are_what_the_index_says(edge_data: Path) -> None:
    records = [each for each in dataset.read(edge_data / "index.csv") if each.split == "train"][::40]
    assert dataset.load_all(records).shape == (len(records), 224, 224)
    assert [dataset.digest(each) for each in records] == [each.sha256 for each in records]
