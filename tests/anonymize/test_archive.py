"""`edge anonymize` on archives: killed, resumed, out of room, and with files that end their worker."""

from __future__ import annotations

import errno
import faulthandler
import io
import itertools
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time

import cv2
import numpy as np
import pydicom
import pytest

from edge.anonymize.files.one_file import FileAnonymizer, How
from edge.anonymize.files.staged import OutputFailed
from edge.anonymize.headers.clean import Options
from edge.imaging import dicom
from edge.imaging.decoded import DecodeLimits
from edge.settings import Anonymize, Source
from tests.anonymize import ultrasound
from tests.anonymize.archives import (
    alive,
    archive,
    command,
    end,
    files,
    lines,
    small,
    started,
    tree,
    wait_for,
    workers,
)
from tests.anonymize.plant import planted

WHOLE = 40


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    path = tmp_path_factory.mktemp("key") / "clinic.key"
    path.write_bytes(b"k" * 32)
    path.chmod(0o600)
    return path


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    return archive(tmp_path_factory.mktemp("in") / "archive", WHOLE)


@pytest.fixture(scope="module")
def unkilled_folder(originals, key, tmp_path_factory):
    """Where a run that nothing disturbed, with one worker, wrote its copies and its report."""
    folder = tmp_path_factory.mktemp("unkilled")
    assert command(originals, folder / "out", "--report", folder / "r", "--key", key, "--jobs", 1) == 0
    return folder


@pytest.fixture(scope="module")
def unkilled(unkilled_folder):
    """Copies and report of that run."""
    return tree(unkilled_folder / "out"), lines(unkilled_folder / "r")


def told(report):
    return report.read_text().count("\n") if report.exists() else 0


def refused(capsys, *args):
    assert command(*args) == 2
    return capsys.readouterr().err


def without_clocks(report):
    return [{k: v for k, v in line.items() if k != "seconds"} for line in report.files]


def test_killed_at_random_moments_and_resumed_it_is_as_if_never_killed(originals, key, unkilled, tmp_path):
    out, report = tmp_path / "out", tmp_path / "r"
    args = [originals, out, "--report", report, "--key", key, "--resume", "--jobs"]
    chance = random.Random(4)
    left_behind = 0
    for kill in range(4):
        run = started(*args, 1 + kill % 2)
        before = told(report)
        if kill:  # the first one anywhere, the others while files are done
            wait_for(lambda: told(report) > before + 1 or run.poll() is not None)  # noqa: B023
        time.sleep(chance.random() * (1.2 if kill == 0 else 0.08))
        children = workers(run.pid) if run.poll() is None else []
        end(run, signal.SIGKILL)
        wait_for(lambda: not any(map(alive, children)))  # noqa: B023
        left_behind += (out / ".edge-anonymize").exists()
        named = {name: data for name, data in tree(out).items() if not name.startswith(".edge")}
        assert named.items() <= unkilled[0].items()  # whole, under their own names, and nothing else
    assert left_behind  # it was killed at work
    assert 2 < told(report) < WHOLE + 12
    assert command(*args, 1) == 0
    assert tree(out) == unkilled[0]
    assert without_clocks(lines(report)) == without_clocks(unkilled[1])  # each file once, with its number
    assert lines(report).summary["done_now"] < WHOLE


def test_a_line_cut_in_the_middle_is_done_again(originals, key, unkilled, unkilled_folder, tmp_path):
    out, report = tmp_path / "out", tmp_path / "r"
    args = [originals, out, "--report", report, "--key", key, "--jobs", 1]
    shutil.copytree(unkilled_folder / "out", out)
    whole = (unkilled_folder / "r").read_bytes().splitlines(keepends=True)
    report.write_bytes(b"".join(whole[:10]) + whole[10][:30])
    assert command(*args, "--resume") == 0
    assert tree(out) == unkilled[0]
    assert lines(report).summary["done_now"] == WHOLE - 9
    assert without_clocks(lines(report)) == without_clocks(unkilled[1])


def test_two_runs_keep_apart_and_ctrl_c_ends_one_cleanly_and_says_how_to_go_on(
    originals, key, unkilled, tmp_path, capsys
):
    out, report = tmp_path / "out", tmp_path / "r"
    args = [originals, out, "--report", report, "--key", key, "--jobs", 1]
    run = started(*args)
    wait_for(lambda: told(report) > 3)
    other = [originals, out, "--report", tmp_path / "r2", "--key", key, "--jobs", 1]
    assert "another run" in refused(capsys, *other)
    code, said, complained = end(run, signal.SIGINT)
    assert code == 130
    assert "--resume" in complained
    assert "Traceback" not in complained
    assert "written" in said
    assert not (out / ".edge-anonymize").exists()
    assert lines(report).summary["complete"] is False
    assert command(*args, "--resume") == 0
    assert tree(out) == unkilled[0]


def test_what_would_mix_two_ways_is_refused(originals, key, unkilled_folder, tmp_path, capsys):
    out, report = tmp_path / "out", tmp_path / "r"
    shutil.copytree(unkilled_folder / "out", out)
    shutil.copy(unkilled_folder / "r", report)
    args = [originals, out, "--report", report, "--jobs", 1]
    before = report.read_bytes()
    other = tmp_path / "other.key"
    assert "the file exists" in refused(capsys, *args, "--key", key)
    assert "another key" in refused(capsys, *args, "--key", other, "--new-key", "--resume")
    assert "other options" in refused(capsys, *args, "--key", key, "--resume", "--remove-dates")
    first = json.loads(before.splitlines()[0])
    first["detectors"]["centerface"] = "0" * 64
    report.write_bytes(json.dumps(first).encode() + b"\n" + b"".join(before.splitlines(keepends=True)[1:]))
    assert "other detectors" in refused(capsys, *args, "--key", key, "--resume")
    report.write_bytes(before.replace(b'"record": "file"', b'"record" "file"'))
    assert "damaged" in refused(capsys, *args, "--key", key, "--resume")
    for foreign in (b"k" * 32, b"a list of mine\n", b"{}"):
        report.write_bytes(foreign)
        assert "no report of this command" in refused(capsys, *args, "--key", key, "--resume")
        assert report.read_bytes() == foreign
    report.write_bytes(before)
    assert command(*args, "--key", key, "--resume") == 0  # the control
    assert lines(report).summary["done_now"] == 0


def test_changed_originals_and_lost_copies_are_done_again_and_nothing_else(key, tmp_path):
    source, out, report = archive(tmp_path / "in", 6), tmp_path / "out", tmp_path / "r"
    args = [source, out, "--report", report, "--key", key, "--jobs", 1, "--resume"]
    assert command(*args) == 0
    first = lines(report).files
    changed, lost, touched, gone = (source / "P0/00000.dcm", first[1], source / "P1/00001.dcm", first[5])
    changed.write_bytes(small(77))
    (out / lost["output"]).unlink()
    os.utime(touched)  # copied anew: other times, the same bytes
    (source / "P2" / "00005.dcm").unlink()
    (source / "P0" / "00001a.dcm").write_bytes(small(78))
    inodes = {line["output"]: (out / line["output"]).stat().st_ino for line in first[2:]}
    assert command(*args) == 0
    second = [line for line in lines_after(report, "resumed") if line["record"] == "file"]
    assert sorted(line["number"] for line in second) == [1, 2, 7]
    assert not (out / first[0]["output"]).exists()
    assert (out / lost["output"]).stat().st_size == lost["bytes"]
    assert {name: (out / name).stat().st_ino for name in inodes} == inodes
    assert (out / gone["output"]).exists()  # its original is gone: that is no reason to destroy the copy
    assert len(files(out)) == 7


def lines_after(report, record):
    every = lines(report).all
    return every[max(i for i, line in enumerate(every) if line["record"] == record) :]


def test_folders_follow_patient_study_and_series_under_opaque_names(originals, unkilled):
    names = [name.split("/") for name in unkilled[0]]
    assert {len(name) for name in names} == {4}
    assert len({name[0] for name in names}) == 3  # patients
    for name, data in unkilled[0].items():
        copy = pydicom.dcmread(io.BytesIO(data))
        assert name.split("/")[0] == copy.PatientID == copy.PatientName
        assert not {"MRN", "P0", "P1", "P2", "00000"} & set(name.replace(".dcm", "").split("/"))
        assert len(name) < 100


def test_the_report_names_no_original_and_no_key(originals, key, unkilled, tmp_path):
    text = json.dumps(unkilled[1].all)
    for path in files(originals):
        assert path.stem not in text
        told = path.stat()
        assert str(told.st_mtime_ns) not in text
    assert key.read_bytes().hex() not in text
    assert b"k" * 8 not in text.encode()


def test_originals_links_and_special_files_stay_as_they_are_and_twins_have_one_copy(key, tmp_path):
    source, out, outside = archive(tmp_path / "in", 3), tmp_path / "out", tmp_path / "outside"
    outside.mkdir()
    (outside / "far.dcm").write_bytes(small(9))
    (source / "link.dcm").symlink_to(outside / "far.dcm")
    (source / "folder").symlink_to(outside)
    (source / "dangling").symlink_to(tmp_path / "nothing")
    os.mkfifo(source / "pipe.dcm")
    shutil.copy(source / "P0" / "00000.dcm", source / "again.dcm")
    (source / os.fsdecode(b"\xff\n.dcm")).write_bytes(small(8))  # a name in no encoding
    with socket.socket(socket.AF_UNIX) as special:
        special.bind(str(source / "socket"))
    before = {p: (p.lstat().st_mtime_ns, p.lstat().st_ino, p.lstat().st_size) for p in source.rglob("*")}
    bytes_before = tree(source)
    assert command(source, out, "--report", tmp_path / "r", "--key", key, "--jobs", 1) == 1
    assert {
        p: (p.lstat().st_mtime_ns, p.lstat().st_ino, p.lstat().st_size) for p in source.rglob("*")
    } == before
    assert tree(source) == bytes_before
    found = lines(tmp_path / "r")
    assert found.summary["outcomes"] == {"duplicate": 1, "skipped": 5, "written": 4}
    assert found.summary["reasons"] == {"special_file": 2, "symlink": 3}
    assert {line["output"] for line in found.files} - {None} == set(tree(out))
    assert len(tree(out)) == 4


@pytest.fixture
def mounted(tmp_path):
    """Mounts a file system, and takes it away again."""
    if os.geteuid() != 0:
        pytest.skip("needs root: it mounts a file system")
    places = []

    def mount(place, *how):
        place.mkdir(exist_ok=True)
        done = subprocess.run(["mount", *how, place], check=False, capture_output=True)
        if done.returncode != 0:
            pytest.skip("may not mount a file system here")
        places.append(place)
        return place

    yield mount
    for place in reversed(places):
        subprocess.run(["umount", place], check=True)


def test_an_archive_that_nobody_can_write_to_is_good_enough(originals, key, unkilled, mounted, tmp_path):
    place = mounted(tmp_path / "readonly", "--bind", str(originals))
    subprocess.run(["mount", "-o", "remount,ro,bind", place], check=True)
    with pytest.raises(OSError, match="Read-only"):
        (place / "x").write_bytes(b"")  # the control
    assert command(place, tmp_path / "out", "--report", tmp_path / "r", "--key", key, "--jobs", 1) == 0
    assert tree(tmp_path / "out") == unkilled[0]


@pytest.mark.parametrize("full", ["out", "report"])
def test_a_full_disk_stops_the_run_which_goes_on_once_there_is_room(
    full, originals, key, unkilled, mounted, tmp_path, capsys
):
    size = "size=100k" if full == "out" else "size=12k"
    place = mounted(tmp_path / "small", "-t", "tmpfs", "-o", size, "none")
    out = place / "out" if full == "out" else tmp_path / "out"
    report = place / "r" if full == "report" else tmp_path / "r"
    args = [originals, out, "--report", report, "--key", key, "--jobs", 1, "--resume"]
    assert command(*args) == 3
    said = capsys.readouterr().err
    assert "No space left" in said
    assert "--resume" in said
    assert report.read_bytes().endswith(b"\n")
    assert tree(out).items() <= unkilled[0].items()  # whole copies alone, and no folder of parts
    assert 0 < len(tree(out)) < WHOLE
    subprocess.run(["mount", "-o", "remount,size=8m", place], check=True)
    assert command(*args) == 0
    assert tree(out) == unkilled[0]


def test_a_video_for_which_there_is_no_room_stops_the_run(detectors, mounted, tmp_path):
    noise = np.random.default_rng(1).integers(0, 255, (6, 192, 320, 3)).astype(np.uint8)
    writer = cv2.VideoWriter(str(tmp_path / "in.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 30, (320, 192))
    for frame in noise:
        writer.write(frame)
    writer.release()
    source = Source.model_validate(
        {"name": "file", "kind": "video", "looks_at": "scene", "whole_scene": True}
    )
    one = FileAnonymizer(How(b"k" * 32, Anonymize(), Options(), source, 1 << 30), detectors, lambda: None)
    place = mounted(tmp_path / "small", "-t", "tmpfs", "-o", "size=48k", "none")
    with pytest.raises(OutputFailed) as failed:  # OpenCV itself says nothing
        one.run(tmp_path / "in.avi", 1, place / "1.mp4")
    assert failed.value.code == errno.ENOSPC
    assert one.run(tmp_path / "in.avi", 1, tmp_path / "1.mp4").frames == 6  # the control


def deadly(good: bytes) -> bytes:
    """A JPEG object on which GDCM ends its process, found by flipping bytes of the codestream."""
    start = good.index(b"\xff\xd8\xff") + 2
    for seed in range(1500):
        chance, data = random.Random(seed), bytearray(good)
        for _ in range(4):
            data[chance.randrange(start, len(data))] = chance.randrange(256)
        pid = os.fork()
        if pid == 0:
            faulthandler.disable()
            sink = os.open(os.devnull, os.O_WRONLY)
            os.dup2(sink, 1)
            os.dup2(sink, 2)
            try:
                dicom.decode(bytes(data), DecodeLimits())
            finally:
                os._exit(0)
        if os.WIFSIGNALED(os.waitpid(pid, 0)[1]):
            return bytes(data)
    return pytest.skip("no codestream was found that ends this decoder")


@pytest.mark.skipif(not shutil.which("dcmcjpeg"), reason="needs dcmtk (apt install dcmtk)")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_file_that_ends_its_decoder_is_held_and_the_others_go_on(key, tmp_path):
    source = archive(tmp_path / "in", 4)
    plain = ultrasound.encoded(ultrasound.dataset(ultrasound.coloured(), "RGB", bits=8))
    good = ultrasound.dcmtk(plain, tmp_path, "dcmcjpeg", "+eb")
    (source / "P0" / "00000a.dcm").write_bytes(deadly(good))
    (source / "P0" / "00000b.dcm").write_bytes(good)
    assert command(source, tmp_path / "out", "--report", tmp_path / "r", "--key", key, "--jobs", 1) == 1
    found = lines(tmp_path / "r")
    assert [line["reason"] for line in found.files] == [None, "decoder_died", None, None, None, None]
    assert len(files(tmp_path / "out")) == 5


def test_what_takes_too_long_or_too_much_is_held_and_the_others_go_on(key, tmp_path):
    source = archive(tmp_path / "in", 2)
    noise = np.random.default_rng(1).integers(0, 255, (5000, 5000)).astype(np.uint8)
    (source / "P0" / "00000a.dcm").write_bytes(planted(noise))
    with (source / "P0" / "00000b.dcm").open("wb") as huge:
        huge.write(small(3))
        huge.truncate(3 << 30)
    args = ["--report", tmp_path / "r", "--key", key, "--jobs", 1, "--timeout", 4, "--memory", 2]
    assert command(source, tmp_path / "out", *args) == 1
    found = lines(tmp_path / "r")
    assert [line["reason"] for line in found.files] == [None, "timeout", "too_large", None]
    assert len(files(tmp_path / "out")) == 2


def test_a_worker_that_is_killed_from_outside_costs_no_file(originals, key, unkilled, tmp_path):
    out, report = tmp_path / "out", tmp_path / "r"
    run = started(originals, out, "--report", report, "--key", key, "--jobs", 1)
    wait_for(lambda: told(report) > 3)
    for pid in workers(run.pid):
        os.kill(pid, signal.SIGKILL)
    assert end(run, 0)[0] == 0
    assert tree(out) == unkilled[0]


def test_workers_that_cannot_start_are_no_reason_to_hold_files(originals, key, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("edge.anonymize.files.workers._environment", lambda: {"PATH": os.environ["PATH"]})
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    said = refused(capsys, originals, tmp_path / "out", "--report", tmp_path / "r", "--key", key)
    assert "workers die while they start" in said
    assert told(tmp_path / "r") == 0


def test_the_list_of_originals_is_written_only_if_asked_for_and_for_its_owner_alone(
    originals, key, unkilled, tmp_path, capsys
):
    out, linkage = tmp_path / "out", tmp_path / "linkage"
    args = [originals, out, "--report", tmp_path / "r", "--key", key, "--jobs", 1]
    assert "--linkage" in refused(capsys, *args, "--linkage", out / "linkage")
    assert command(*args, "--linkage", linkage) == 0
    assert "undoes the anonymization" in capsys.readouterr().err
    assert linkage.stat().st_mode & 0o777 == 0o600
    found = [json.loads(line) for line in linkage.read_text().splitlines()]
    assert len(found) == WHOLE
    for line in found:
        number = int(line["original"].split("/")[1].removesuffix(".dcm"))
        original = pydicom.dcmread(originals / line["original"])
        assert original.SOPInstanceUID == f"1.2.3.4.5.{number}"
        assert line["output"] in unkilled[0]
    assert len({line["output"] for line in found}) == WHOLE


@pytest.mark.parametrize("name", ["--report", "--linkage", "--key"])
def test_nothing_is_written_into_in(name, originals, key, tmp_path, capsys):
    places = {"--report": tmp_path / "r", "--linkage": tmp_path / "l", "--key": tmp_path / "k"}
    places[name] = originals / "new"
    args = list(itertools.chain.from_iterable(places.items()))
    said = refused(capsys, originals, tmp_path / "out", *args, "--new-key")
    assert name in said
    assert "inside IN" in said
    assert not (originals / "new").exists()
