"""Headers by PS3.15 Annex E: planted names are gone at every depth, dates and UIDs stay consistent."""

from __future__ import annotations

import io
from datetime import datetime

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from edge.anonymize.headers import clean as headers
from edge.anonymize.headers import profile
from edge.anonymize.headers.remap import KeyFileError, Remap, new_key, read_key
from tests.anonymize.plant import NAMES, planted
from tests.anonymize.scenes import radiograph

KEY = bytes(range(32))


def cleaned(options=headers.Options(), key=KEY) -> tuple[Dataset, Dataset]:  # noqa: B008
    data = planted(radiograph(None, (64, 96)))
    original, result = (pydicom.dcmread(io.BytesIO(data)) for _ in range(2))
    headers.clean(result, Remap(key, headers.patient_of(original)), options)
    return original, result


def everything(ds: Dataset) -> str:
    """All values at all depths, as text, upper case."""
    found = []
    for element in ds:
        if element.VR == "SQ":
            found += [everything(item) for item in element.value]
        elif element.keyword != "PixelData":
            value = element.value
            found.append(value.decode("latin-1") if isinstance(value, bytes) else str(value))
    return "\n".join(found).upper()


def test_every_planted_name_is_gone_at_every_depth():
    original, result = cleaned()
    before, after = everything(original), everything(result)
    assert [n for n in NAMES if n not in before] == [
        "METAFILE",
        "PREAMBLER",
    ]  # the control; these two: test_files
    assert [n for n in NAMES if n in after] == []
    assert not [
        e.tag for e in result.iterall() if e.tag.is_private or e.tag.group & 0xFF00 in {0x5000, 0x6000}
    ]


def test_what_is_needed_to_show_the_image_stays():
    original, result = cleaned()
    for keyword in (
        "SOPClassUID",
        "Modality",
        "BodyPartExamined",
        "Rows",
        "BitsStored",
        "WindowCenter",
        "ImageType",
    ):
        assert result[keyword].value == original[keyword].value
    assert result.AnatomicRegionSequence[0].CodeValue == "T-D3000"
    assert result.PixelData == original.PixelData


def test_the_result_says_what_was_done():
    _, result = cleaned()
    assert result.PatientIdentityRemoved == "YES"
    assert result.DeidentificationMethod[0] == "PS3.15 2026c Basic Profile"
    assert all(len(text) <= 64 for text in result.DeidentificationMethod)
    codes = [item.CodeValue for item in result.DeidentificationMethodCodeSequence]
    assert codes == ["113100", "113101", "113103", "113104", "113105", "113107"]
    assert result.LongitudinalTemporalInformationModified == "MODIFIED"
    assert result.BurnedInAnnotation == "NO"  # E.3.1
    assert "RecognizableVisualFeatures" not in result


def test_uids_are_replaced_everywhere_and_alike():
    original, result = cleaned()
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID"):
        assert result[keyword].value != original[keyword].value
        assert result[keyword].value.startswith("2.25.")
        assert len(result[keyword].value) <= 64
    again = cleaned()[1]
    assert again.StudyInstanceUID == result.StudyInstanceUID
    assert cleaned(key=b"x" * 32)[1].StudyInstanceUID != result.StudyInstanceUID
    inner = result.SourceImageSequence[0].ReferencedInstanceSequence[0]
    assert inner.ReferencedSOPInstanceUID == Remap(KEY, "").uid("1.2.3.4.6")


def test_dates_move_together_and_the_birth_date_goes():
    original, result = cleaned()

    def days(ds, keyword):
        return datetime.strptime(str(ds[keyword].value)[:8], "%Y%m%d").toordinal()  # noqa: DTZ007

    moved = days(original, "StudyDate") - days(result, "StudyDate")
    assert 1 <= moved <= 3650
    for keyword in ("SeriesDate", "AcquisitionDateTime"):
        assert days(original, keyword) - days(result, keyword) == moved
    assert result.StudyTime == original.StudyTime
    assert not result.PatientBirthDate


def test_without_the_option_no_date_stays():
    _, result = cleaned(headers.Options(modified_dates=False))
    assert "2022" not in everything(result)
    assert result.LongitudinalTemporalInformationModified == "REMOVED"


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("DateOfGainCalibration", "20220301"),
        ("SecondaryReviewTime", "101500"),
        ("StudyUpdateDateTime", "2022"),
    ],
)
def test_without_the_option_dates_that_the_table_does_not_list_go(keyword, value):
    for modified in (True, False):
        ds = Dataset()
        ds.PatientID, ds.SpecificCharacterSet = "A1", "ISO_IR 100"
        setattr(ds, keyword, value)
        assert profile.code(int(ds[keyword].tag)) is None
        headers.clean(ds, Remap(KEY, "x"), headers.Options(modified_dates=modified))
        assert (keyword in ds) is modified  # the control: shifted, it stays


def test_our_own_words_are_not_taken_for_the_originals():
    ds = Dataset()
    ds.PatientName, ds.PatientID, ds.InstitutionName = "BASIC^PIXEL", "PROFILE", "DATA CLEAN EDGE CLINIC"
    words = headers.naming_words(ds)
    headers.clean(ds, Remap(KEY, "x"), headers.Options())
    assert any(word in everything(ds) for word in words)  # the control: our own text holds them
    assert not any(word in everything(headers.foreign(ds)) for word in words)
    ds.SeriesDescription = "PROFILE"
    assert any(word in everything(headers.foreign(ds)) for word in words)


def test_unreadable_values_go():
    ds = Dataset()
    ds.PatientID = "A1"
    for tag, vr, value in (
        (0x00280030, "DS", b"DOE^JANE"),
        (0x00200013, "IS", b"DOE"),
        (0x00181151, "IS", b"1 DOE"),
    ):
        ds[tag] = pydicom.dataelem.RawDataElement(pydicom.tag.Tag(tag), vr, len(value), value, 0, False, True)
    ds.SpecificCharacterSet = "ISO_IR 100"
    headers.clean(ds, Remap(KEY, "x"), headers.Options())
    assert "DOE" not in everything(ds)


@given(st.dates().filter(lambda d: d.year > 1000), st.text("ABC123", min_size=1, max_size=8))
def test_a_shifted_date_is_earlier_by_the_patients_days(day, patient):
    remap = Remap(KEY, patient)
    if day.toordinal() < 400_000:
        return
    value = day.strftime("%Y%m%d")
    moved = remap.date(value)
    assert moved is not None
    assert (day - remap.shift()).strftime("%Y%m%d") == moved
    assert remap.datetime(value + "0102") == moved + "0102"


@given(st.text(max_size=20))
def test_what_is_no_date_is_not_passed_on(value):
    for result in (Remap(KEY, "p").date(value), Remap(KEY, "p").datetime(value)):
        assert result is None or result[:4].isdigit()


def test_keys_are_made_once_and_refused_if_others_can_read_them(tmp_path):
    path = tmp_path / "clinic.key"
    with pytest.raises(KeyFileError, match="--new-key"):
        read_key(path)
    new_key(path)
    assert len(read_key(path)) == 32
    with pytest.raises(KeyFileError, match="never overwritten"):
        new_key(path)
    path.chmod(0o644)
    with pytest.raises(KeyFileError, match="chmod 600"):
        read_key(path)
