"""Scanner mode from the bytes of an object: regions, overlays and every way in which colours are stored.

The same drawing comes in each encoding; in each the screen around the image and the name in it go, and
the rest is what the drawing shows.
"""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from pydicom import uid
from pydicom.sequence import Sequence

from edge.anonymize.gate import Held
from edge.anonymize.scanner.anonymizer import ScannerAnonymizer
from edge.imaging import dicom
from edge.imaging.decoded import DecodeLimits, Undecodable
from edge.imaging.frames import CleanFrame, RawFrame
from edge.settings import Anonymize
from tests.anonymize import ultrasound as us

GRAY, COLOUR = us.drawing(), us.coloured()
NAMED = us.FRAMES - 1
"""The frame with a name in its image."""


@pytest.fixture(scope="module")
def clean(detectors):
    """Decodes an object and cleans one of its frames."""
    scanner = ScannerAnonymizer(Anonymize(), detectors)

    def run(ds: pydicom.Dataset, number: int = NAMED) -> CleanFrame | Held:
        decoded = dicom.decode(us.encoded(ds), DecodeLimits())
        return scanner.clean(
            RawFrame(decoded.frames[number], "us", number, 0, 0, decoded.acquisition, decoded.identity)
        )

    return run


def around_text(rows: int = us.ROWS, columns: int = us.COLUMNS) -> np.ndarray:
    y, x = us.TEXT
    mask = np.zeros((rows, columns), bool)
    mask[y.start - us.MARGIN : y.stop + us.MARGIN, x.start - us.MARGIN : x.stop + us.MARGIN] = True
    return mask


def check(frame: CleanFrame | Held, truth: np.ndarray, tolerance: int = 0) -> None:
    assert isinstance(frame, CleanFrame)
    region = np.zeros((us.ROWS, us.COLUMNS), bool)
    region[us.REGION] = True
    assert not frame.pixels[~region].any()
    kept = region & ~around_text()
    difference = np.abs(frame.pixels[kept].astype(int) - truth[kept].astype(int))
    assert difference.max() <= tolerance
    assert len(np.unique(frame.pixels[us.TEXT].reshape(-1, *truth.shape[2:]), axis=0)) == 1
    # The control: there was something to lose, inside and outside.
    assert len(np.unique(truth[us.TEXT].reshape(-1, *truth.shape[2:]), axis=0)) > 10
    assert truth[~region].max() > 200


def windowed(ds: pydicom.Dataset) -> pydicom.Dataset:
    ds.WindowCenter, ds.WindowWidth, ds.VOILUTFunction = "127.5", "255", "LINEAR_EXACT"
    return ds


def ybr(rgb: np.ndarray) -> np.ndarray:
    r, g, b = (rgb[..., i].astype(float) for i in range(3))
    y = 0.299 * r + 0.587 * g + 0.114 * b
    planes = np.stack([y, 128 + (b - y) / 1.772, 128 + (r - y) / 1.402], axis=-1)
    return planes.round().clip(0, 255).astype("u1")


def plain(syntax: str | None = None) -> pydicom.Dataset:
    ds = us.dataset(COLOUR, "RGB", bits=8)
    if syntax == uid.JPEG2000Lossless:
        ds.PhotometricInterpretation = "YBR_RCT"
        ds.compress(syntax, encoding_plugin="pylibjpeg")
    elif syntax is not None:
        ds.compress(syntax)
    return ds


def in_planes() -> pydicom.Dataset:
    return us.dataset(COLOUR.transpose(0, 3, 1, 2).copy(), "RGB", bits=8)


def ybr_422() -> pydicom.Dataset:
    full = ybr(COLOUR)
    chroma = full[:, :, ::2, 1:]
    ds = us.dataset(full, "YBR_FULL_422", bits=8)
    ds.PixelData = np.concatenate(
        [full[:, :, ::2, :1], full[:, :, 1::2, :1], chroma], axis=-1
    ).tobytes()  # fmt: skip
    return ds


@pytest.mark.parametrize(
    ("ds", "tolerance"),
    [
        (plain(), 0),
        (in_planes(), 0),
        (plain(uid.RLELossless), 0),
        (plain(uid.JPEG2000Lossless), 0),
        (us.dataset(ybr(COLOUR), "YBR_FULL", bits=8), 3),
        # Two pixels share a chrominance; the drawing's colours change slowly.
        (ybr_422(), 6),
    ],
    ids=["rgb", "planes", "rle", "jpeg 2000", "ybr", "ybr 422"],
)
def test_colours(ds, tolerance, clean):
    check(clean(ds), COLOUR[NAMED], tolerance)


@pytest.mark.parametrize("syntax", [None, uid.RLELossless])
def test_a_palette(syntax, clean):
    ds = us.dataset(GRAY, "PALETTE COLOR", bits=8)
    ramp = np.arange(256) * 257
    for colour, scale in (("Red", 1.0), ("Green", 0.8), ("Blue", 0.6)):
        setattr(ds, f"{colour}PaletteColorLookupTableDescriptor", [256, 0, 16])
        setattr(ds, f"{colour}PaletteColorLookupTableData", (ramp * scale).astype("<u2").tobytes())
    if syntax is not None:
        ds.compress(syntax)
    shown = np.stack([((ramp * scale).astype("u2") >> 8)[GRAY[NAMED]] for scale in (1.0, 0.8, 0.6)], axis=-1)
    check(clean(ds), shown)


@pytest.mark.parametrize("photometric", ["ARGB", "HSV", "CMYK", "YBR_PARTIAL_422", "YBR_PARTIAL_420", ""])
def test_a_colour_space_that_nobody_can_show_is_not_guessed(photometric, clean):
    ds = us.dataset(COLOUR, "RGB", bits=8)
    ds.PhotometricInterpretation = photometric
    with pytest.raises(Undecodable, match="unreadable"):
        clean(ds)


def overlay(ds: pydicom.Dataset, *, bits: bool) -> pydicom.Dataset:
    """A name as an overlay (PS3.3 C.9.2): beside the image, or in its unused high bits, as of old."""
    name = np.zeros((us.ROWS, us.COLUMNS), np.uint8)
    name[60:70, 20:90:2] = 1
    ds.add_new(0x60000010, "US", us.ROWS)
    ds.add_new(0x60000011, "US", us.COLUMNS)
    ds.add_new(0x60000040, "CS", "G")
    ds.add_new(0x60000050, "SS", [1, 1])
    ds.add_new(0x60000100, "US", 16 if bits else 1)
    ds.add_new(0x60000102, "US", 12 if bits else 0)
    if bits:
        values = np.frombuffer(ds.PixelData, "<u2").reshape(us.FRAMES, us.ROWS, us.COLUMNS)
        ds.PixelData = (values | name.astype("u2") << 12).tobytes()
    else:
        ds.add_new(0x60003000, "OW", np.packbits(name, bitorder="little").tobytes())
    return ds


@pytest.mark.parametrize("bits", [False, True])
def test_overlays_are_never_drawn(bits, clean):
    def shown(ds: pydicom.Dataset) -> np.ndarray:
        ds.WindowCenter, ds.WindowWidth = "2048", "4096"
        frame = clean(ds, 0)
        assert isinstance(frame, CleanFrame)
        return frame.pixels

    without = us.dataset(GRAY.astype("u2") << 4, "MONOCHROME2", bits=12)
    planted = overlay(us.dataset(GRAY.astype("u2") << 4, "MONOCHROME2", bits=12), bits=bits)
    if bits:
        assert (np.frombuffer(planted.PixelData, "<u2") > 4095).any()  # the control
    else:
        assert planted.overlay_array(0x6000).any()  # the control
    assert np.array_equal(shown(planted), shown(without))


def regions(*corners: tuple[int, int, int, int]) -> Sequence:
    """Region Location Min X0, Min Y0, Max X1, Max Y1 (PS3.3 C.8.5.5.1.1): the last pixel is inside."""
    result = []
    for corner in corners:
        item = pydicom.Dataset()
        (
            item.RegionLocationMinX0, item.RegionLocationMinY0,
            item.RegionLocationMaxX1, item.RegionLocationMaxY1,
        ) = corner  # fmt: skip
        result.append(item)
    return Sequence(result)


def test_of_two_regions_both_stay_with_their_last_pixels_and_the_space_between_goes(clean):
    ds = windowed(us.dataset(GRAY, "MONOCHROME2", bits=8))
    ds.SequenceOfUltrasoundRegions = regions((8, 20, 49, 79), (70, 20, 111, 87))
    frame = clean(ds, 0)
    assert isinstance(frame, CleanFrame)
    kept = np.zeros((us.ROWS, us.COLUMNS), bool)
    kept[20:80, 8:50] = kept[20:88, 70:112] = True
    assert np.array_equal(frame.pixels[kept], GRAY[0][kept])
    assert not frame.pixels[~kept].any()


@pytest.mark.parametrize(
    "sequence",
    [
        None, regions(), regions((50, 50, 40, 60)), regions((8, us.ROWS + 2, 100, us.ROWS + 32)),
        Sequence([pydicom.Dataset()]),
    ],
)  # fmt: skip
def test_without_a_region_that_lies_in_the_image_an_ultrasound_is_held(sequence, clean):
    ds = us.dataset(GRAY, "MONOCHROME2", bits=8)
    ds.SequenceOfUltrasoundRegions = sequence
    held = clean(ds)
    assert isinstance(held, Held)
    assert held.reason == "unknown_layout"
