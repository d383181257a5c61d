"""What each option retains or cleans, in whole objects."""

from __future__ import annotations

import io
import struct
from datetime import date

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from edge.anonymize.headers import clean as headers
from edge.anonymize.headers import media
from edge.anonymize.headers.encoded import raw_element
from edge.anonymize.headers.remap import Remap
from tests.anonymize.plant import NAMES, planted
from tests.anonymize.scenes import radiograph

KEY = bytes(range(32))


def cleaned(ds: Dataset, *names: str) -> Dataset:
    headers.clean(ds, Remap(KEY, headers.patient_of(ds)), headers.Options.from_names(names))
    return ds


def image(**attributes) -> Dataset:
    ds = Dataset()
    ds.PatientName, ds.PatientID, ds.StudyDate = "ZEBROWSKA^ANNA", "MRN0047711", "20220301"
    ds.SOPClassUID, ds.SOPInstanceUID, ds.Rows = "1.2.840.10008.5.1.4.1.1.1", "1.2.3.4.5", 8
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    return ds


def test_clean_pixel_data_is_said_of_images_alone():
    ds = cleaned(image(BurnedInAnnotation="YES", RecognizableVisualFeatures="NO"))
    assert ds.BurnedInAnnotation == "NO"
    assert "RecognizableVisualFeatures" not in ds
    assert "113101" in [item.CodeValue for item in ds.DeidentificationMethodCodeSequence]
    report = image()
    del report.Rows
    assert "BurnedInAnnotation" not in cleaned(report)
    assert "113101" not in [item.CodeValue for item in report.DeidentificationMethodCodeSequence]
    faceless = cleaned(image(), "clean-recognizable-visual-features")
    assert faceless.RecognizableVisualFeatures == "NO"


def test_retain_uids_keeps_uids_but_none_that_names_the_patient():
    ds = image(StudyInstanceUID="1.2.3.4", FrameOfReferenceUID="1.2.0047711.5", SeriesInstanceUID="no uid")
    ds.ReferencedImageSequence = Sequence([Dataset()])
    ds.ReferencedImageSequence[0].ReferencedSOPInstanceUID = "1.2.3.4.9"
    cleaned(ds, "retain-uids")
    assert ds.StudyInstanceUID == "1.2.3.4"
    assert ds.ReferencedImageSequence[0].ReferencedSOPInstanceUID == "1.2.3.4.9"
    assert ds.FrameOfReferenceUID.startswith("2.25.")
    assert ds.SeriesInstanceUID.startswith("2.25.")


def test_text_in_the_place_of_a_uid_is_not_retained():
    for vr in ("LO", "UI", "UT", "PN"):
        ds = image()
        ds[0x0020000D] = raw_element(0x0020000D, vr, b"KOWALSKI")
        assert b"KOWALSKI" not in media.encode_file(cleaned(ds, "retain-uids"))


def test_what_begins_like_a_standard_uid_is_not_one():
    ds = cleaned(
        image(FrameOfReferenceUID="1.2.840.10008.19610203", StudyInstanceUID="1.2.840.10008.1.4.1.1")
    )
    assert ds.FrameOfReferenceUID.startswith("2.25.")
    assert ds.StudyInstanceUID == "1.2.840.10008.1.4.1.1"  # a well-known frame of reference, registered
    assert ds.SOPClassUID == "1.2.840.10008.5.1.4.1.1.1"


def test_retain_institution_keeps_it_in_its_script_but_not_the_patients_name():
    ds = image(InstitutionName="Klinikum Österreich", InstitutionAddress="Zebrowska street 1")
    ds.SpecificCharacterSet = "ISO_IR 100"
    assert cleaned(image(InstitutionName="Klinikum")).InstitutionName == "REMOVED"
    cleaned(ds, "retain-institution")
    again = pydicom.dcmread(io.BytesIO(media.encode_file(ds)))
    assert again.InstitutionName == "Klinikum Österreich"
    assert not again.InstitutionAddress


def test_retain_device_keeps_serial_numbers_and_replaces_network_names():
    ds = cleaned(image(DeviceSerialNumber="SN 77", StationAETitle="CT_ROOM3"), "retain-device-identity")
    assert ds.DeviceSerialNumber == "SN 77"
    assert ds.StationAETitle == Remap(KEY, "").equipment("CT_ROOM3")
    assert len(ds.StationAETitle) <= 16
    assert cleaned(image(StationAETitle="CT_ROOM3")).get("StationAETitle") is None


@pytest.mark.parametrize(
    ("stated", "birth", "kept"),
    [
        ("061Y", "19610203", "061Y"), ("093Y", "", "090Y"), (None, "19610203", "061Y"),
        (None, "19610302", "060Y"),
        (None, "19200101", "090Y"), ("999M", "", "999M"), (None, "", None), ("old", "unknown", None),
    ],
)  # fmt: skip
def test_retain_patient_characteristics_tells_the_age_never_the_birth_date(stated, birth, kept):
    ds = image(PatientSex="F", PatientWeight="61", PatientBirthDate=birth)
    if stated:
        ds.add_new("PatientAge", "AS", stated)
    cleaned(ds, "retain-patient-characteristics")
    assert (ds.get("PatientAge") or None) == kept
    assert (ds.PatientSex, ds.PatientWeight) == ("F", 61)
    assert not ds.PatientBirthDate
    bare = cleaned(image(PatientSex="F", PatientAge="061Y", PatientBirthDate=birth))
    assert not bare.PatientSex
    assert "PatientAge" not in bare


def private() -> Dataset:
    ds = image()
    block = ds.private_block(0x0019, "SIEMENS MR HEADER", create=True)
    block.add_new(0x0C, "IS", "1000")
    block.add_new(0x0D, "CS", "ZEBROWSKA")
    block.add_new(0x0E, "FD", [0.5, 0.25, 0.0])
    block.add_new(0x08, "LO", "ZEBROWSKA")
    ds.private_block(0x0021, "ZEBROWSKA", create=True).add_new(0x01, "LO", "ZEBROWSKA")
    return ds


def test_retain_safe_private_keeps_listed_elements_with_clean_values():
    assert not [e for e in cleaned(private()) if e.tag.is_private]
    ds = cleaned(private(), "retain-safe-private")
    block = ds.private_block(0x0019, "SIEMENS MR HEADER")
    assert (block[0x0C].value, list(block[0x0E].value)) == (1000, [0.5, 0.25, 0.0])
    assert not block[0x0D].value
    assert 0x08 not in block
    assert not [e for e in ds if e.tag.group == 0x0021]


def annotations() -> Dataset:
    def graphic(kind: str, points: list[float]) -> Dataset:
        item = Dataset()
        item.GraphicAnnotationUnits, item.GraphicDimensions = "PIXEL", 2
        item.NumberOfGraphicPoints, item.GraphicData, item.GraphicType = len(points) // 2, points, kind
        return item

    text = Dataset()
    text.UnformattedTextValue = "ZEBROWSKA"
    first, second = Dataset(), Dataset()
    first.GraphicLayer = second.GraphicLayer = "LAYER"
    first.TextObjectSequence = second.TextObjectSequence = Sequence([text])
    handwriting = graphic("POLYLINE", [float(i) for i in range(60)])
    first.GraphicObjectSequence = Sequence([graphic("CIRCLE", [1.0, 1.0, 2.0, 2.0]), handwriting])
    ds = image(Modality="PR")
    ds.GraphicAnnotationSequence = Sequence([first, second])
    return ds


def test_clean_graphics_keeps_geometry_and_no_text_and_no_handwriting():
    ds = cleaned(annotations())
    (item,) = ds.GraphicAnnotationSequence
    assert [graphic.GraphicType for graphic in item.GraphicObjectSequence] == ["CIRCLE"]
    assert list(item.GraphicObjectSequence[0].GraphicData) == [1.0, 1.0, 2.0, 2.0]
    assert "TextObjectSequence" not in item
    assert "GraphicAnnotationSequence" not in cleaned(annotations(), "no-clean-graphics")


@pytest.mark.parametrize(
    ("keyword", "value", "kept"),
    [
        ("SeriesNumber", "3", True),
        ("SeriesNumber", "19610203", False),
        ("RepetitionTime", "4500.5", True),
        ("RepetitionTime", "4500\\19610203", False),
        ("ImageType", "ORIGINAL\\PRIMARY\\AXIAL", True),
        ("ImageType", "ORIGINAL\\PRIMARY\\NOWAK", False),
        ("PatientOrientation", "L\\PF", True),
    ],
)
def test_a_value_stays_if_it_can_be_nothing_else(keyword, value, kept):
    ds = cleaned(image(**{keyword: value.split("\\")}))
    assert (str(ds[keyword].value) == str(image(**{keyword: value.split("\\")})[keyword].value)) is kept


def test_a_birth_date_is_no_number_however_it_is_written():
    for value, kept in (("610203", False), ("020361", False), ("610204", True)):
        ds = image(PatientBirthDate="19610203", RepetitionTime=value)
        cleaned(ds)
        assert bool(ds.RepetitionTime) is kept


def test_what_was_not_read_yet_is_judged_all_the_same(tmp_path):
    path = tmp_path / "in.dcm"
    path.write_bytes(planted(radiograph(None, (32, 48))))
    ds = pydicom.dcmread(path, defer_size=4)
    cleaned(ds)
    data = media.encode_file(ds).upper()
    assert not [name for name in NAMES if name.encode() in data]


def test_numbers_are_no_hiding_place():
    ds = image(RedPaletteColorLookupTableDescriptor=[256, 0, 16])
    ds.add_new(0x00189310, "FD", struct.unpack("<d", b"KOWALSKI")[0])  # Table Feed per Rotation, one value
    ds.add_new(0x00280010, "US", list(struct.unpack("<4H", b"KOWALSKI")))  # Rows, which has one value
    ds.add_new(0x00281101, "US", [256, 0, 16])
    data = media.encode_file(ds)
    assert data.count(b"KOWALSKI") == 2  # the control
    cleaned(ds)
    assert b"KOWALSKI" not in media.encode_file(ds)
    assert list(ds.RedPaletteColorLookupTableDescriptor) == [256, 0, 16]


@pytest.mark.parametrize(
    ("tag", "vr"), [(0x00080070, "US"), (0x00080008, "UL"), (0x00280010, "US"), (0x00280011, "SS")]
)
def test_a_short_name_is_no_number_where_no_such_number_belongs(tag, vr):
    ds = image()
    ds[tag] = raw_element(tag, vr, b"DOE^JOHN"[: 8 if vr == "UL" else 6])
    assert b"DOE^JO" in media.encode_file(ds)  # the control
    assert b"DOE^JO" not in media.encode_file(cleaned(ds))


def test_a_name_is_found_in_numbers_in_its_own_bytes():
    name = "Weißß".encode("latin-1")
    for holder, kept in (("Weißß", False), ("Somebody", True)):
        ds = image(PatientName=holder)
        ds.SpecificCharacterSet = "ISO_IR 100"
        ds[0x00189073] = raw_element(0x00189073, "FD", b"\1\2\3" + name)  # Acquisition Duration, one value
        assert (name in media.encode_file(cleaned(ds))) is kept


@pytest.mark.parametrize(
    "keyword", ["CodeValue", "CodeMeaning", "CodingSchemeDesignator", "CodingSchemeVersion"]
)
def test_a_coded_entry_outside_of_a_sequence_is_judged_too(keyword):
    ds = image(**{keyword: "KOWALSKI"})
    assert "KOWALSKI" not in str(cleaned(ds))
    inner = image()
    inner.ReferencedImageSequence = Sequence([Dataset()])
    setattr(inner.ReferencedImageSequence[0], keyword, "KOWALSKI")
    assert "KOWALSKI" not in str(cleaned(inner))


def test_a_look_up_table_longer_than_its_descriptor_goes():
    for extra, kept in ((b"", True), (b"KOWALSKI", False)):
        ds = image(RedPaletteColorLookupTableDescriptor=[256, 0, 16])
        ds.add_new(0x00281201, "OW", bytes(512) + extra)
        cleaned(ds)
        assert ("RedPaletteColorLookupTableData" in ds) is kept


@given(
    st.sampled_from(["20240229", "20000301", "19991231", "20200228"]), st.text("XYZ", min_size=1, max_size=4)
)
def test_intervals_survive_leap_days(day, patient):
    remap = Remap(KEY, patient)

    def ordinal(value: str) -> int:
        return date(int(value[:4]), int(value[4:6]), int(value[6:8])).toordinal()

    assert ordinal(remap.date("20240301")) - ordinal(remap.date(day)) == ordinal("20240301") - ordinal(day)
    assert remap.datetime(day + "235960.5+1300") == remap.date(day) + "235960.5+1300"
    assert remap.datetime(day + "996699") is None
    assert remap.datetime(day + "1015+9900") is None


def test_one_clinic_agrees_with_itself_and_files_of_one_patient_move_together():
    first, second = image(SeriesDate="20220305"), image(StudyDate="20220401")
    second.PatientName = "Zebrowska^A"  # the ID tells who it is
    shifts = set()
    for ds in (first, second):
        day = ds.StudyDate
        cleaned(ds)
        remap = Remap(KEY, "id\0\0MRN0047711")
        assert ds.StudyDate == remap.date(day)
        shifts.add(remap.shift())
        assert ds.PatientID == remap.pseudonym()
    assert len(shifts) == 1
    assert first.SOPInstanceUID == second.SOPInstanceUID
    assert Remap(KEY, "a").uid("1.2.3") == "2.25.323208961630152450876443539203389659764"


def test_all_options_together_leave_no_planted_name_that_they_do_not_retain():
    ds = pydicom.dcmread(io.BytesIO(planted(radiograph(None, (64, 96)))))
    cleaned(ds, "retain-uids", "retain-safe-private", "retain-patient-characteristics")
    data = media.encode_file(ds).upper()
    for name in ("ZEBROWSKA", "QUIXANO", "MRN0047711", "19610203", "PRIVATEER", "DEEPNESTED", "FREETEXTER"):
        assert name.encode() not in data
