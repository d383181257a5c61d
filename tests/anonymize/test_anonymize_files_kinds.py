"""Files that are no images: each has a reason of its own, and none is passed on unseen."""

from __future__ import annotations

import gzip
import io
import zipfile

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset

from edge.anonymize.files import kinds
from edge.anonymize.files.one_file import FileAnonymizer, How
from edge.anonymize.headers.clean import Options
from edge.settings import Anonymize, Source
from tests.anonymize.archives import small

SOURCE = Source.model_validate({"name": "file", "kind": "video", "looks_at": "scene", "whole_scene": True})


@pytest.fixture(scope="module")
def outcome(detectors, tmp_path_factory):
    """Kind, reason and copy of a file with these bytes."""
    folder = tmp_path_factory.mktemp("kinds")
    how = How(b"k" * 32, Anonymize(), Options(), SOURCE, 1 << 26)
    anonymizer = FileAnonymizer(how, detectors, lambda: None)

    def run(data: bytes):
        (folder / "in").write_bytes(data)
        report = anonymizer.run(folder / "in", 1, folder / "copy")
        return report.kind, report.reason, report.output

    return run


def an_object(sop_class: str, syntax: str = uid.ExplicitVRLittleEndian, **more: object) -> bytes:
    ds = Dataset()
    ds.file_meta, ds.preamble = FileMetaDataset(), b"\0" * 128
    ds.file_meta.TransferSyntaxUID = syntax
    ds.file_meta.MediaStorageSOPClassUID, ds.file_meta.MediaStorageSOPInstanceUID = sop_class, "1.2.3"
    ds.SOPClassUID, ds.SOPInstanceUID, ds.Modality = sop_class, "1.2.3", "OT"
    for keyword, value in more.items():
        setattr(ds, keyword, value)
    buffer = io.BytesIO()
    ds.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def a_video_stream() -> bytes:
    more = {
        "Rows": 32,
        "Columns": 32,
        "BitsAllocated": 8,
        "BitsStored": 8,
        "HighBit": 7,
        "SamplesPerPixel": 3,
    }
    data = an_object("1.2.840.10008.5.1.4.1.1.77.1.4.1", uid.MPEG4HP41, NumberOfFrames=30, **more)
    return data + b"\xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0"


@pytest.mark.parametrize(
    ("sop_class", "reason"),
    [
        ("1.2.840.10008.5.1.4.1.1.104.1", "encapsulated_document"),
        ("1.2.840.10008.5.1.4.1.1.88.33", "structured_report"),
        ("1.2.840.10008.5.1.4.1.1.9.1.1", "waveform"),
        ("1.2.840.10008.5.1.4.1.1.66", "raw_data"),
        ("1.2.840.10008.5.1.4.1.1.66.1", "no_pixels"),
        ("1.2.840.10008.5.1.4.1.1.11.1", "presentation_state"),
        ("1.2.840.10008.5.1.4.1.1.481.3", "no_pixels"),
        ("1.2.840.10008.1.3.10", "dicomdir"),
        ("1.2.840.113619.4.30", "unknown_class"),
        ("1.2.840.10008.5.1.4.1.1.2", "no_pixels"),
    ],
)
def test_objects_that_are_no_images(sop_class, reason, outcome):
    assert outcome(an_object(sop_class)) == ("dicom", reason, None)


def test_a_video_stream_in_an_object(outcome):
    assert outcome(a_video_stream()) == ("dicom", "video_stream", None)


def test_a_media_directory_without_a_sop_class_in_its_data_set(outcome):
    ds = pydicom.dcmread(io.BytesIO(an_object("1.2.840.10008.1.3.10")))
    del ds.SOPClassUID
    buffer = io.BytesIO()
    ds.save_as(buffer)
    assert outcome(buffer.getvalue()) == ("dicom", "dicomdir", None)


def a_zip(*, encrypted: bool) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("ZEBROWSKA.dcm", small(1))
    data = bytearray(buffer.getvalue())
    data[6] |= encrypted  # general purpose flag, bit 0
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "kind", "reason"),
    [
        (b"", "unknown", "empty"),
        (b"\0" * 4000, "unknown", "unknown_type"),
        (b"ZEBROWSKA was here", "unknown", "unknown_type"),
        (b"#EXTM3U\nfile:///etc/passwd\n", "unknown", "unknown_type"),
        (a_zip(encrypted=False), "archive", "archive"),
        (a_zip(encrypted=True), "archive", "encrypted_archive"),
        (gzip.compress(small(1)), "archive", "archive"),
        (b"%PDF-1.7 ZEBROWSKA", "document", "document"),
        (b"II*\0" + b"\0" * 100, "image", "unsupported_image"),
        (small(1)[:400], "dicom", "no_pixels"),
        (small(1)[:132], "dicom", "unknown_class"),
        (small(1)[:-10], "dicom", "unreadable"),
        (b"\0\0\0\x18ftypmp42" + b"\0" * 100, "video", "unreadable"),
    ],
)
def test_files_that_are_no_objects(data, kind, reason, outcome):
    assert outcome(data) == (kind, reason, None)


def test_an_object_in_the_clothes_of_a_picture_is_judged_as_the_object_that_it_is(outcome):
    kind, reason, output = outcome(b"\x89PNG\r\n\x1a\n".ljust(128, b"\0") + small(1)[128:])
    assert (kind, reason) == ("dicom", None)
    assert output.endswith(".dcm")


def test_a_data_set_without_the_mark_of_a_file_is_read(outcome):
    ds = pydicom.dcmread(io.BytesIO(small(1)))
    ds.preamble = None
    del ds.file_meta
    bare = io.BytesIO()
    ds.save_as(bare, implicit_vr=True, little_endian=True, enforce_file_format=False)
    data = bare.getvalue()
    assert data[128:132] != b"DICM"
    kind, reason, output = outcome(data)
    assert (kind, reason) == ("dicom", None)
    assert output is not None


@given(st.binary(max_size=600))
def test_any_head_has_a_kind(head):
    kind, reason = kinds.by_head(head)
    assert kind in {"archive", "dicom", "document", "image", "unknown", "video"}
    assert reason is None or reason.replace("_", "").isalpha()
