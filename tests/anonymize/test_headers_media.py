"""Files by PS3.10: nothing of the original's preamble, meta information, names or directory stays."""

from __future__ import annotations

import io
import re
import shutil
import subprocess

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.fileset import FileSet
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from edge.anonymize.headers import clean as headers
from edge.anonymize.headers import dicomdir, media
from edge.anonymize.headers.encoded import encode
from edge.anonymize.headers.remap import Remap
from tests.anonymize.plant import NAMES, planted
from tests.anonymize.scenes import radiograph

KEY = bytes(range(32))


def original() -> Dataset:
    return pydicom.dcmread(io.BytesIO(planted(radiograph(None, (32, 48)))))


def cleaned(ds: Dataset) -> Dataset:
    headers.clean(ds, Remap(KEY, headers.patient_of(ds)), headers.Options())
    return ds


def test_a_file_is_made_anew_around_the_data_set():
    ds = original()
    ds.file_meta.SendingApplicationEntityTitle = "AEPLANTED"
    ds.file_meta.PrivateInformationCreatorUID, ds.file_meta.PrivateInformation = "1.2.3", b"PRIVATEER "
    ds.file_meta.ImplementationVersionName = "KAROLINSKA"
    before = io.BytesIO()
    ds.save_as(before)
    assert [name for name in NAMES if name.encode() not in before.getvalue().upper()] == []  # the control
    data = media.encode_file(cleaned(ds))
    assert [name for name in NAMES if name.encode() in data.upper()] == []
    again = pydicom.dcmread(io.BytesIO(data))
    assert data[:128] == bytes(128)
    assert [int(element.tag) & 0xFF for element in again.file_meta] == [0, 1, 2, 3, 0x10, 0x12, 0x13]
    assert again.file_meta.MediaStorageSOPInstanceUID == again.SOPInstanceUID == ds.SOPInstanceUID
    assert again.file_meta == media.file_meta(ds)
    assert again.PixelData == ds.PixelData


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_what_is_encoded_reads_as_what_pydicom_writes(syntax):
    ds = original()
    ds.SmallestImagePixelValue, ds["SmallestImagePixelValue"].VR = 3, "US"
    ds.add_new(0x00280006, "US", 0)
    ds.file_meta.TransferSyntaxUID = syntax
    source = io.BytesIO()
    pydicom.dcmwrite(source, ds, implicit_vr=syntax.is_implicit_VR, little_endian=syntax.is_little_endian)
    data = source.getvalue()
    ours = pydicom.dcmread(io.BytesIO(media.encode_file(cleaned(pydicom.dcmread(io.BytesIO(data))))))
    copy = cleaned(pydicom.dcmread(io.BytesIO(data)))
    for tag in list(copy.keys()):
        _ = copy[tag]
    assert {e.tag: e.value for e in ours} == {e.tag: e.value for e in copy}
    assert ours.SmallestImagePixelValue == 3


def test_encoded_text_is_in_the_character_set_that_it_says():
    ds = Dataset()
    ds.SpecificCharacterSet, ds.PatientName = "ISO_IR 192", "山田^太郎"
    assert "山田".encode() in encode(ds)


def test_dcmtk_reads_what_is_written(tmp_path):
    if shutil.which("dcmftest") is None or shutil.which("dcmdump") is None:
        pytest.skip("needs dcmtk (apt install dcmtk)")
    path = tmp_path / "out.dcm"
    path.write_bytes(media.encode_file(cleaned(original())))
    done = subprocess.run(["dcmdump", "-q", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert not re.search("^[EW]:", done.stderr, re.MULTILINE)


def files() -> list[tuple[tuple[str, ...], Dataset]]:
    """Two patients, two studies of the first, two images in one series."""
    found = []
    who = [("QUIXANO", "1.1", "1.1.1")] * 2 + [("QUIXANO", "1.2", "1.2.1"), ("OTHER", "2.1", "2.1.1")]
    for number, (patient, study, series) in enumerate(who):
        ds = original()
        ds.PatientName = ds.PatientID = patient
        ds.StudyInstanceUID, ds.SeriesInstanceUID = f"1.2.3.{study}", f"1.2.3.{series}"
        ds.SOPInstanceUID, ds.InstanceNumber = f"1.2.3.9.{number}", number
        ds.StudyDescription = "chest of QUIXANO"
        name = media.file_id(Remap(KEY, "").name(str(number).encode()))
        found.append((name, cleaned(ds)))
    return found


def test_a_dicomdir_is_built_from_the_cleaned_files(tmp_path):
    made = files()
    for name, ds in made:
        path = tmp_path.joinpath(*name)
        path.parent.mkdir(parents=True)
        path.write_bytes(media.encode_file(ds))
    data = dicomdir.build(made, Remap(KEY, "").uid("1.2.3.99"))
    assert not [name for name in NAMES if name.encode() in data.upper()]
    (tmp_path / "DICOMDIR").write_bytes(data)
    read = FileSet(tmp_path / "DICOMDIR")  # follows every offset, finds every file
    assert sorted(instance.SOPInstanceUID for instance in read) == sorted(ds.SOPInstanceUID for _, ds in made)
    assert len(read.find_values("PatientID")) == 2
    assert len(read.find_values("StudyInstanceUID")) == 3
    assert Remap(KEY, "").uid("1.2.3.99") == read.UID
    for instance in read:
        assert instance.load().SOPInstanceUID == instance.SOPInstanceUID
    directory = pydicom.dcmread(io.BytesIO(data))
    assert dicomdir.is_dicomdir(directory)
    assert not dicomdir.is_dicomdir(made[0][1])
    types = [record.DirectoryRecordType for record in directory.DirectoryRecordSequence]
    assert types.count("IMAGE") == 4
    assert directory.DirectoryRecordSequence[1].StudyDescription == "CHEST OF"


def test_a_dicomdir_of_no_files_has_no_records():
    directory = pydicom.dcmread(io.BytesIO(dicomdir.build([], "1.2.3")))
    assert len(directory.DirectoryRecordSequence) == 0


def test_file_ids_are_opaque_stable_and_of_the_standard():
    name = Remap(KEY, "").name(b"content")
    assert name == Remap(KEY, "someone").name(b"content") != Remap(bytes(32), "").name(b"content")
    assert media.file_id(name) == tuple(re.findall("[0-9A-F]{8}", name.upper()))
    assert len(media.file_id(name)) == 4  # PS3.10 8.2: at most 8 components of at most 8 characters
