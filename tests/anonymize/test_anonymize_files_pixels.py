"""Pixels of copies, in every way that they are stored: judged by decoders that the product does not use.

What is kept is bit for bit what an independent decoder (dcmtk; for JPEG 2000 another plug-in of
pydicom) finds in the original; what is masked is constant; pydicom and dcmtk both open the copy.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess

import numpy as np
import pydicom
import pytest
from pydicom import uid
from pydicom.pixels import pixel_array

from edge.anonymize.files.one_file import FileAnonymizer, How
from edge.anonymize.headers.clean import Options
from edge.imaging import dicom
from edge.imaging.decoded import DecodeLimits
from edge.settings import Anonymize, Source
from tests.anonymize import ultrasound as us

if not shutil.which("dcmdump"):
    pytest.skip("needs dcmtk (apt install dcmtk)", allow_module_level=True)

SOURCE = Source.model_validate({"name": "file", "kind": "video", "looks_at": "scene", "whole_scene": True})


@pytest.fixture(scope="module")
def clean(detectors, tmp_path_factory):
    """Anonymizes the bytes of one file; gives the report and the copy."""
    folder = tmp_path_factory.mktemp("pixels")
    how = How(b"k" * 32, Anonymize(), Options(), SOURCE, 1 << 30)
    anonymizer = FileAnonymizer(how, detectors, lambda: None)

    def run(data: bytes):
        (folder / "in").write_bytes(data)
        report = anonymizer.run(folder / "in", 1, folder / "copy")
        return report, (folder / "copy").read_bytes() if report.output else None

    return run


def native(ds: pydicom.Dataset) -> np.ndarray:
    """Stored values of native little-endian Pixel Data, by nothing but its header's numbers: frames, rows,
    columns[, 3]; unused bits are cleared or sign-extended."""
    assert not ds.file_meta.TransferSyntaxUID.is_encapsulated
    signed, samples = ds.PixelRepresentation == 1, ds.SamplesPerPixel
    width = ds.BitsAllocated
    kind = ("i" if signed else "u") + str(width // 8)
    values = np.frombuffer(ds.PixelData, "<" + kind)
    frames = int(ds.get("NumberOfFrames", 1))
    if ds.PhotometricInterpretation == "YBR_FULL_422":
        four = values.reshape(frames, ds.Rows, ds.Columns // 2, 4)
        chroma = four[..., 2:]
        return np.stack(
            [np.concatenate([four[..., i : i + 1], chroma], axis=-1) for i in (0, 1)], axis=3
        ).reshape(frames, ds.Rows, ds.Columns, 3)
    count = frames * ds.Rows * ds.Columns * samples
    values = values[:count]
    if samples == 3 and ds.PlanarConfiguration == 1:
        values = values.reshape(frames, 3, ds.Rows, ds.Columns).transpose(0, 2, 3, 1)
    else:
        values = values.reshape(frames, ds.Rows, ds.Columns, *([3] if samples == 3 else []))
    low = ds.HighBit + 1 - ds.BitsStored
    return (values << (width - ds.BitsStored - low)) >> (width - ds.BitsStored)


def opened(data: bytes) -> pydicom.Dataset:
    return pydicom.dcmread(io.BytesIO(data))


def check(data: bytes, truth: np.ndarray, clean, tmp_path) -> pydicom.Dataset:
    """Anonymize and compare with ``truth``, the original's values by another decoder; gives the copy."""
    report, copy = clean(data)
    assert (report.outcome, report.reason) == ("written", None)
    assert report.frames == len(truth)
    ds = opened(copy)
    found = native(ds)
    assert found.shape == truth.shape
    assert found.dtype.kind == truth.dtype.kind
    text = np.zeros(truth.shape[1:3], bool)
    rows, columns = us.TEXT
    text[
        rows.start - us.MARGIN : rows.stop + us.MARGIN, columns.start - us.MARGIN : columns.stop + us.MARGIN
    ] = True
    region = np.zeros(truth.shape[1:3], bool)
    region[us.REGION] = True
    assert (found[:, region & ~text] == truth[:, region & ~text]).all()
    for frame in found:  # the name is in the last frame alone, and goes from all of them
        assert len(np.unique(frame[us.TEXT].reshape(-1, *frame.shape[2:]), axis=0)) == 1
        assert len(np.unique(frame[~region].reshape(-1, *frame.shape[2:]), axis=0)) == 1
    assert not (found[:, ~region] == truth[:, ~region]).all()
    assert not (found[:, text] == truth[:, text]).all()
    (tmp_path / "copy.dcm").write_bytes(copy)
    subprocess.run(["dcmdump", "-q", "+E", tmp_path / "copy.dcm"], check=True, capture_output=True)
    shown = subprocess.run(
        ["dcm2pnm", "--all-frames", tmp_path / "copy.dcm", tmp_path / "shown"],
        check=False,
        capture_output=True,
    )
    assert shown.returncode == 0, shown.stderr
    assert len(list(tmp_path.glob("shown.*.p?m"))) == len(truth)
    # Another reader sees the same values, and what shows as black outside the region is black.
    assert (pixel_array(ds, raw=True).reshape(found.shape) == found).all()
    return ds


GRAY = us.drawing()
COLOUR = us.coloured()


def gray(dtype: str, bits: int) -> np.ndarray:
    """The drawing in all the bits that there are, around zero if signed."""
    values = GRAY.astype(np.int64) << (bits - 8) | GRAY >> max(0, 16 - bits)
    if np.dtype(dtype).kind == "i":
        values -= 1 << (bits - 1)
    return values.astype(dtype)


@pytest.mark.parametrize(
    ("photometric", "dtype", "bits"),
    [
        ("MONOCHROME2", "u1", 8), ("MONOCHROME1", "u2", 12), ("MONOCHROME2", "u2", 16),
        ("MONOCHROME2", "i2", 12), ("MONOCHROME1", "i2", 16), ("MONOCHROME2", "u4", 32),
    ],
)  # fmt: skip
def test_gray_of_every_depth(photometric, dtype, bits, clean, tmp_path):
    ds = us.dataset(gray(dtype, bits), photometric, bits=bits)
    copy = check(us.encoded(ds), native(ds), clean, tmp_path)
    assert (copy.PhotometricInterpretation, copy.BitsStored) == (photometric, bits)


def test_values_that_stand_high_in_their_word_with_an_overlay_below(clean, tmp_path):
    values = gray("u2", 12) << 4 | 5  # two overlay planes in the low bits
    ds = us.dataset(values, "MONOCHROME2", bits=12)
    ds.HighBit = 15
    copy = check(us.encoded(ds), gray("u2", 12), clean, tmp_path)
    assert copy.HighBit == 11


@pytest.mark.parametrize("signed", [False, True])
def test_overlays_in_high_bits_and_in_60xx_go(signed, clean, tmp_path):
    values = gray("i2" if signed else "u2", 12)
    name = (us.drawing()[0] > 200).astype(values.dtype)
    planted = (values & 0xFFF) | (name << 12) | (name << 14)
    ds = us.dataset(planted, "MONOCHROME2", bits=12)
    ds.add_new(0x60000010, "US", us.ROWS)
    ds.add_new(0x60000100, "US", 16)
    ds.add_new(0x60000102, "US", 12)
    ds.add_new(0x60023000, "OW", b"QUIXANO ")
    assert (planted >> 12 & 1).any()  # the control
    copy = check(us.encoded(ds), values, clean, tmp_path)
    assert not [e for e in copy if e.tag.group & 0xFF00 == 0x6000]
    stored = np.frombuffer(copy.PixelData, "<i2" if signed else "<u2")
    assert stored.min() >= (-2048 if signed else 0)
    assert stored.max() <= (2047 if signed else 4095)


@pytest.mark.parametrize("planar", [0, 1])
def test_rgb(planar, clean, tmp_path):
    values = COLOUR.transpose(0, 3, 1, 2).copy() if planar else COLOUR
    ds = us.dataset(values, "RGB", bits=8)
    copy = check(us.encoded(ds), COLOUR, clean, tmp_path)
    assert copy.PhotometricInterpretation == "RGB"


def ybr() -> np.ndarray:
    r, g, b = (COLOUR[..., i].astype(float) for i in range(3))
    y = 0.299 * r + 0.587 * g + 0.114 * b
    return (
        np.stack([y, 128 + (b - y) / 1.772, 128 + (r - y) / 1.402], axis=-1).round().clip(0, 255).astype("u1")
    )


def test_ybr_full(clean, tmp_path):
    ds = us.dataset(ybr(), "YBR_FULL", bits=8)
    copy = check(us.encoded(ds), ybr(), clean, tmp_path)
    assert copy.PhotometricInterpretation == "YBR_FULL"


def test_ybr_full_422_native(clean, tmp_path):
    full = ybr()
    packed = np.stack(
        [full[:, :, ::2, 0], full[:, :, 1::2, 0], full[:, :, ::2, 1], full[:, :, ::2, 2]], axis=-1
    )
    ds = us.dataset(full, "YBR_FULL_422", bits=8)
    ds.PixelData = packed.tobytes()
    copy = check(us.encoded(ds), native(ds), clean, tmp_path)
    assert copy.PhotometricInterpretation == "YBR_FULL"


def test_explicit_big_endian(clean, tmp_path):
    ds = us.dataset(gray("u2", 16), "MONOCHROME2", bits=16, syntax=uid.ExplicitVRBigEndian)
    check(us.encoded(ds), gray("u2", 16), clean, tmp_path)


def with_palette(order: str = "<") -> tuple[pydicom.Dataset, np.ndarray]:
    """The drawing through a palette of 16-bit entries whose darkest one is not the first."""
    ds = us.dataset(
        GRAY, "PALETTE COLOR", bits=8,
        syntax=uid.ExplicitVRLittleEndian if order == "<" else uid.ExplicitVRBigEndian,
    )  # fmt: skip
    ramp = (np.arange(256) * 257).astype("u2")
    ramp[:10] = 40_000
    for colour, scale in (("Red", 1.0), ("Green", 0.8), ("Blue", 0.6)):
        setattr(ds, f"{colour}PaletteColorLookupTableDescriptor", [256, 0, 16])
        table = (ramp * scale).astype("u2")
        setattr(ds, f"{colour}PaletteColorLookupTableData", table.astype(order + "u2").tobytes())
        ds[f"{colour}PaletteColorLookupTableData"].VR = "OW"
    if order == ">":
        ds.PixelData = GRAY.reshape(-1, 2)[:, ::-1].tobytes()  # 8-bit values in big-endian words
    return ds, ramp


@pytest.mark.parametrize("order", ["<", ">"])
def test_palette(order, clean, tmp_path):
    ds, ramp = with_palette(order)
    copy = check(us.encoded(ds), GRAY, clean, tmp_path)
    assert copy.PhotometricInterpretation == "PALETTE COLOR"
    assert copy.RedPaletteColorLookupTableData == ramp.astype("<u2").tobytes()
    assert native(copy)[0, 0, 0] == 10  # what the palette shows darkest


@pytest.mark.parametrize("kind", ["", "Segmented"])
def test_a_palette_shows_the_same_in_either_byte_order(kind):
    shown = []
    for order in "<>":
        ds, ramp = with_palette(order)
        if kind:
            for colour in ("Red", "Green", "Blue"):
                name = f"{colour}PaletteColorLookupTableData"
                discrete = np.frombuffer(ds[name].value, order + "u2")
                segments = np.concatenate([[0, len(ramp)], discrete]).astype(order + "u2")
                setattr(ds, kind + name, segments.tobytes())
                ds[kind + name].VR = "OW"
                del ds[name]
        shown.append(np.stack(list(dicom.open_(us.encoded(ds), DecodeLimits()).frames)))
    assert np.array_equal(*shown)
    assert len(np.unique(shown[0])) > 50


def test_palette_in_rle(clean, tmp_path):
    data = us.dcmtk(us.encoded(with_palette()[0]), tmp_path, "dcmcrle")
    assert opened(data).file_meta.TransferSyntaxUID == uid.RLELossless
    check(data, native(opened(us.dcmtk(data, tmp_path, "dcmdrle"))), clean, tmp_path)


@pytest.mark.parametrize(
    ("values", "photometric", "bits"),
    [
        (GRAY, "MONOCHROME2", 8), (gray("u2", 16), "MONOCHROME1", 16), (gray("i2", 12), "MONOCHROME2", 12),
        (COLOUR, "RGB", 8),
    ],
)  # fmt: skip
def test_rle(values, photometric, bits, clean, tmp_path):
    data = us.dcmtk(us.encoded(us.dataset(values, photometric, bits=bits)), tmp_path, "dcmcrle")
    check(data, native(opened(us.dcmtk(data, tmp_path, "dcmdrle"))), clean, tmp_path)


@pytest.mark.parametrize(
    ("values", "photometric", "bits", "how"),
    [
        (gray("u2", 12), "MONOCHROME2", 12, ["+e1"]),
        (gray("u2", 16), "MONOCHROME2", 16, ["+el"]),
        (GRAY, "MONOCHROME1", 8, ["+eb"]),
        (COLOUR, "RGB", 8, ["+e1"]),
        (COLOUR, "RGB", 8, ["+eb", "+cr"]),
        (COLOUR, "RGB", 8, ["+eb", "+s4"]),
        (COLOUR, "RGB", 8, ["+eb", "+s2"]),
    ],
)
def test_jpeg(values, photometric, bits, how, clean, tmp_path):
    data = us.dcmtk(us.encoded(us.dataset(values, photometric, bits=bits)), tmp_path, "dcmcjpeg", *how)
    # No colour conversion: the values that the codestream holds.
    decoded = opened(us.dcmtk(data, tmp_path, "dcmdjpeg", "+cn", "+px"))
    copy = check(data, native(decoded), clean, tmp_path)
    assert copy.get("LossyImageCompression", "00") == ("01" if "+eb" in how else "00")


@pytest.mark.parametrize("how", [["+el"], ["+en"]])
@pytest.mark.parametrize(
    ("values", "photometric", "bits"),
    [
        (GRAY, "MONOCHROME2", 8), (gray("u2", 12), "MONOCHROME2", 12), (gray("u2", 16), "MONOCHROME2", 16),
        (COLOUR, "RGB", 8),
    ],
)  # fmt: skip
def test_jpeg_ls(values, photometric, bits, how, clean, tmp_path):
    data = us.dcmtk(us.encoded(us.dataset(values, photometric, bits=bits)), tmp_path, "dcmcjpls", *how)
    check(data, native(opened(us.dcmtk(data, tmp_path, "dcmdjpls"))), clean, tmp_path)


@pytest.mark.parametrize(
    ("values", "photometric", "bits"),
    [
        (GRAY, "MONOCHROME2", 8), (gray("u2", 12), "MONOCHROME1", 12), (gray("i2", 16), "MONOCHROME2", 16),
        (COLOUR, "YBR_RCT", 8), (COLOUR, "RGB", 8),
    ],
)  # fmt: skip
def test_jpeg_2000(values, photometric, bits, clean, tmp_path):
    ds = us.dataset(values, "RGB" if values.ndim == 4 else photometric, bits=bits)
    ds.PhotometricInterpretation = photometric
    ds.compress(uid.JPEG2000Lossless, encoding_plugin="pylibjpeg")
    data = us.encoded(ds)
    assert opened(data).PhotometricInterpretation == photometric
    check(data, pixel_array(opened(data), raw=True, decoding_plugin="gdcm"), clean, tmp_path)


def test_jpeg_2000_with_the_irreversible_colour_transform(clean, tmp_path):
    ds = us.dataset(COLOUR, "RGB", bits=8)
    ds.PhotometricInterpretation = "YBR_ICT"
    ds.compress(uid.JPEG2000, encoding_plugin="pylibjpeg", j2k_cr=[8])
    data = us.encoded(ds)
    copy = check(data, pixel_array(opened(data), raw=True, decoding_plugin="gdcm"), clean, tmp_path)
    assert copy.PhotometricInterpretation == "RGB"


def test_pixels_in_items_that_nobody_looked_at_go(clean, tmp_path):
    ds = us.dataset(GRAY, "MONOCHROME2", bits=8)
    item = pydicom.Dataset()
    item.Rows, item.Columns, item.BitsAllocated, item.SamplesPerPixel = 2, 4, 8, 1
    item.PixelData = b"QUIXANO "
    item["PixelData"].VR = "OB"
    inner = pydicom.Dataset()
    inner.PixelData, inner["PixelData"].VR = b"QUIXANO ", "OB"
    ds.SourceImageSequence = [item]
    ds.IconImageSequence = [item]
    data = us.encoded(ds)
    assert data.count(b"QUIXANO ") == 2  # the control
    check(data, GRAY, clean, tmp_path)
    assert b"QUIXANO" not in clean(data)[1]


def test_a_frame_that_only_the_codestreams_hold_is_not_passed_on(clean):
    ds = us.dataset(GRAY, "MONOCHROME2", bits=8)
    ds.NumberOfFrames = 2  # the name is in the third
    report, copy = clean(us.encoded(ds))
    assert (report.frames, len(opened(copy).PixelData)) == (2, 2 * us.ROWS * us.COLUMNS)


@pytest.mark.parametrize("cut", [2, us.ROWS * us.COLUMNS])
def test_fewer_frames_than_the_header_says_are_held(cut, clean):
    ds = us.dataset(GRAY, "MONOCHROME2", bits=8)
    ds.PixelData = ds.PixelData[:-cut]
    report, copy = clean(us.encoded(ds))
    assert (report.reason, copy) == ("unreadable", None)


def test_segments_of_one_bit_are_held(clean):
    ds = us.dataset(np.zeros((1, 192, 32), "u1"), "MONOCHROME2", bits=8)
    ds.BitsAllocated = ds.BitsStored = 1
    ds.HighBit, ds.NumberOfFrames = 0, 1
    report, copy = clean(us.encoded(ds))
    assert (report.outcome, copy) == ("held", None)


def test_where_the_time_of_access_can_be_left_alone_it_is(clean, tmp_path):
    path = tmp_path / "in.dcm"
    path.write_bytes(us.encoded(us.dataset(GRAY, "MONOCHROME2", bits=8)))
    os.utime(path, ns=(1, 1))
    from edge.anonymize.files import original

    with original.opened(path) as opened_:
        opened_.read(1 << 30)
    assert path.stat().st_atime_ns == 1


def test_a_cine_of_which_frames_are_looked_at_in_composites(clean, tmp_path):
    still = np.repeat(us.drawing()[:1], 12, axis=0)
    still[7] = us.drawing()[-1]
    ds = us.dataset(still, "MONOCHROME2", bits=8)
    check(us.encoded(ds), native(ds), clean, tmp_path)
