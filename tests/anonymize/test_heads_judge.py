"""Which objects could show a face once their series is stacked: decided by header and pixels, not by hope."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from edge.anonymize.heads import outline
from edge.anonymize.heads.body_part import place
from edge.anonymize.heads.judge import judge, trunk
from tests.imaging import make_dicom

AXIAL, SAGITTAL, CORONAL = [1, 0, 0, 0, 1, 0], [0, 1, 0, 0, 0, -1], [1, 0, 0, 0, 0, -1]
OBLIQUE = [1, 0, 0, 0, 0.6, -0.8]


def ct(**attributes) -> Dataset:
    """A CT slice of 500 mm by 500 mm, its part not named."""
    given_ = {
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.2", "Modality": "CT", "BodyPartExamined": "",
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"], "PixelSpacing": [2, 2], "SliceThickness": 3,
        "ImageOrientationPatient": AXIAL, "ImagePositionPatient": [0, 0, 0],
    }  # fmt: skip
    return make_dicom.dataset(np.zeros((250, 250), "i2"), **{**given_, **attributes})


def item(**attributes) -> list[Dataset]:
    ds = Dataset()
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    return [ds]


@pytest.mark.parametrize(
    "attributes",
    [
        {"BodyPartExamined": "HEAD"},
        {"BodyPartExamined": "HEAD_NECK"},
        {"BodyPartExamined": "CSPINE"},
        {"BodyPartExamined": "BRAIN", "Modality": "MR"},
        {"BodyPartExamined": "BRAIN", "Modality": "PT"},
        {"BodyPartExamined": "BRAIN", "Modality": "NM", "ImageType": ["DERIVED", "PRIMARY", "RECON TOMO"]},
        {"BodyPartExamined": "HEAD", "ImageOrientationPatient": SAGITTAL},
        {"BodyPartExamined": "HEAD", "ImageOrientationPatient": CORONAL, "SliceThickness": 30},
        {"BodyPartExamined": "HEAD", "ImageOrientationPatient": OBLIQUE},
        {"BodyPartExamined": "HEAD", "ImageOrientationPatient": None, "ImagePositionPatient": None},
        {"BodyPartExamined": "HEAD", "SliceThickness": None},
        {"BodyPartExamined": "HEAD", "SliceThickness": 40, "SpacingBetweenSlices": 5},
        # A label of another part does not outweigh a word that names a head.
        {"BodyPartExamined": "KNEE", "ProtocolName": "Routine Head"},
        {"BodyPartExamined": "CHEST", "SeriesDescription": "NEURO 1.0 H31s"},
        {"BodyPartExamined": "", "StudyDescription": "CT Schädel nativ"},
        {"AnatomicRegionSequence": item(CodeValue="69536005", CodeMeaning="Head")},
        {"AnatomicRegionSequence": item(CodeValue="X1", CodeMeaning="Entire face")},
        # Not what Modality says but what the class says, and the other way round.
        {"BodyPartExamined": "HEAD", "Modality": "CR"},
        {"BodyPartExamined": "HEAD", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.1"},
        # Cone-beam CT of a jaw, by the class of X-Ray 3D Craniofacial.
        {"BodyPartExamined": "JAW", "Modality": "DX", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.13.1.2"},
        # What the object says of itself is not believed.
        {"BodyPartExamined": "HEAD", "RecognizableVisualFeatures": "NO"},
    ],
)
def test_slices_of_a_head_are_held(attributes):
    assert judge(ct(**attributes), 1).reason == "recognizable_head"


@pytest.mark.parametrize(
    "attributes",
    [
        {"ImageOrientationPatient": SAGITTAL},
        {"ImageOrientationPatient": CORONAL, "BodyPartExamined": "CHEST"},
        {"ImageOrientationPatient": None},
        {"ImageOrientationPatient": [0, 0, 0, 0, 0, 0]},
        {"PixelSpacing": None},
        {"BodyPartExamined": "WHOLEBODY", "ImageOrientationPatient": CORONAL},
        # One of two parts is not known.
        {"BodyPartExamined": "KNEE", "AnatomicRegionSequence": item(CodeValue="0"), "PixelSpacing": None},
        # In place of a modality, a position in the patient tells that there are slices.
        {"Modality": "XA", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.12.1", "PixelSpacing": None},
    ],
)
def test_where_nothing_can_be_judged_nothing_is_let_through(attributes):
    assert judge(ct(**attributes), 1).reason == "head_not_excluded"


@pytest.mark.parametrize("part", ["", "CHEST", "ABDOMEN", "NOSUCHPART", "CHEST_ABD_PELV"])
def test_an_axial_slice_of_a_trunk_or_of_nothing_named_is_left_to_its_pixels(part):
    found = judge(ct(BodyPartExamined=part), 1)
    assert (found.reason, found.undecided) == (None, True)


@pytest.mark.parametrize(
    ("attributes", "faceless"),
    [
        ({"BodyPartExamined": "KNEE"}, True),
        ({"BodyPartExamined": "LSPINE", "ImageOrientationPatient": SAGITTAL}, True),
        ({"AnatomicRegionSequence": item(CodeValue="T-D9200")}, True),
        ({"BodyPartExamined": "SPINE", "SliceThickness": 20}, True),
        # Slices so far apart, and projections, give no surface; but of a head nothing is claimed.
        ({"BodyPartExamined": "HEAD", "SliceThickness": 20}, False),
        ({"BodyPartExamined": "HEAD", "ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"],
          "ImageOrientationPatient": CORONAL}, False),
        ({"BodyPartExamined": "HEAD", "Modality": "NM", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.20",
          "ImageType": ["ORIGINAL", "PRIMARY", "STATIC"]}, False),
    ],
)  # fmt: skip
def test_what_shows_no_face_may_leave(attributes, faceless):
    found = judge(ct(**attributes), 1)
    assert (found.reason, found.undecided, found.faceless) == (None, False, faceless)


@pytest.mark.parametrize("kind", ["LOCALIZER", "AXIAL"])
def test_an_axial_slice_that_calls_itself_a_localizer_is_a_slice(kind):
    image_type = ["ORIGINAL", "PRIMARY", kind]
    assert judge(ct(BodyPartExamined="HEAD", ImageType=image_type), 1).reason == "recognizable_head"


def test_a_radiograph_of_a_skull_leaves_and_claims_nothing():
    ds = make_dicom.dataset(
        np.zeros((9, 9), "u1"), SOPClassUID="1.2.840.10008.5.1.4.1.1.1.1", Modality="DX",
        BodyPartExamined="SKULL",
    )  # fmt: skip
    found = judge(ds, 1)
    assert (found.reason, found.undecided, found.faceless) == (None, False, False)


def enhanced(frames=3, orientation=AXIAL, anatomy="", **shared) -> Dataset:
    """Enhanced CT: geometry and anatomy in functional groups alone (PS3.3 C.7.6.16)."""
    ds = ct(NumberOfFrames=frames, SOPClassUID="1.2.840.10008.5.1.4.1.1.2.1")
    for keyword in ("PixelSpacing", "SliceThickness", "ImageOrientationPatient", "ImagePositionPatient"):
        delattr(ds, keyword)
    group = Dataset()
    group.PixelMeasuresSequence = item(**{"PixelSpacing": [2, 2], "SliceThickness": 1, **shared})
    group.PlaneOrientationSequence = item(ImageOrientationPatient=orientation)
    if anatomy:
        group.FrameAnatomySequence = item(AnatomicRegionSequence=item(CodeValue=anatomy))
    ds.SharedFunctionalGroupsSequence = [group]
    ds.PerFrameFunctionalGroupsSequence = [
        item(PlanePositionSequence=item(ImagePositionPatient=[0, 0, k]))[0] for k in range(frames)
    ]
    return ds


@pytest.mark.parametrize(
    ("ds", "reason", "undecided"),
    [
        (enhanced(anatomy="T-D1100"), "recognizable_head", False),
        (enhanced(anatomy="T-D9200"), None, False),
        (enhanced(), None, True),
        (enhanced(orientation=SAGITTAL), "head_not_excluded", False),
        (enhanced(orientation=None), "head_not_excluded", False),
        (enhanced(PixelSpacing=None), "head_not_excluded", False),
        (enhanced(anatomy="T-D1100", SliceThickness=25), None, False),
    ],
)
def test_enhanced_objects_are_judged_by_their_functional_groups(ds, reason, undecided):
    found = judge(ds, 3)
    assert (found.reason, found.undecided) == (reason, undecided)


def test_one_frame_of_a_head_or_out_of_plane_decides_for_all():
    ds = enhanced(anatomy="T-D9200")
    ds.PerFrameFunctionalGroupsSequence[2].FrameAnatomySequence = item(
        AnatomicRegionSequence=item(CodeValue="T-D1100")
    )
    assert judge(ds, 3).reason == "recognizable_head"
    ds = enhanced()
    ds.PerFrameFunctionalGroupsSequence[2].PlaneOrientationSequence = item(ImageOrientationPatient=SAGITTAL)
    assert judge(ds, 3).reason == "head_not_excluded"


def drawn(*shapes, background=-1000, value=40, size=250) -> np.ndarray:
    """Ellipses (centre, half axes; mm) in a slice of pixels of 2 mm."""
    image = np.full((size, size), background, np.int16)
    for centre, axes in shapes:
        cv2.ellipse(image, [v // 2 for v in centre], [v // 2 for v in axes], 0, 0, 360, value, cv2.FILLED)
    return image


TRUNK = drawn(((250, 250), (180, 120)))
LUNGS = TRUNK.copy()
LUNGS[drawn(((160, 250), (55, 80)), ((340, 250), (55, 80))) == 40] = -850
HEAD = drawn(((250, 250), (80, 105)))
CUT = drawn(((250, 250), (230, 400)))
ARMS = drawn(((250, 250), (80, 105)), ((125, 250), (45, 45)), ((375, 250), (45, 45)))


def on_a_table(image):
    image = image.copy()
    cv2.ellipse(image, (125, 125), (110, 80), 0, 10, 170, 100, 3)
    return image


def in_a_ring(image):
    image = image.copy()
    cv2.circle(image, (125, 125), 118, 200, 3)
    return image


@pytest.mark.parametrize("image", [TRUNK, LUNGS, on_a_table(TRUNK), on_a_table(LUNGS), CUT])
def test_a_trunk_is_larger_than_a_head(image):
    assert trunk(ct(), [image])


@pytest.mark.parametrize(
    "image",
    [
        HEAD, ARMS, on_a_table(HEAD), in_a_ring(HEAD), on_a_table(ARMS),
        drawn(), drawn(background=40),
    ],
)  # fmt: skip
def test_a_head_whatever_is_beside_it_is_no_trunk(image):
    assert not trunk(ct(), [image])


def test_every_frame_must_show_a_trunk():
    assert trunk(ct(), [TRUNK, LUNGS])
    assert not trunk(ct(), [TRUNK, HEAD])


def test_in_mr_the_noise_of_the_air_makes_no_head_larger():
    noise = np.random.default_rng(1).rayleigh(20, HEAD.shape)
    ds = ct(Modality="MR", SOPClassUID="1.2.840.10008.5.1.4.1.1.4")
    assert not trunk(ds, [((HEAD > 0) * 300 + noise).astype("i2")])
    assert not trunk(ds, [noise.astype("i2")])
    assert trunk(ds, [((TRUNK > 0) * 300 + noise).astype("i2")])


@given(st.integers(60, 90), st.integers(80, 115), st.integers(-20, 60), st.integers(150, 350))
def test_no_head_of_any_size_and_place_counts_as_trunk(across, deep, value, middle):
    image = drawn(((middle, 250), (across, deep)), value=value)
    assert outline.area(image, (2.0, 2.0), hounsfield=True) < outline.TRUNK


@given(st.text(max_size=20))
def test_no_text_in_a_header_makes_a_knee_of_a_head(text):
    ds = Dataset()
    ds.BodyPartExamined, ds.SeriesDescription = "HEAD", text
    assert place(ds) == "head"


def test_words_that_only_begin_like_a_head_do_not_count():
    ds = Dataset()
    ds.BodyPartExamined = "LSPINE"
    for text in ("facet joints", "early phase", "surface coil", "overhead"):
        ds.SeriesDescription = text
        assert place(ds) == "elsewhere"
