"""Scanner frames: what is kept, what goes, and what never leaves."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from edge.anonymize.detectors import load_detectors
from edge.anonymize.files import picture
from edge.anonymize.gate import Held
from edge.anonymize.geometry import Box
from edge.anonymize.models import DetectorUnavailable
from edge.anonymize.proof.canary import Unseeing
from edge.anonymize.scanner.anonymizer import ScannerAnonymizer, find_names
from edge.anonymize.scanner.regions import kept_regions
from edge.anonymize.text.evidence import Trust
from edge.imaging import dicom
from edge.imaging.decoded import DecodeLimits
from edge.imaging.frames import Acquisition, CleanFrame, Identity, RawFrame, Region
from edge.settings import Anonymize
from tests.anonymize.scenes import radiograph

CR = Acquisition(modality="CR", body_part="CHEST")


NOBODY = Identity("", "", "", "", "", "")


def raw(pixels, acquisition=CR, release=None, identity=NOBODY) -> RawFrame:
    return RawFrame(pixels, "scanner", 0, 0, 0, acquisition, identity, release)


@pytest.fixture
def scanner(detectors) -> ScannerAnonymizer:
    return ScannerAnonymizer(Anonymize(), detectors)


def test_burned_in_name_goes_and_the_image_stays(scanner, ocr):
    pixels = radiograph()
    assert "DOE" in ocr(pixels)  # the control: there was something to find
    frame = scanner.clean(raw(pixels))
    assert isinstance(frame, CleanFrame)
    assert "DOE" not in ocr(frame.pixels)
    assert "1961" not in ocr(frame.pixels)
    assert frame.receipt.texts >= 1
    assert frame.receipt.kept_share == 1.0
    assert 0 < frame.receipt.masked_share < 0.2
    assert np.array_equal(frame.pixels[120:], pixels[120:])


def test_a_frame_without_text_is_untouched_and_its_buffer_given_back(scanner):
    pixels = radiograph(None)
    given = []
    frame = scanner.clean(raw(pixels, release=lambda: given.append(True)))
    assert isinstance(frame, CleanFrame)
    assert np.array_equal(frame.pixels, pixels)
    assert given == [True]
    assert not np.shares_memory(frame.pixels, pixels)


def test_outside_the_ultrasound_regions_everything_is_filled(scanner):
    pixels = radiograph("DOE^JANE")
    frame = scanner.clean(raw(pixels, Acquisition(modality="US", regions=(Region(60, 100, 460, 380),))))
    assert isinstance(frame, CleanFrame)
    outside = np.ones(pixels.shape, bool)
    outside[100:380, 60:460] = False
    assert not frame.pixels[outside].any()
    assert frame.pixels[200, 260] == pixels[200, 260]


@pytest.mark.parametrize(
    "acquisition",
    [
        Acquisition(modality="US"),
        Acquisition(),
        Acquisition(modality="OT"),
        Acquisition(modality="CT", secondary=True),
        Acquisition(modality="US", regions=(Region(900, 900, 950, 950),)),
    ],
)
def test_an_unknown_layout_is_held(scanner, acquisition):
    held = scanner.clean(raw(radiograph(None), acquisition))
    assert isinstance(held, Held)
    assert held.reason == "unknown_layout"


def test_a_secondary_capture_is_held_even_with_regions():
    acquisition = Acquisition(secondary=True, regions=(Region(0, 0, 9, 9),))
    assert kept_regions(acquisition, 9, 9, Trust((), frozenset())) == "unknown_layout"


class Broken:
    def __init__(self, real, after, error=DetectorUnavailable):
        self.name, self.sha256 = real.name, real.sha256
        self.real, self.left, self.error = real, after, error

    def find(self, image, within=None):
        self.left -= 1
        if self.left < 0:
            raise self.error("broken for the test")
        return self.real.find(image, within)

    def glance(self, image, side):
        return self.real.glance(image, side)


@pytest.mark.parametrize("finder", ["text", "any_script"])
@pytest.mark.parametrize("error", [DetectorUnavailable, IndexError])
def test_a_detector_that_breaks_in_service_holds_the_frame(detectors, error, finder):
    broken = Broken(getattr(detectors, finder), 1, error)
    scanner = ScannerAnonymizer(Anonymize(), replace(detectors, **{finder: broken}))
    assert scanner.clean(raw(radiograph())).reason == "detector_failed"


def test_a_swapped_model_file_lets_nothing_out(tmp_path, detectors):
    path = tmp_path / "text.onnx"
    path.write_bytes(b"not the model")
    scanner = ScannerAnonymizer(Anonymize(), load_detectors(Anonymize(text_model=path)))
    assert scanner.clean(raw(radiograph())).reason == "detector_failed"


@pytest.mark.parametrize("finder", ["text", "any_script"])
def test_a_text_detector_that_goes_blind_fails_the_self_test(detectors, finder):
    class Blind:
        name, sha256 = "pp-ocrv4-det", b"t" * 32

        def find(self, *_):
            return []

        glance = find

    scanner = ScannerAnonymizer(Anonymize(), replace(detectors, **{finder: Blind()}))
    assert scanner.clean(raw(radiograph())).reason == "self_test_failed"


def test_text_that_does_not_go_holds_the_frame(detectors):
    class Sees(Broken):
        def find(self, image, within=None):
            return [*self.real.find(image, within), *super().find(image, within)[:0], BOX]

    BOX = Box(5, 5, 60, 20, elongation=4.0)  # noqa: N806
    scanner = ScannerAnonymizer(Anonymize(), replace(detectors, text=Sees(detectors.text, 99)))
    assert scanner.clean(raw(radiograph())).reason == "text_left"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("presidio_0_ORIGINAL_compressed.dcm", ["DAVIDSON", "DOB"]),
        ("deiddata_GREYSCALE_IMAGE.dcm", ["TEST", "PATIENT", "00079241539", "CCHS", "1951"]),
    ],
)
def test_real_burned_in_names_cannot_be_read_any_more(edge_data, scanner, ocr, name, words):
    data = (edge_data / "dicom" / "files" / name).read_bytes()
    decoded = dicom.decode(data, dicom.DecodeLimits())
    seen = ocr(np.array(decoded.frames[0]))
    assert all(word in seen for word in words)  # the control
    frame = scanner.clean(raw(decoded.frames[0], decoded.acquisition))
    assert isinstance(frame, CleanFrame)
    seen = ocr(frame.pixels)
    assert not [word for word in words if word in seen]


def test_spaced_letters_of_a_name_go(scanner, ocr):
    pixels = radiograph("D O E  J A N E")
    frame = scanner.clean(raw(pixels))
    assert isinstance(frame, CleanFrame)
    assert (frame.pixels[15:45, 20:200] > 220).sum() < 0.03 * (pixels[15:45, 20:200] > 220).sum()


@pytest.mark.parametrize("place", [(0, 12), (300, 396)])
def test_text_at_the_very_edge_goes(scanner, place):
    pixels = radiograph(None)
    cv2.putText(pixels, "DOE^JANE 1961", place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, 255, 1, cv2.LINE_AA)
    frame = scanner.clean(raw(pixels))
    assert isinstance(frame, CleanFrame)
    assert (frame.pixels > 230).sum() < 0.03 * (pixels > 230).sum()


def photograph(face):
    scene = np.full((360, 640, 3), 150, np.uint8)
    scene[150:310, 400:560] = np.rot90(face)
    return scene


def test_a_picture_without_a_header_loses_its_faces_and_the_receipt_says_so(scanner, face):
    frame = scanner.clean(raw(photograph(face), identity=None))
    assert isinstance(frame, CleanFrame)
    # The face lies on its side: eyes and mouth of the upright picture, turned.
    assert not frame.pixels[150 + 58 : 150 + 102, 400 + 52 : 400 + 112].any()
    assert frame.receipt.faces >= 1
    assert frame.receipt.masked_share > 0.02
    texts = {"pp-ocrv4-det", "edge-text-1"}
    assert {look.name for look in frame.receipt.detectors} == {"edge-faces-1", "centerface"} | texts
    # The control: the same pixels out of a DICOM object of a scanner are not looked at for faces.
    frame = scanner.clean(raw(photograph(face)))
    assert isinstance(frame, CleanFrame)
    assert frame.pixels[150 + 58 : 150 + 102, 400 + 52 : 400 + 112].any()
    assert {look.name for look in frame.receipt.detectors} == texts


def test_a_name_that_a_face_covers_in_part_goes_as_a_whole(detectors):
    class Faces:
        name, sha256 = detectors.faces.name, detectors.faces.sha256

        def find(self, image, width):
            over = Box(188 - 142 / scale, 10, 188 + 142 / scale, 60)  # all of the name but its first letters
            return [over] if image.shape == pixels.shape else detectors.faces.find(image, width)

    scale = Anonymize().mask_scale
    pixels = np.repeat(radiograph()[:, :, None], 3, axis=2)
    seeing = replace(detectors, faces=Faces())
    first = np.s_[20:45, 18:46]
    assert (pixels[first] > 200).any()  # the control
    frame = ScannerAnonymizer(Anonymize(), seeing).clean(raw(pixels, identity=None))
    assert isinstance(frame, CleanFrame)
    assert not (frame.pixels[first] > 200).any()
    file = picture.clean(cv2.imencode(".png", pixels)[1].tobytes(), DecodeLimits(), seeing, scale)
    assert not (file.pixels[first] > 200).any()


@pytest.mark.parametrize("error", [DetectorUnavailable, IndexError])
def test_a_picture_is_held_when_the_face_detector_fails(detectors, face, error):
    class Faces:
        name, sha256, looks = detectors.faces.name, detectors.faces.sha256, 0

        def find(self, image, width):
            self.looks += 1
            if self.looks > 1:  # the first look is the self-test's
                raise error("broken for the test")
            return detectors.faces.find(image, width)

    scanner = ScannerAnonymizer(Anonymize(), replace(detectors, faces=Faces()))
    assert scanner.clean(raw(photograph(face), identity=None)).reason == "detector_failed"
    assert isinstance(scanner.clean(raw(radiograph(None))), CleanFrame)


@pytest.mark.parametrize("negative", [True, False])
def test_what_our_own_detector_finds_in_the_negative_alone_is_found(detectors, negative):
    """Faint letters are likely enough in one of the two at times; the double finds in the negative alone."""
    page = radiograph()

    class Dark:
        sha256, name = bytes(32), "dark"

        def find(self, image, within=None):
            return detectors.any_script.find(page) if np.array_equal(image, ~page) else []

        def find_beside(self, image, lines):
            return []

    text = Unseeing(detectors.text)
    found = find_names(page, replace(detectors, text=text, any_script=Dark()), negative=negative)
    assert bool(found) == negative
