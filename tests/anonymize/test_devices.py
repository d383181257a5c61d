"""The catalogue of devices: it covers more, and never less."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edge.anonymize.files.one_file import FileAnonymizer, How
from edge.anonymize.headers.options import Options
from edge.anonymize.scanner import devices
from edge.anonymize.scanner.anonymizer import ScannerAnonymizer
from edge.imaging import dicom
from edge.imaging.decoded import DecodeLimits
from edge.imaging.frames import Acquisition, CleanFrame, Identity, RawFrame, Region
from edge.settings import Anonymize, Source
from tests.anonymize import ultrasound as us
from tests.anonymize.scenes import radiograph

SEQUOIA = Acquisition(modality="US", manufacturer="Acuson Corp", model_name="Sequoia 512")
WHOLE = (Region(0, 0, 640, 480),)
NOBODY = Identity("", "", "", "", "", "")


def test_every_row_has_a_rectangle_a_device_and_a_source():
    rows = devices.catalogue()
    assert len(rows) >= 90
    for row in rows:
        assert row.manufacturer or row.model or row.image_type
        assert row.box.width > 0
        assert row.box.height > 0
        assert "@" in row.source


def test_a_device_is_known_by_parts_of_its_name_and_the_size_of_its_images():
    mask = devices.annotation(SEQUOIA, 480, 640)
    assert mask[:30].all()
    assert not mask[30:].any()
    for other in (
        replace(SEQUOIA, manufacturer="Other"),
        replace(SEQUOIA, model_name="S"),
        replace(SEQUOIA, modality="MR"),
    ):
        assert not devices.annotation(other, 480, 640).any()
    assert not devices.annotation(SEQUOIA, 480, 641).any()


def test_a_row_may_name_a_software_version_and_an_image_type():
    row = replace(devices.catalogue()[0], manufacturer="X", model="", software="VE11", image_type="DOSE")
    row = replace(row, modality="", rows=None, columns=None)
    given = Acquisition(manufacturer="x", software="syngo ve11c", image_type="DERIVED\\SECONDARY\\DOSE_INFO")
    assert row.fits(given, 1, 1)
    assert not row.fits(replace(given, software="VE10"), 1, 1)
    assert not row.fits(replace(given, image_type="ORIGINAL"), 1, 1)


@pytest.fixture(scope="module")
def scanner(detectors):
    return ScannerAnonymizer(Anonymize(), detectors)


def cleaned(scanner, pixels, acquisition):
    frame = scanner.clean(RawFrame(pixels, "us", 0, 0, 0, acquisition, NOBODY))
    assert isinstance(frame, CleanFrame)
    return frame


def test_in_scanner_mode_a_match_covers_more_and_never_less(scanner):
    pixels = radiograph(
        "DOE^JANE 1961", (480, 640)
    )  # at 40 rows from the top: cut in two by the catalogue's 30
    known = cleaned(scanner, pixels, replace(SEQUOIA, regions=WHOLE))
    unknown = cleaned(scanner, pixels, Acquisition(modality="US", regions=WHOLE))
    assert not known.pixels[:30].any()
    assert unknown.pixels[:10].any()  # the control
    assert (unknown.pixels != pixels).any()
    touched = unknown.pixels != pixels
    assert (known.pixels != pixels)[touched & (pixels > 0)].all()
    assert known.receipt.masked_share > unknown.receipt.masked_share
    assert known.receipt.texts == unknown.receipt.texts  # the detector looked all the same


def test_in_file_mode_a_match_covers_more(detectors, tmp_path):
    how = How(b"k" * 32, Anonymize(), Options(), Source.model_validate(
        {"name": "file", "kind": "video", "looks_at": "scene", "whole_scene": True}), 1 << 30)  # fmt: skip
    anonymizer = FileAnonymizer(how, detectors, lambda: None)

    def copy(manufacturer):
        ds = us.dataset(
            np.full((1, us.ROWS, us.COLUMNS), 90, "u1") + us.drawing()[:1] // 16, "MONOCHROME2", bits=8
        )
        ds.Manufacturer = manufacturer
        del ds.SequenceOfUltrasoundRegions
        ds.Modality, ds.SOPClassUID = "NM", "1.2.840.10008.5.1.4.1.1.20"
        ds.ImageType = ["ORIGINAL", "PRIMARY", "STATIC", "EMISSION"]
        (tmp_path / "in.dcm").write_bytes(us.encoded(ds))
        report = anonymizer.run(tmp_path / "in.dcm", 1, tmp_path / "copy")
        assert report.reason is None
        return dicom.decode((tmp_path / "copy").read_bytes(), DecodeLimits()), report

    row = replace(
        devices.catalogue()[0], manufacturer="QX", model="", modality="NM", image_type="", rows=None,
        columns=None, box=devices.Box(0, 0, 50, 20),
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(devices, "catalogue", lambda: (row,))
        known, covered = copy("QX medical")
        other, open_ = copy("other")
    area = known.frames[0][:20, :50]
    assert len(np.unique(area)) == 1
    assert covered.masked_share > open_.masked_share
    assert len(np.unique(other.frames[0][:20, :50])) > 1  # the control


def test_the_header_gives_what_the_catalogue_asks_for_and_no_free_text():
    ds = us.dataset(us.drawing(), "MONOCHROME2", bits=8)
    ds.SoftwareVersions, ds.ImageType = ["VE11C", "other"], ["ORIGINAL", "PRIMARY", "Mr. Doe, 1961"]
    found = dicom.decode(us.encoded(ds), DecodeLimits()).acquisition
    assert (found.software, found.image_type) == ("VE11C", "ORIGINAL\\PRIMARY\\")
