"""A script that the text detectors are not proved to find: whole frames stay, declared regions leave."""

from __future__ import annotations

import json
from dataclasses import replace

import cv2
import numpy as np
import pydicom
import pytest
from pydicom import uid

from edge.anonymize.gate import Held
from edge.anonymize.scanner.anonymizer import ScannerAnonymizer
from edge.anonymize.scanner.regions import kept_regions
from edge.anonymize.text import evidence
from edge.anonymize.text.evidence import MOST, ScriptProof, Trust
from edge.cli import main
from edge.imaging import dicom
from edge.imaging.decoded import DecodeLimits
from edge.imaging.frames import Acquisition, CleanFrame, Identity, RawFrame, Region
from edge.settings import Anonymize, Scanner, SettingsError, parse
from tests.anonymize.scenes import radiograph
from tests.imaging.make_dicom import dataset, encode

NOBODY = Identity("", "", "", "", "", "")
REGION = Region(60, 100, 460, 380)


def test_latin_is_proved_for_the_weights_that_are_shipped(detectors):
    assert "latin" in Trust.of((), detectors.texts).proved
    rows = {row.script: row for row in evidence.table()}
    assert rows["latin"].cases >= 300  # fewer could prove nothing at this bound, even without a leak
    assert rows["latin"].leaking <= MOST * rows["latin"].cases


def test_proof_holds_for_the_weights_that_were_measured_and_up_to_the_bound():
    one, two, three = (digit * 64 for digit in "123")
    digests = frozenset({one, two})
    rows = [ScriptProof("latin", 1000, 2, MOST, digests), ScriptProof("greek", 1000, 9, MOST + 1e-4, digests)]
    assert evidence.proved(digests, rows) == {"latin"}
    assert evidence.proved({one}, rows) == frozenset()
    assert evidence.proved({one, three}, rows) == frozenset()
    assert evidence.proved({one, two, three}, rows) == frozenset()


def test_trust_asks_for_every_script_that_may_stand_there():
    trust = Trust((), frozenset({"latin", "greek"}))
    assert trust.covers()
    assert trust.covers(["greek"])
    assert not trust.covers(["greek", "tamil"])
    assert trust.missing() == []
    both = Trust(("arabic",), frozenset({"latin"}))
    assert not both.covers()
    assert both.missing() == ["arabic"]
    greek = Trust(("greek",), frozenset({"greek"}))  # Latin is written everywhere, said or not
    assert not greek.covers()
    assert greek.missing() == ["latin"]


def test_regions_are_kept_where_a_whole_frame_is_not():
    no = Trust(("arabic",), frozenset({"latin"}))
    assert kept_regions(Acquisition(modality="DX"), 400, 520, no) == "unproved_script"
    assert kept_regions(Acquisition(modality="DX", regions=(REGION,)), 400, 520, no) == (REGION,)
    assert kept_regions(Acquisition(modality="US"), 400, 520, no) == "unknown_layout"


def test_a_region_as_large_as_the_frame_is_the_frame():
    no, yes = (Trust((), frozenset(proved)) for proved in ((), ("latin",)))
    for regions in ((Region(0, 0, 520, 400),), (Region(0, 0, 520, 210), Region(0, 200, 520, 396))):
        acquisition = Acquisition(modality="US", regions=regions)
        assert kept_regions(acquisition, 400, 520, no) == "unproved_script"
        assert kept_regions(acquisition, 400, 520, yes) == regions


def test_what_the_clinic_says_of_a_scanner_bounds_all_that_its_images_keep():
    no = Trust((), frozenset())
    scanners = (Scanner(manufacturer="acme  medical", model="DR-500", keep=(0, 0.2, 1, 1)),)
    maker = {"manufacturer": "ACME Medical", "model_name": "DR-500"}
    digital, sound, capture = (
        Acquisition(modality=modality, secondary=modality == "OT", **maker) for modality in ("DX", "US", "OT")
    )
    below = Region(0, 80, 520, 400)
    assert kept_regions(digital, 400, 520, no, scanners) == (below,)
    assert kept_regions(sound, 400, 520, no, scanners) == (below,)  # else of unknown layout
    assert kept_regions(replace(sound, regions=(REGION,)), 400, 520, no, scanners) == (REGION,)
    high = Region(60, 10, 460, 380)
    assert kept_regions(replace(sound, regions=(high,)), 400, 520, no, scanners) == (
        Region(60, 80, 460, 380),
    )
    outside = replace(sound, regions=(Region(0, 0, 520, 80),))
    assert kept_regions(outside, 400, 520, no, scanners) == "unknown_layout"
    assert kept_regions(capture, 400, 520, no, scanners) == "unknown_layout"
    other = replace(digital, model_name="CR-1")
    assert kept_regions(other, 400, 520, no, scanners) == "unproved_script"
    assert kept_regions(replace(digital, manufacturer=""), 400, 520, no, scanners) == "unproved_script"
    longer = replace(digital, model_name="DR-5000")  # another device of the maker
    assert kept_regions(longer, 400, 520, no, scanners) == "unproved_script"


@pytest.mark.parametrize("modality", ["XC", "ES", "OP", "OT", ""])
def test_no_word_about_a_scanner_opens_what_may_show_a_face(modality):
    """Faces are not looked for in DICOM objects: a maker of both must not let its cameras through."""
    yes = Trust((), frozenset({"latin"}))
    scanners = (Scanner(manufacturer="Canon Inc.", model="EOS", keep=(0, 0.1, 1, 1)),)
    seen = Acquisition(modality=modality, manufacturer="Canon Inc.", model_name="EOS")
    assert kept_regions(seen, 400, 520, yes, scanners) == "unknown_layout"
    ultrasound = kept_regions(replace(seen, modality="US"), 400, 520, yes, scanners)  # the control
    assert ultrasound == (Region(0, 40, 520, 400),)


@pytest.mark.parametrize(
    ("scripts", "written", "reason"),
    [
        (("latin",), (), None),
        (("latin",), ("tamil",), "unproved_script"),
        (("latin",), ("unknown",), "unproved_script"),
        (("other",), (), "unproved_script"),
    ],
)
def test_a_scanner_frame_leaves_only_with_proof(detectors, scripts, written, reason):
    scanner = ScannerAnonymizer(Anonymize(scripts=scripts), detectors)
    seen = Acquisition(modality="CR", body_part="CHEST", scripts=written)
    for acquisition, expected in ((seen, reason), (replace(seen, regions=(REGION,)), None)):
        out = scanner.clean(RawFrame(radiograph(), "scanner", 0, 0, 0, acquisition, NOBODY))
        assert isinstance(out, Held if expected else CleanFrame)
        if isinstance(out, Held):
            assert out.reason == expected


def test_a_name_in_a_header_is_enough_to_hold_its_image(detectors):
    scanner = ScannerAnonymizer(Anonymize(), detectors)

    def reason(**header):
        stored = radiograph().astype(np.uint16) << 4
        decoded = dicom.decode(encode(dataset(stored, Modality="CR", **header)), DecodeLimits())
        raw = RawFrame(decoded.frames[0], "scanner", 0, 0, 0, decoded.acquisition, decoded.identity)
        out = scanner.clean(raw)
        return out.reason if isinstance(out, Held) else None

    assert reason(SpecificCharacterSet="ISO_IR 192", PatientName="நடராஜன்^மீனா") == "unproved_script"
    assert reason(SpecificCharacterSet="ISO_IR 192", PatientName="Szabó^Béla") is None


def run(tmp_path, *arguments):
    report = tmp_path / f"report{len(list(tmp_path.iterdir()))}.jsonl"
    code = main(["anonymize", str(tmp_path / "in"), str(tmp_path / "out"), "--report", str(report),
                 "--key", str(tmp_path / "key"), "--jobs", "1", *arguments])  # fmt: skip
    lines = report.read_text(encoding="utf-8").splitlines() if report.exists() else []
    return code, [json.loads(line) for line in lines], report


def test_files_are_held_by_what_was_said_of_their_scripts(tmp_path, capsys):
    folder = tmp_path / "in"
    folder.mkdir()
    cv2.imwrite(str(folder / "a.png"), radiograph())
    stored = radiograph(None, (100, 120)).astype(np.uint16) << 4
    plain = dataset(
        stored, SOPClassUID=uid.ComputedRadiographyImageStorage, Modality="CR", BodyPartExamined="CHEST"
    )
    (folder / "b.dcm").write_bytes(encode(plain))
    named = pydicom.Dataset(plain)
    named.SpecificCharacterSet, named.PatientName = "ISO_IR 192", "நடராஜன்^மீனா"
    named.SOPInstanceUID = uid.generate_uid()
    (folder / "c.dcm").write_bytes(encode(named))

    code, lines, report = run(tmp_path, "--new-key")
    assert code == 1
    assert [line["reason"] for line in lines if line["record"] == "file"] == [None, None, "unproved_script"]
    assert lines[0]["scripts"] == ["latin"]
    said = capsys.readouterr()
    assert "not proved to find" in said.out
    assert "நடராஜன்" not in said.out + said.err + report.read_text(encoding="utf-8")

    code, lines, _ = run(tmp_path, "--script", "latin", "--script", "other")
    assert code == 1
    assert [line["reason"] for line in lines if line["record"] == "file"] == ["unproved_script"] * 3
    assert "not proved to find other: whole images" in capsys.readouterr().err  # before hours are spent

    again = main(["anonymize", str(folder), str(tmp_path / "out"), "--report", str(report), "--resume",
                  "--key", str(tmp_path / "key"), "--script", "other"])  # fmt: skip
    assert again == 2
    assert "other scripts" in capsys.readouterr().err


def test_a_video_is_held_until_somebody_says_what_of_it_is_kept(tmp_path, capsys):
    folder = tmp_path / "in"
    folder.mkdir()
    clip = cv2.VideoWriter(str(folder / "a.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 25, (320, 240))
    for _ in range(6):
        clip.write(np.full((240, 320, 3), 90, np.uint8))
    clip.release()
    code, lines, _ = run(tmp_path, "--new-key")
    assert (code, lines[1]["reason"]) == (1, "no_keep_region")
    assert "--whole-scene" in capsys.readouterr().out
    for said in (["--whole-scene"], ["--keep", "0,0,0.5,1"]):
        code, lines, _ = run(tmp_path, *said)
        assert (code, lines[1]["reason"], lines[1]["frames"]) == (0, None, 6)


def test_an_object_leaves_by_what_was_said_of_its_scanner(tmp_path, capsys):
    folder = tmp_path / "in"
    folder.mkdir()
    stored = radiograph(None, (100, 120)).astype(np.uint16) << 4
    made = dataset(
        stored, SOPClassUID=uid.ComputedRadiographyImageStorage, Modality="CR", BodyPartExamined="CHEST",
        Manufacturer="ACME", ManufacturerModelName="CR-7", SpecificCharacterSet="ISO_IR 192",
        PatientName="நடராஜன்^மீனா",
    )  # fmt: skip
    (folder / "a.dcm").write_bytes(encode(made))
    code, lines, report = run(tmp_path, "--new-key")
    assert (code, lines[1]["reason"]) == (1, "unproved_script")
    assert "--scanner" in capsys.readouterr().out

    code, lines, _ = run(tmp_path, "--scanner", "acme/cr-7=0,0.25,1,1")
    assert (code, lines[1]["reason"]) == (0, None)
    copy = pydicom.dcmread(tmp_path / "out" / lines[1]["output"]).pixel_array
    assert (copy[:25] == copy[0, 0]).all()
    assert (copy[25:] == stored[25:]).mean() > 0.9
    assert not (stored[:25] == stored[0, 0]).all()  # the control

    again = main(["anonymize", str(folder), str(tmp_path / "out"), "--report", str(report), "--resume",
                  "--key", str(tmp_path / "key"), "--scanner", "acme/cr-7=0,0,1,1"])  # fmt: skip
    assert again == 2
    assert "other scanners" in capsys.readouterr().err
    for wrong in ("acme/cr-7", "/=0,0,1,1", "acme/=0,0,1,1", "acme/cr-7=0,0,1", "acme/cr-7=0.5,0,0.2,1"):
        with pytest.raises(SystemExit):
            run(tmp_path, "--scanner", wrong)
        assert "expected such as" in capsys.readouterr().err


def test_settings_name_scripts_or_say_which_there_are():
    assert parse('[anonymize]\nscripts = ["latin", "greek"]\n').anonymize.scripts == ("latin", "greek")
    for wrong in ('scripts = ["klingon"]', "scripts = []", 'scripts = "latin"'):
        with pytest.raises(SettingsError, match=r"edge.toml:2: anonymize.scripts"):
            parse(f"[anonymize]\n{wrong}\n")


def test_settings_of_a_scanner_name_it_and_a_part_of_the_image():
    name = 'manufacturer = "ACME"\nmodel = "DR-500"\n'
    said = parse(f"[[scanner]]\n{name}keep = [0.0, 0.1, 1.0, 1.0]\n").scanner
    assert said == (Scanner(manufacturer="ACME", model="DR-500", keep=(0, 0.1, 1, 1)),)
    for wrong in (
        "keep = [0.0, 0.1, 1.0, 1.0]",
        'model = "DR-500"\nkeep = [0.0, 0.1, 1.0, 1.0]',
        name,
        f"{name}keep = [0.5, 0.0, 0.2, 1.0]",
    ):
        with pytest.raises(SettingsError, match=r"edge\.toml:1"):
            parse(f"[[scanner]]\n{wrong}\n")
