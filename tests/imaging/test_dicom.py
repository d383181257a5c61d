"""Decoding of DICOM: right pixels, bounded work, and one way to fail."""

from __future__ import annotations

import struct
import sys
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ImplicitVRLittleEndian

sys.path.insert(0, str(Path(__file__).parent))
from make_dicom import dataset, encode

from edge.imaging import dicom_header
from edge.imaging.dicom import Decoded, DecodeLimits, Undecodable, decode, open_, transfer_syntaxes
from edge.imaging.frames import Region

FILES = Path(pydicom.__file__).parent / "data" / "test_files"
LIMITS = DecodeLimits()
RAMP = np.arange(-1000, 1000, 8, dtype=np.int16).reshape(10, 25)


def pixels(ds: Dataset, **how) -> np.ndarray:
    return decode(encode(ds, **how), LIMITS).frames[0]


def reason(data: bytes, limits: DecodeLimits = LIMITS) -> str:
    with pytest.raises(Undecodable) as error:
        decode(data, limits)
    return error.value.reason


# --- the display pipeline


def test_window_follows_the_standards_linear_function():
    # PS3.3 C.11.2.1.2.1: for center 40, width 400 the range is (-160, 239].
    shown = pixels(dataset(RAMP, WindowCenter=[40, 500], WindowWidth=[400, 50]))
    expected = np.clip((RAMP - 39.5) / 399 + 0.5, 0, 1) * 255
    np.testing.assert_array_equal(shown, np.rint(expected))


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        ("LINEAR_EXACT", lambda x: (x - 40) / 400 + 0.5),
        ("SIGMOID", lambda x: 1 / (1 + np.exp(-4 * (x - 40) / 400))),
    ],
)
def test_other_voi_functions(function, expected):
    shown = pixels(dataset(RAMP, WindowCenter=40, WindowWidth=400, VOILUTFunction=function))
    np.testing.assert_array_equal(shown, np.rint(np.clip(expected(RAMP.astype(float)), 0, 1) * 255))


def test_rescale_comes_before_the_window():
    raw = (RAMP + 1000).astype(np.uint16)
    ds = dataset(raw, RescaleSlope=2, RescaleIntercept=-2000, WindowCenter=0, WindowWidth=2000)
    expected = np.clip((RAMP * 2.0 + 0.5) / 1999 + 0.5, 0, 1) * 255
    np.testing.assert_array_equal(pixels(ds), np.rint(expected))


def test_without_a_window_the_range_is_that_of_the_values_without_padding():
    raw = RAMP.copy()
    raw[0] = -2000
    shown = pixels(dataset(raw, PixelPaddingValue=-2000))
    assert (shown[0] == 0).all()
    assert shown[1, 0] == 0
    assert shown[-1, -1] == 255
    # The control: without the element the padding counts, and the rest is squeezed.
    assert pixels(dataset(raw))[1, 0] > 50


def test_padding_range_is_black_in_monochrome1_too():
    raw = RAMP.copy()
    raw[0] = np.arange(25) - 2000
    ds = dataset(
        raw, PixelPaddingValue=-2000, PixelPaddingRangeLimit=-1950, PhotometricInterpretation="MONOCHROME1"
    )
    shown = pixels(ds)
    assert (shown[0] == 0).all()
    assert shown[1, 0] == 255
    assert shown[-1, -1] == 0


def test_monochrome1_is_inverted():
    plain = pixels(dataset(RAMP, WindowCenter=0, WindowWidth=500))
    inverted = pixels(dataset(RAMP, WindowCenter=0, WindowWidth=500, PhotometricInterpretation="MONOCHROME1"))
    np.testing.assert_array_equal(inverted, 255 - plain)


@pytest.mark.parametrize("signed", [False, True])
def test_bits_above_bits_stored_are_not_looked_at(signed):
    """Old objects keep an overlay there (retired in PS3.5): it is never drawn."""
    values = np.arange(16, dtype=np.uint16).reshape(4, 4) * 256
    marked = values | np.where(np.eye(4, dtype=bool), 0xF000, 0).astype(np.uint16)
    form = {"BitsStored": 12, "HighBit": 11, "PixelRepresentation": int(signed)}
    np.testing.assert_array_equal(pixels(dataset(marked, **form)), pixels(dataset(values, **form)))


def test_overlays_are_not_drawn():
    ds = pydicom.dcmread(FILES / "examples_overlay.dcm")
    assert any(element.tag.group & 0xFF00 == 0x6000 for element in ds)
    shown = pixels(ds)
    for tag in [element.tag for element in ds if element.tag.group & 0xFF00 == 0x6000]:
        del ds[tag]
    np.testing.assert_array_equal(shown, pixels(ds))


@pytest.mark.parametrize("syntax", [None, ImplicitVRLittleEndian])
def test_modality_and_voi_lut_sequences(syntax):
    raw = np.arange(16, dtype=np.uint16).reshape(4, 4)

    def lut(first, entries, bits):
        item = Dataset()
        item.add_new("LUTDescriptor", "US", [len(entries), first, bits])
        item.add_new("LUTData", "OW", np.asarray(entries, "<u2").tobytes())
        return Sequence([item])

    ds = dataset(raw)
    ds.ModalityLUTSequence = lut(2, [100 + 10 * i for i in range(10)], 12)
    ds.VOILUTSequence = lut(100, list(range(0, 4096, 32)), 12)
    value = 100 + 10 * np.clip(raw.astype(int) - 2, 0, 9)
    expected = np.rint(np.clip(value - 100, 0, 127) * 32 / 4095 * 255)
    np.testing.assert_array_equal(pixels(ds, **({"syntax": syntax} if syntax else {})), expected)


def test_enhanced_multi_frame_windows_stand_in_functional_groups():
    volume = np.stack([RAMP, RAMP])
    ds = dataset(volume)
    groups = []
    for center in (0, 400):
        window, group = Dataset(), Dataset()
        window.WindowCenter, window.WindowWidth = center, 100
        group.FrameVOILUTSequence = Sequence([window])
        groups.append(group)
    ds.PerFrameFunctionalGroupsSequence = Sequence(groups)
    first, second = decode(encode(ds), LIMITS).frames
    assert first.mean() > second.mean() + 20


def test_a_constant_image_and_a_broken_window_give_no_error():
    assert (pixels(dataset(np.full((4, 4), 7, np.uint16))) == 0).all()
    shown = pixels(dataset(RAMP, WindowCenter=0, WindowWidth=0))
    assert (shown.min(), shown.max()) == (0, 255)


# --- real encodings


@pytest.mark.parametrize(
    "name",
    [
        "MR_small_RLE", "MR_small_bigendian", "MR_small_implicit", "MR_small_jp2klossless",
        "MR_small_jpeg_ls_lossless", "MR_small_padded",
    ],
)  # fmt: skip
def test_lossless_encodings_of_one_image_agree(name):
    reference = decode((FILES / "MR_small.dcm").read_bytes(), LIMITS).frames[0]
    found = decode((FILES / f"{name}.dcm").read_bytes(), LIMITS).frames[0]
    np.testing.assert_array_equal(found, reference)


# The colour bars of dcmtk's test chart: rows 5, 25, 45 are pure red, green, blue.
@pytest.mark.parametrize(
    "name",
    [
        "SC_rgb_dcmtk_+eb+cr", "SC_rgb_dcmtk_+eb+cy+n1", "SC_rgb_dcmtk_+eb+cy+n2", "SC_rgb_dcmtk_+eb+cy+np",
        "SC_rgb_dcmtk_+eb+cy+s2", "SC_rgb_dcmtk_+eb+cy+s4", "SC_rgb_gdcm_KY", "SC_rgb_jls_lossy_line",
        "SC_rgb_jls_lossy_sample", "SC_rgb_jpeg_gdcm", "SC_rgb_jpeg_lossy_gdcm", "SC_rgb_rle",
        "SC_rgb_rle_16bit", "SC_rgb_rle_16bit_2frame", "SC_rgb_rle_32bit", "SC_rgb_jpeg_dcmtk",
        "SC_ybr_full_422_uncompressed",
    ],
)  # fmt: skip
def test_colours_are_rgb_whatever_the_encoding(name):
    shown = decode((FILES / f"{name}.dcm").read_bytes(), LIMITS).frames[0].astype(int)
    for row, colour in ((5, (255, 0, 0)), (25, (0, 255, 0)), (45, (0, 0, 255))):
        assert np.abs(shown[row, 50] - colour).max() <= 6, name


def test_palette_multi_frame_deflated_and_regions():
    palette = decode((FILES / "examples_palette.dcm").read_bytes(), LIMITS)
    assert palette.frames[0].shape == (350, 800, 3)
    assert palette.acquisition.regions
    assert all(region.right <= 800 and region.bottom <= 350 for region in palette.acquisition.regions)
    cine = decode((FILES / "examples_ybr_color.dcm").read_bytes(), LIMITS)
    assert len(cine.frames) == 30
    deflated = decode((FILES / "image_dfl.dcm").read_bytes(), LIMITS)
    assert deflated.frames[0].shape == (512, 512)
    assert deflated.acquisition.secondary


def test_decoders_named_by_the_design_are_installed():
    assert len(transfer_syntaxes()) == 16


def test_frames_are_decoded_one_at_a_time():
    volume = np.zeros((200, 256, 256), np.uint16)
    data = encode(dataset(volume))
    opened = open_(data, LIMITS)
    next(opened.frames)
    tracemalloc.start()
    for _ in opened.frames:
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert opened.count == 200
    assert peak < 8 << 20  # all frames at once would take 13 MB as uint8 and 26 MB as stored


# --- what the header says


def test_header_facts_and_naming_words():
    ds = dataset(
        RAMP, PatientName="DOE^JANE=X", PatientBirthDate="19700131", ReferringPhysicianName="HOUSE^GREGORY",
        AccessionNumber="ACC-9", ViewPosition="pa", IssuerOfPatientID="CLINIC", Manufacturer="Maker",
    )  # fmt: skip
    found = decode(encode(ds), LIMITS)
    assert (found.acquisition.modality, found.acquisition.body_part, found.acquisition.view) == (
        "MR",
        "BRAIN",
        "PA",
    )
    assert not found.acquisition.secondary
    identity = found.identity
    assert identity is not None
    assert (identity.patient_id, identity.issuer, identity.accession_number) == ("ID-4711", "CLINIC", "ACC-9")
    assert identity.sop_uid == ds.SOPInstanceUID
    assert {"DOE", "JANE", "HOUSE", "GREGORY", "ID-4711", "ACC-9", "31.01.1970", "1970-01-31"} <= set(
        identity.names
    )


@pytest.mark.parametrize(
    ("keyword", "field", "most"),
    [
        ("PatientID", "patient_id", 64),
        ("IssuerOfPatientID", "issuer", 64),
        ("AccessionNumber", "accession_number", 16),
        ("StudyInstanceUID", "study_uid", 64),
        ("SeriesInstanceUID", "series_uid", 64),
        ("SOPInstanceUID", "sop_uid", 64),
    ],
)
def test_an_identifier_longer_than_its_vr_counts_as_absent(keyword, field, most):
    for length in (most, most + 1, 60_000):
        ds = Dataset()
        ds.add_new(keyword, "UT", "1" * length)  # as a stranger may write it
        found = dicom_header.identity(ds)
        assert len(getattr(found, field)) == (length if length == most else 0)


def test_free_text_never_becomes_a_body_part():
    assert decode(encode(dataset(RAMP, BodyPartExamined="Doe, Jane")), LIMITS).acquisition.body_part == ""


def test_body_part_and_view_from_codes():
    region, view = Dataset(), Dataset()
    region.CodeValue, view.CodeValue = "816094009", "272479007"
    ds = dataset(RAMP, BodyPartExamined="")
    ds.AnatomicRegionSequence, ds.ViewCodeSequence = Sequence([region]), Sequence([view])
    acquisition = decode(encode(ds), LIMITS).acquisition
    assert (acquisition.body_part, acquisition.view) == ("CHEST", "PA")


@pytest.mark.parametrize(
    ("attributes", "secondary"),
    [
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7.2"}, True),
        ({"ConversionType": "WSD"}, True),
        ({"ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"]}, True),
        ({"ImageType": ["DERIVED", "SECONDARY", "MPR"]}, False),
        ({}, False),
    ],
)
def test_secondary_captures_are_told(attributes, secondary):
    assert decode(encode(dataset(RAMP, **attributes)), LIMITS).acquisition.secondary is secondary


def test_ultrasound_regions_are_inclusive_and_clipped():
    region = Dataset()
    region.RegionLocationMinX0, region.RegionLocationMinY0 = 2, 1
    region.RegionLocationMaxX1, region.RegionLocationMaxY1 = 9, 500
    ds = dataset(RAMP, Modality="US")
    ds.SequenceOfUltrasoundRegions = Sequence([region])
    assert decode(encode(ds), LIMITS).acquisition.regions == (Region(2, 1, 10, 10),)
    ds.Modality = "DX"  # that has no such module: a region in it would let all of a film's writing stay
    assert decode(encode(ds), LIMITS).acquisition.regions == ()


# --- limits and failures


def test_a_huge_image_is_refused_on_its_header():
    ds = dataset(np.zeros((4, 4), np.uint16), Rows=20000, Columns=20000)
    tracemalloc.start()
    assert reason(encode(ds)) == "too_large"
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20


def test_too_many_frames_or_bytes():
    ds = dataset(np.zeros((4, 4), np.uint16), NumberOfFrames=3000)
    assert reason(encode(ds)) == "too_large"
    volume = encode(dataset(np.zeros((10, 100, 100), np.uint16)))
    assert reason(volume, DecodeLimits(max_bytes=99_999)) == "too_large"
    assert isinstance(decode(volume, DecodeLimits(max_bytes=100_000)), Decoded)


def test_a_codestream_larger_than_its_header_says():
    data = (FILES / "MR_small_jp2klossless.dcm").read_bytes()
    at = data.index(b"\xff\x4f\xff\x51") + 8
    huge = data[:at] + struct.pack(">II", 20000, 20000) + data[at + 8 :]
    assert reason(huge) == "too_large"
    other = data[:at] + struct.pack(">II", 128, 64) + data[at + 8 :]
    assert reason(other) == "unreadable"


def test_a_deflate_bomb_is_refused():
    whole = (FILES / "image_dfl.dcm").read_bytes()
    start = 144 + int.from_bytes(whole[140:144], "little")
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    bomb = (
        packer.compress(b"\x08\x00\x05\x00UN\0\0" + struct.pack("<I", 64 << 20) + bytes(64 << 20))
        + packer.flush()
    )
    assert len(bomb) < 1 << 17
    assert reason(whole[:start] + bomb, DecodeLimits(max_bytes=1 << 20)) == "too_large"


def test_reasons_of_other_failures():
    assert reason(b"") == "unreadable"
    assert reason(b"\0" * 1000) == "unreadable"
    assert reason((FILES / "test-SR.dcm").read_bytes()) == "no_pixels"
    assert reason((FILES / "JPGExtended.dcm").read_bytes()) == "unsupported_syntax"
    assert reason((FILES / "MR_truncated.dcm").read_bytes()) == "unreadable"
    video = dataset(np.zeros((4, 4), np.uint8))
    data = encode(video).replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.4.102\0"[:20])
    assert reason(data) == "unsupported_syntax"


def test_a_failure_keeps_what_the_header_said_but_shows_none_of_it():
    with pytest.raises(Undecodable) as error:
        decode((FILES / "MR_truncated.dcm").read_bytes(), LIMITS)
    assert error.value.identity is not None
    assert error.value.identity.study_uid
    assert error.value.acquisition is not None
    assert error.value.acquisition.modality == "MR"
    assert str(error.value) == "unreadable"
    assert error.value.__suppress_context__


SEEDS = [
    (FILES / f"{name}.dcm").read_bytes()
    for name in ("MR_small", "MR_small_RLE", "MR_small_jp2klossless", "MR_small_jpeg_ls_lossless",
                 "SC_rgb_small_odd_jpeg", "examples_palette", "image_dfl", "rtdose_rle", "test-SR")
]  # fmt: skip
SMALL = DecodeLimits(max_pixels=1 << 20, max_frames=50, max_bytes=1 << 22)


def survives(data: bytes) -> None:
    try:
        for frame in decode(data, SMALL).frames:
            assert frame.dtype == np.uint8
    except Undecodable as error:
        assert error.reason in {"unreadable", "too_large", "unsupported_syntax", "no_pixels"}  # noqa: PT017


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(SEEDS), st.floats(0, 1))
def test_truncated_anywhere(seed, share):
    survives(seed[: int(len(seed) * share)])


@settings(max_examples=250, deadline=None)
@given(
    st.sampled_from(SEEDS), st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=12)
)
def test_flipped_bytes_in_the_header(seed, flips):
    """In the header: native decoders may abort on fuzzed codestreams; the pool of workers survives that."""
    data = bytearray(seed)
    pixels = seed.rfind(b"\xe0\x7f\x10\x00")  # a deflated object shows no such tag, nor a codestream
    head = min(len(data), 2048, pixels if pixels > 0 else len(data))
    for where, value in flips:
        data[min(head - 1, int(head * where))] = value
    survives(bytes(data))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=600))
def test_any_bytes_at_all(data):
    survives(data)
    survives(b"\0" * 128 + b"DICM" + data)
