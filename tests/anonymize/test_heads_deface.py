"""Faces of heads in CT: found in a rendering before, not after; what is kept is as it was."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from edge.anonymize.files.one_file import FileAnonymizer, How
from edge.anonymize.geometry import Box
from edge.anonymize.headers.options import Options
from edge.anonymize.heads import render
from edge.anonymize.heads.grid import Slice, assemble
from edge.settings import Anonymize, Source
from tests.anonymize import head
from tests.imaging import make_dicom

SOURCE = Source.model_validate({"name": "file", "kind": "video", "looks_at": "scene", "whole_scene": True})


@pytest.fixture(scope="module")
def run(detectors, tmp_path_factory):
    """Anonymizes the data sets of one series in a folder; gives the reports and the copies."""

    made = {}

    def anonymize(series, *options):
        folder = tmp_path_factory.mktemp("series")
        for number, ds in enumerate(series):
            (folder / f"{number:03}.dcm").write_bytes(make_dicom.encode(ds))
        if options not in made:
            how = How(b"k" * 32, Anonymize(), Options.from_names(options), SOURCE, 1 << 30)
            made[options] = FileAnonymizer(how, detectors, lambda: None)
        anonymizer = made[options]
        reports, copies = [], []
        for path in sorted(folder.iterdir()):
            copy = folder.parent / f"{folder.name}-copy"
            reports.append(anonymizer.run(path, 1, copy))
            copies.append(pydicom.dcmread(copy) if reports[-1].output else None)
        return reports, copies

    return anonymize


OPTION = "clean-recognizable-visual-features"


def volume(series):
    """The series as a volume, read by the numbers of its headers alone."""
    slices = []
    for ds in series:
        values = np.frombuffer(ds.PixelData, "<u2").reshape(ds.Rows, ds.Columns).astype("f4") - 1024
        cosines = np.array(ds.ImageOrientationPatient, float)
        across, down = cosines[:3] * ds.PixelSpacing[1], cosines[3:] * ds.PixelSpacing[0]
        slices.append(Slice(np.array(ds.ImagePositionPatient, float), across, down, values).shrunk())
    return assemble(slices)


def faces_seen(detectors, series):
    views = islice(render.views(volume(series)), 0, 6, 2)  # upright, from in front and both sides
    return [len(detectors.second.find(view, 320)) for view in views]


@pytest.mark.parametrize(
    ("orientation", "step"),
    [("axial", (2.0, 2.0, 3.0)), ("sagittal", (4.0, 3.0, 3.0)), ("coronal", (3.0, 4.0, 3.0))],
)
def test_a_face_is_cut_off_and_the_brain_and_all_that_is_kept_stay_as_they_were(
    run, detectors, orientation, step
):
    series, _, brain = head.series(step, orientation=orientation)
    looked_at = orientation == "axial"
    if looked_at:
        assert faces_seen(detectors, series)[0]  # the control
    reports, copies = run(series, OPTION)
    assert {(r.outcome, r.reason, r.defaced) for r in reports} == {("written", None, True)}
    if looked_at:
        assert not any(faces_seen(detectors, copies))
    before, after = (
        np.stack([np.frombuffer(ds.PixelData, "<u2").reshape(ds.Rows, ds.Columns) for ds in which])
        for which in (series, copies)
    )
    inside = head.cut_up(brain, step, orientation)[0]
    changed = before != after
    assert not changed[inside].any()
    assert (after[changed] == 24).all()  # air, -1000
    body = before > 1024 - 300
    assert 0.1 < changed[body].mean() < 0.6
    for ds in copies:
        assert ds.RecognizableVisualFeatures == "NO"
        assert "113102" in {item.CodeValue for item in ds.DeidentificationMethodCodeSequence}


def enhanced(series) -> Dataset:
    """The series as one object of Enhanced CT, its geometry in functional groups alone."""
    first, last = series[0], series[-1]
    ds = make_dicom.dataset(np.stack([np.frombuffer(one.PixelData, "<u2") for one in series])
                            .reshape(len(series), first.Rows, first.Columns))  # fmt: skip
    ds.SOPClassUID, ds.Modality, ds.BodyPartExamined = "1.2.840.10008.5.1.4.1.1.2.1", "CT", "HEAD"
    ds.BitsStored, ds.HighBit, ds.WindowCenter, ds.WindowWidth = 12, 11, "0", "40000"
    shared, measures, orientation, rescale = Dataset(), Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = last.PixelSpacing, last.SliceThickness
    orientation.ImageOrientationPatient = last.ImageOrientationPatient
    rescale.RescaleSlope, rescale.RescaleIntercept = "1", "-1024"
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [orientation]
    shared.PixelValueTransformationSequence = [rescale]
    ds.SharedFunctionalGroupsSequence, groups = [shared], []
    for one in series:
        group, position = Dataset(), Dataset()
        position.ImagePositionPatient = one.ImagePositionPatient
        group.PlanePositionSequence = [position]
        groups.append(group)
    ds.PerFrameFunctionalGroupsSequence = groups
    return ds


def test_an_enhanced_object_is_its_own_series(run):
    step = (4.0, 4.0, 4.0)
    series, _, brain = head.series(step)
    ds = enhanced(series)
    reports, (copy,) = run([ds], OPTION)
    assert (reports[0].reason, reports[0].frames, reports[0].defaced) == (None, len(series), True)
    before, after = (np.frombuffer(one.PixelData, "<u2").reshape(brain.shape) for one in (ds, copy))
    changed = before != after
    assert 0.1 < changed[before > 700].mean() < 0.6
    assert not changed[brain].any()
    del ds.PerFrameFunctionalGroupsSequence[7].PlanePositionSequence
    assert run([ds], OPTION)[0][0].reason == "head_not_defaced"
    assert run([ds])[0][0].reason == "recognizable_head"


def test_a_face_that_nobody_asked_to_remove_holds_its_series(run):
    series, _, _ = head.series((4.0, 4.0, 18.0))
    reports, copies = run(series)
    assert {r.reason for r in reports} == {"recognizable_head"}
    assert copies == [None] * len(series)


def flipped(series):
    """Front and back, left and right are not what the header says."""
    for ds in series:
        ds.ImageOrientationPatient = [-1, 0, 0, 0, -1, 0]
        x, y, z = ds.ImagePositionPatient
        ds.ImagePositionPatient = [-x, -y, z]
    return series


def upside_down(series):
    for ds in series:
        x, y, z = ds.ImagePositionPatient
        ds.ImageOrientationPatient = [-1, 0, 0, 0, 1, 0]
        ds.ImagePositionPatient = [-x, y, -z]
    return series


def with_a_gap(series):
    return series[:20] + series[24:]


def doubled(series):
    return [*series, series[30]]


def few(series):
    return series[30:36]


def without_places(series):
    for ds in series:
        del ds.ImagePositionPatient
    return series


def magnetic(series):
    for ds in series:
        ds.Modality = "MR"
    return series


def without_bone(series):
    for ds in series:
        values = np.frombuffer(ds.PixelData, "<u2")
        ds.PixelData = np.minimum(values, 1100).astype("<u2").tobytes()
    return series


@pytest.mark.parametrize(
    "spoilt", [flipped, upside_down, with_a_gap, doubled, few, without_places, magnetic, without_bone]
)
def test_what_cannot_be_cut_for_certain_is_held(run, spoilt):
    reports, copies = run(spoilt(head.series((4.0, 4.0, 4.0))[0]), OPTION)
    assert {r.reason for r in reports} == {"head_not_defaced"}
    assert not any(copies)


def test_a_slice_alone_is_held_for_its_series_is_not_there(run):
    reports, _ = run(head.series((4.0, 4.0, 4.0))[0][30:31], OPTION)
    assert reports[0].reason == "head_not_defaced"


def test_a_detector_that_finds_a_face_after_the_cut_holds_the_series(detectors, tmp_path):
    class Sees:
        name, sha256 = detectors.second.name, detectors.second.sha256

        def find(self, image, width):
            return detectors.second.find(image, width) or [Box(1, 1, 9, 9)]

    for number, ds in enumerate(head.series((4.0, 4.0, 4.0))[0]):
        (tmp_path / f"{number}.dcm").write_bytes(make_dicom.encode(ds))
    how = How(b"k" * 32, Anonymize(), Options.from_names([OPTION]), SOURCE, 1 << 30)
    anonymizer = FileAnonymizer(how, replace(detectors, second=Sees()), lambda: None)
    assert anonymizer.run(tmp_path / "30.dcm", 1, tmp_path / "copy").reason == "head_not_defaced"
