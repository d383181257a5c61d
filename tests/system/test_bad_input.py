"""Bad input, missing parts, no broker, full disk: a clear answer, no crash, nothing lost (T9, T16)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest

pytestmark = pytest.mark.system


def _image(side=96):
    image = np.full((side, side), 25, np.uint8)
    cv2.circle(image, (side // 2, side // 2), side // 3, 150, -1)
    return cv2.GaussianBlur(image, (0, 0), 1.0)


def _dicom(path, image=None, kind=("CT", "CHEST", ""), **tags):
    from support import inputs

    uids = {name: inputs.generate_uid() for name in ("study", "series")}
    study = {"name": "PLANTEDNAME", "id": "471100815", "accession": "77", **uids}
    made = inputs.dicom(_image() if image is None else image, kind, study, 1)
    for name, value in tags.items():
        setattr(made, name, value)
    made.save_as(path, enforce_file_format=True)
    return path


def _results(here):
    return here.results("object")


def _say(line):
    return [o.get("reason") or o.get("label") or o["abstained"] for o in line["outcomes"]]


def _up(here):
    here.enrol()
    here.start_broker()
    here.start_receiver(table=False)
    here.start_capture()
    here.start_daemon()


@pytest.fixture
def watched(tmp_path):
    folder = tmp_path / "watched"
    folder.mkdir()
    return folder, f'[[source]]\nname = "drop"\nkind = "folder"\npath = "{folder}"\n'


def test_each_bad_file_gets_its_reason_and_the_box_goes_on(site, watched, tmp_path):
    from support.site import wait_for

    folder, source = watched
    here = site(source=source)
    _up(here)
    rng = np.random.default_rng(3)
    good = _dicom(tmp_path / "good.dcm").read_bytes()
    noise = rng.integers(0, 256, (256, 256), dtype=np.uint8)
    cases = {
        "truncated.dcm": (good[: len(good) // 2], {"unreadable"}),
        "zeroes.dcm": (bytes(4096), {"unreadable"}),
        "fuzzed.dcm": (
            good[:200] + rng.bytes(len(good) - 200),
            {"unreadable", "no_pixels", "unsupported_syntax"},
        ),
        "text.png": (b"this is no picture", {"unreadable"}),
        "huge.dcm": (
            _dicom(tmp_path / "huge.dcm", Rows=20_000, Columns=20_000).read_bytes(),
            {"too_large", "unreadable"},
        ),
        "black.dcm": (
            _dicom(tmp_path / "b.dcm", np.zeros((128, 128), np.uint8), ("MR", "BRAIN", "")).read_bytes(),
            {"too_dark"},
        ),
        "noise.dcm": (_dicom(tmp_path / "n.dcm", noise, ("MR", "BRAIN", "")).read_bytes(), {"noise"}),
        "knee.dcm": (_dicom(tmp_path / "k.dcm", None, ("MR", "KNEE", "")).read_bytes(), {"not_intended_use"}),
        "silent.dcm": (
            _dicom(tmp_path / "s.dcm", None, ("MR", "", "")).read_bytes(),
            {"not_intended_use"},
        ),
    }
    answered = 0
    for name, (data, reasons) in cases.items():
        (folder / name).write_bytes(data)
        wait_for(f"an answer to {name}", lambda n=answered: len(_results(here)) > n, 60)
        answered += 1
        (said,) = _say(_results(here)[-1])
        assert said in reasons, name
    (folder / "empty.dcm").write_bytes(b"")
    (folder / "last.dcm").write_bytes(_dicom(tmp_path / "last.dcm", None, ("CT", "HEAD", "")).read_bytes())
    wait_for("an answer to a good object after all that", lambda: len(_results(here)) > answered, 60)
    assert here.alive("daemon")
    assert here.alive("capture")
    journal = (here.logs / "daemon.log").read_text() + (here.logs / "capture.log").read_text()
    assert "PLANTEDNAME" not in journal
    assert "Traceback" not in journal
    assert "PLANTEDNAME" in good.decode("latin-1")  # the control: the name was there to be leaked


def test_without_a_broker_results_wait_and_then_arrive(site, tmp_path):
    from support.site import wait_for

    here = site()
    here.enrol()
    here.start_capture()
    here.start_daemon()
    assert here.store([_dicom(tmp_path / f"{n}.dcm") for n in range(3)]) == 0
    wait_for("the inbox to empty", lambda: not list((here.state / "inbox").glob("[0-9a-f]*")), 60)
    here.start_broker()
    here.start_receiver(table=False)
    wait_for("three results", lambda: len(_results(here)) == 3, 60)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount a small tmpfs")
def test_a_full_disk_refuses_the_sender_and_loses_nothing(site, tmp_path):
    from support.site import wait_for

    here = site()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=72m", "tmpfs", str(here.state)], check=True)
    try:
        here.enrol()
        here.start_broker()
        here.start_receiver(table=False)
        here.start_capture()  # no daemon: the inbox only fills
        objects = [_dicom(tmp_path / f"{n}.dcm", _image(1400)) for n in range(8)]
        codes = [here.store([file]) for file in objects]
        assert 0 in codes
        assert any(codes), "the disk was full, and every object was taken"
        here.start_daemon()
        for file in objects:  # a sender sends again what was refused, or not surely taken
            assert here.store([file], retries=60) == 0
        wait_for("all results", lambda: len(_results(here)) == len(objects), 60)
        time.sleep(2)
        assert len(_results(here)) == len(objects)
        ballast = here.state / "ballast"
        _fill(ballast)
        last = _dicom(tmp_path / "last.dcm")
        time.sleep(12)  # the daemon's chores come round
        assert here.store([last]) != 0
        ballast.unlink()
        assert here.store([last], retries=20) == 0
        wait_for("the last result", lambda: len(_results(here)) == len(objects) + 1, 60)
        assert here.alive("daemon")
        assert here.alive("capture")
    finally:
        here.stop_all()
        subprocess.run(["umount", str(here.state)], check=True)


def _fill(path):
    """Take the disk's last byte."""
    with pytest.raises(OSError, match="No space left"), path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


def _run(here):
    return subprocess.run(
        [sys.executable, "-m", "edge.cli", "run", "--settings", str(here.settings)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_a_wrong_part_is_named_and_the_daemon_does_not_start(site, tmp_path):
    here = site()
    done = _run(here)
    assert done.returncode == 78
    assert f"{here.settings}:" in done.stderr
    assert "expected" in done.stderr
    here.enrol()
    model = tmp_path / "model"
    shutil.copytree(_shipped(), model)
    onnx = model / "targets" / "model.fp32.onnx"
    onnx.write_bytes(onnx.read_bytes()[:-1] + b"!")
    here.settings.write_text(here.settings.read_text().replace(f'{_shipped()}"', f'{model}"'))
    done = _run(here)
    assert done.returncode == 69
    assert "model.fp32.onnx" in done.stderr
    (here.folder / "box" / "keys" / "signing.key").unlink()
    done = _run(here)
    assert done.returncode == 78
    assert "init-box" in done.stderr
    here.settings.write_text("[broker]\nport = 1\nkeepalive = 20\n")
    done = _run(here)
    assert done.returncode == 78
    assert f"{here.settings}:3: broker.keepalive" in done.stderr


def _shipped():
    from support.site import ROOT

    return ROOT / "firmware_config" / "model"
