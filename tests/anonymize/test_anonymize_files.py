"""`edge anonymize` on files: what is searched is the bytes that were written."""

from __future__ import annotations

import hashlib
import io
import json
import shutil

import cv2
import numpy as np
import pydicom
import pytest
from pydicom.pixels import pixel_array

from edge.anonymize.files.one_file import FileAnonymizer, How
from edge.anonymize.headers.clean import Options
from edge.imaging import dicom
from edge.settings import Anonymize, Source
from tests.anonymize.archives import command, files, lines
from tests.anonymize.plant import NAMES, planted
from tests.anonymize.scenes import radiograph


@pytest.fixture
def anonymize(tmp_path):
    """Runs the command on a folder; gives exit code, the report's lines and the output folder."""
    calls = iter(range(100))

    def run(source, *more):
        number = next(calls)
        out, report, key = tmp_path / f"out{number}", tmp_path / f"report{number}", tmp_path / "clinic.key"
        made = [] if key.exists() else ["--new-key"]
        args = [
            str(source),
            str(out),
            "--report",
            str(report),
            "--key",
            str(key),
            "--jobs",
            "1",
            *made,
            *more,
        ]
        code = command(*args)
        return code, (lines(report) if report.exists() else None), out

    return run


def found(data: bytes) -> list[str]:
    return [n for n in NAMES if n.encode() in data.upper()]


def one_output(out):
    (path,) = files(out)
    return path.read_bytes()


def test_no_planted_name_is_in_the_bytes_and_the_original_is_untouched(tmp_path, anonymize):
    source = tmp_path / "QUIXANO"
    source.mkdir()
    path = source / "ZEBROWSKA.dcm"
    path.write_bytes(planted(radiograph("ZEBROWSKA", (300, 400))))
    before = path.read_bytes()
    assert found(before) == NAMES  # the control
    code, report, out = anonymize(source)
    assert code == 0
    assert path.read_bytes() == before
    data = one_output(out)
    assert found(data) == []
    assert data[:128] == b"\0" * 128
    assert found(json.dumps(report.all).encode()) == []
    (result,) = report.files
    assert [out / result["output"]] == files(out)
    assert result["sha256"] == hashlib.sha256(data).hexdigest()
    assert "ZEBROWSKA" not in result["output"].upper()
    pydicom.dcmread(io.BytesIO(data))  # a file of PS3.10 that another reader takes


def test_burned_in_name_goes_and_kept_pixels_are_bit_identical(tmp_path, anonymize, ocr):
    source = tmp_path / "in.dcm"
    source.write_bytes(planted(radiograph("ZEBROWSKA", (300, 400)), frames=2))
    limits = dicom.DecodeLimits()
    assert "ZEBROWSKA" in ocr(np.array(dicom.decode(source.read_bytes(), limits).frames[0]))
    code, _, out = anonymize(source)
    assert code == 0
    data = one_output(out)
    for frame in dicom.decode(data, limits).frames:
        assert "ZEBROWSKA" not in ocr(np.array(frame))
    old, new = (pixel_array(io.BytesIO(d)) for d in (source.read_bytes(), data))
    assert old.dtype == new.dtype
    same = old == new
    assert same[:, 100:].all()
    assert same.mean() > 0.85
    assert not same.all()


def test_the_same_key_gives_the_same_names_and_uids(tmp_path, anonymize):
    source = tmp_path / "in.dcm"
    source.write_bytes(planted(radiograph(None, (100, 120))))
    first, second = (anonymize(source)[2] for _ in range(2))
    assert one_output(first) == one_output(second)
    (one,), (two,) = files(first), files(second)
    assert one.relative_to(first) == two.relative_to(second)


def test_what_is_not_sure_is_held_and_the_exit_code_says_so(tmp_path, anonymize):
    source = tmp_path / "in"
    (source / "deep" / "er").mkdir(parents=True)
    (source / "deep" / "er" / "good.dcm").write_bytes(planted(radiograph(None, (100, 120))))
    secondary = pydicom.dcmread(io.BytesIO(planted(radiograph(None, (100, 120)))))
    secondary.SOPClassUID = secondary.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    secondary.save_as(source / "secondary.dcm")
    (source / "empty.dcm").write_bytes(b"")
    (source / "notes.txt").write_bytes(b"ZEBROWSKA was here")
    (source / "cut.dcm").write_bytes(planted(radiograph(None, (100, 120)))[:3000])
    (source / "pixel.png").write_bytes(b"\x89PNG\r\n\x1a\n nothing more")
    code, report, out = anonymize(source)
    assert code == 1
    assert report.summary["outcomes"] == {"held": 5, "written": 1}
    assert len(files(out)) == 1
    # By path: cut.dcm, deep/er/good.dcm, empty.dcm, notes.txt, pixel.png, secondary.dcm.
    reasons = [each["reason"] for each in report.files]
    assert reasons == ["unreadable", None, "empty", "unknown_type", "unreadable", "unknown_layout"]
    assert report.summary["reasons"] == {"empty": 1, "unknown_layout": 1, "unknown_type": 1, "unreadable": 2}


def test_a_still_loses_its_face_and_its_text(tmp_path, anonymize, face, ocr):
    scene = np.full((360, 640, 3), 150, np.uint8)
    scene[150:310, 400:560] = np.rot90(face)
    cv2.putText(scene, "QUIXANO", (60, 90), cv2.FONT_HERSHEY_SIMPLEX, 1.2, (0, 0, 0), 3, cv2.LINE_AA)
    cv2.imwrite(str(tmp_path / "photo.png"), scene[:, :, ::-1])
    assert "QUIXANO" in ocr(scene)
    code, report, out = anonymize(tmp_path / "photo.png")
    assert code == 0
    result = cv2.imdecode(np.frombuffer(one_output(out), np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1]
    assert "QUIXANO" not in ocr(result)
    # The face lies on its side: eyes and mouth of the upright picture, turned.
    assert not result[150 + 58 : 150 + 102, 400 + 52 : 400 + 112].any()
    assert report.files[0]["faces"] >= 1


def test_a_video_loses_its_faces(tmp_path, anonymize, face):
    path = tmp_path / "clip.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 30, (640, 360))
    for i in range(14):
        scene = np.full((360, 640, 3), 150, np.uint8)
        scene[100:260, 40 + 8 * i : 200 + 8 * i] = face
        writer.write(scene[:, :, ::-1])
    writer.release()
    code, report, out = anonymize(path, "--whole-scene")
    assert code == 0
    assert report.files[0]["frames"] == 14
    reader = cv2.VideoCapture(str(files(out)[0]))
    for i in range(14):
        more, frame = reader.read()
        assert more
        assert frame[152:212, 98 + 8 * i : 142 + 8 * i].max() < 40  # the codec rings a little
    assert not reader.read()[0]


def test_out_inside_in_is_refused(tmp_path, anonymize):
    source = tmp_path
    (source / "in.dcm").write_bytes(planted(radiograph(None, (64, 64))))
    code, report, _ = anonymize(source)
    assert (code, report) == (2, None)


def test_a_report_that_cannot_be_written_is_refused_before_any_work(tmp_path, anonymize, capsys):
    source = tmp_path / "in.dcm"
    source.write_bytes(planted(radiograph(None, (64, 64))))
    code, report, out = anonymize(source, "--report", str(tmp_path / "nodir" / "r.json"))
    assert (code, report) == (2, None)
    assert "--report" in capsys.readouterr().err
    assert not out.exists()
    assert not (tmp_path / "clinic.key").exists()
    assert anonymize(source)[0] == 0  # the control


def test_a_name_that_our_own_text_holds_does_not_hold_the_file(tmp_path, anonymize):
    header = pydicom.dcmread(io.BytesIO(planted(radiograph(None, (100, 120)))))
    header.PatientName, header.InstitutionName = "BASIC^PIXEL", "PROFILE EDGE CLINIC"
    header.save_as(tmp_path / "in.dcm")
    code, report, _ = anonymize(tmp_path / "in.dcm")
    assert (code, report.files[0]["reason"]) == (0, None)


def test_a_video_that_cannot_be_written_is_held(tmp_path, detectors, monkeypatch):
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 30, (320, 192))
    for _ in range(3):
        writer.write(np.full((192, 320, 3), 150, np.uint8))
    writer.release()
    source = Source.model_validate(
        {"name": "file", "kind": "video", "looks_at": "scene", "whole_scene": True}
    )
    one = FileAnonymizer(How(b"k" * 32, Anonymize(), Options(), source, 1 << 30), detectors, lambda: None)
    assert one.run(path, 1, tmp_path / "1.mp4").outcome == "written"  # the control
    monkeypatch.setattr(cv2.VideoWriter, "fourcc", lambda *_: 0x7F7F7F7F)
    report = one.run(path, 1, tmp_path / "1.mp4")
    assert (report.reason, report.output) == ("cannot_write_video", None)


def test_real_files_come_out_clean_or_not_at_all(edge_data, tmp_path, anonymize):
    source = tmp_path / "in"
    source.mkdir()
    names = ["deid_MR", "deiddata_ctbrain1", "pydicom_CT_small", "pydicom_MR_small", "pydicom_OBXXXX1A_rle"]
    names += ["pydicom_J2K_pixelrep_mismatch", "pydicom_MR_truncated", "pydicom_dicomdir_77654033_CR1_6154"]
    words = {}
    for name in names:
        path = edge_data / "dicom" / "files" / f"{name}.dcm"
        shutil.copy(path, source)
        header = pydicom.dcmread(path, force=True, stop_before_pixels=True)
        words[name] = [
            p for p in str(header.get("PatientName", "")).upper().replace("^", " ").split() if len(p) > 3
        ]
    everything = {p.stem: p.read_bytes() for p in source.iterdir()}
    planted_words = [w for ws in words.values() for w in ws]
    assert len(planted_words) >= 5
    assert all(
        w.encode() in everything[name].upper() for name, ws in words.items() for w in ws
    )  # the control
    code, report, out = anonymize(source)
    assert code == 1
    by_number = dict(zip(sorted(everything), report.files, strict=True))
    assert by_number["deiddata_ctbrain1"]["reason"] == "unknown_layout"
    assert by_number["pydicom_MR_truncated"]["reason"] == "unreadable"
    assert by_number["pydicom_J2K_pixelrep_mismatch"]["reason"] == "unproved_script"  # a Japanese header
    for name in ("deid_MR", "pydicom_CT_small", "pydicom_MR_small"):  # slices of no part that is named
        assert by_number[name]["reason"] == "head_not_excluded"
    assert report.summary["outcomes"]["written"] == 2
    for path in files(out):
        data = path.read_bytes()
        head = data[: data.rindex(b"\xe0\x7f\x10\x00")]
        assert not [w for w in planted_words if w.encode() in head.upper()]
        assert dicom.decode(data, dicom.DecodeLimits()).frames[0].ndim in {2, 3}
