"""Decoding in worker processes: what one object does there harms nothing else."""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import FILES, alive, eventually

sys.path.insert(0, str(Path(__file__).parents[1] / "imaging"))
from make_dicom import dataset, encode

from edge.capture.client import CaptureClient, CaptureLost
from edge.imaging import dicom
from edge.imaging.decoded import DecodeLimits, Undecodable

GOOD = (FILES / "MR_small.dcm").read_bytes()


@pytest.fixture(scope="module")
def client(shared):
    shared.settings(dicom="enabled = false", decode='memory = "900 MiB"')
    shared.start()
    return shared.connect()


@pytest.fixture
def own_client(box):
    box.settings(dicom="enabled = false", decode='timeout = "1 s"')
    box.start()
    return box.connect()


def test_pixels_header_and_reasons_come_through(shared, client):
    cine = client.decode("dicom", bytearray((FILES / "examples_ybr_color.dcm").read_bytes()))
    here = dicom.decode((FILES / "examples_ybr_color.dcm").read_bytes(), DecodeLimits())
    assert len(cine.frames) == 30
    np.testing.assert_array_equal(np.stack(cine.frames), np.stack(here.frames))
    assert cine.acquisition == here.acquisition
    assert cine.identity is not None
    assert here.identity is not None
    assert (cine.identity.study_uid, cine.identity.names) == (here.identity.study_uid, here.identity.names)
    assert not cine.frames[0].flags.writeable
    with pytest.raises(Undecodable) as error:
        client.decode("dicom", (FILES / "MR_truncated.dcm").read_bytes())
    assert error.value.reason == "unreadable"
    assert error.value.identity is not None
    assert error.value.identity.study_uid
    for data, kind, reason in ((b"", "dicom", "unreadable"), (b"", "still", "unreadable"),
                               ((FILES / "test-SR.dcm").read_bytes(), "dicom", "no_pixels")):  # fmt: skip
        with pytest.raises(Undecodable) as error:
            client.decode(kind, data)
        assert error.value.reason == reason


SEEDS = ("SC_rgb_jpeg_gdcm", "SC_rgb_jpeg_lossy_gdcm", "MR_small_jp2klossless", "SC_rgb_jls_lossy_line",
         "SC_rgb_rle", "examples_ybr_color")  # fmt: skip


def test_fuzzed_codestreams_end_in_pixels_or_a_reason(shared, client):
    """Native decoders are fed broken streams: lossless and lossy JPEG, JPEG 2000, JPEG-LS, RLE."""
    random_ = random.Random(4711)
    outcomes: dict[str, int] = {}
    for name in SEEDS:
        whole = (FILES / f"{name}.dcm").read_bytes()
        start = whole.rindex(b"\xe0\x7f\x10\x00")  # Pixel Data (7FE0,0010)
        for _ in range(25):
            data = bytearray(whole)
            for _ in range(random_.randint(1, 20)):
                data[random_.randrange(start, len(data))] = random_.randrange(256)
            try:
                found = client.decode("dicom", data)
                outcome = f"{len(found.frames) > 0}"
            except Undecodable as error:
                outcome = error.reason
            outcomes[outcome] = outcomes.get(outcome, 0) + 1
    assert set(outcomes) <= {"True", "unreadable", "too_large", "no_pixels"}
    assert outcomes["unreadable"] > 10
    assert len(client.decode("dicom", GOOD).frames) == 1


def worker(box) -> int:
    eventually(lambda: len(box.children()) == 1)
    return box.children()[0]


def test_a_worker_killed_between_objects_is_replaced_and_no_object_blamed(shared, client):
    client.decode("dicom", GOOD)
    os.kill(worker(shared), signal.SIGKILL)
    assert len(client.decode("dicom", GOOD).frames) == 1


def confined(pid: int, size: int = 900 << 20) -> bool:
    """Whether a worker is past its start: it took its limits on."""
    return str(size) in Path(f"/proc/{pid}/limits").read_text()


def test_an_object_that_kills_its_decoders_is_unreadable_and_the_service_goes_on(shared, client):
    """Two workers are killed at the same object, as a fault in a native decoder would."""
    client.decode("dicom", GOOD)
    long = encode(dataset(np.zeros((1500, 256, 256), np.uint16)))  # seconds of work
    found = []

    def ask():
        try:
            client.decode("dicom", long)
        except Undecodable as error:
            found.append(error.reason)

    thread = threading.Thread(target=ask)
    thread.start()
    seen: set[int] = set()
    for _ in range(2):
        eventually(lambda: any(pid not in seen and confined(pid) for pid in shared.children()))
        pid = next(pid for pid in shared.children() if pid not in seen)
        seen.add(pid)
        time.sleep(0.2)
        assert not found
        os.kill(pid, signal.SIGKILL)
    thread.join(20)
    assert found == ["unreadable"]
    assert len(client.decode("dicom", GOOD).frames) == 1


def test_a_decoder_that_hangs_is_killed_in_time(box, own_client):
    own_client.decode("dicom", GOOD)
    hung = worker(box)
    os.kill(hung, signal.SIGSTOP)
    began = time.monotonic()
    with pytest.raises(Undecodable) as error:
        own_client.decode("dicom", GOOD)
    assert error.value.reason == "unreadable"
    assert time.monotonic() - began < 10
    assert not alive(hung)
    assert len(own_client.decode("dicom", GOOD).frames) == 1
    box.kill()


def test_a_worker_has_no_more_memory_than_it_is_given(shared, client):
    eventually(lambda: confined(worker(shared)))
    heavy = encode(dataset(np.zeros((8000, 8000), np.float32), BitsAllocated=32))
    with pytest.raises(Undecodable) as error:
        client.decode("dicom", heavy)  # its frame and what is made of it are beyond the limit
    assert error.value.reason == "too_large"
    assert client.decode("dicom", GOOD).frames


def test_capture_killed_while_decoding_is_no_verdict_and_the_client_comes_back(box, own_client):
    own_client.decode("dicom", GOOD)
    pid = worker(box)
    os.kill(pid, signal.SIGSTOP)
    found = []

    def ask():
        try:
            own_client.decode("dicom", GOOD)
        except (CaptureLost, Undecodable) as error:
            found.append(type(error))

    thread = threading.Thread(target=ask)
    thread.start()
    time.sleep(0.3)
    box.kill()
    thread.join(10)
    assert found == [CaptureLost]
    eventually(lambda: not alive(pid))  # the worker does not outlive its parent
    with pytest.raises(CaptureLost):
        own_client.decode("dicom", GOOD)
    box.start()
    assert own_client.wait_connected(20)
    assert len(own_client.decode("dicom", GOOD).frames) == 1


def test_sigterm_ends_everything_with_code_0(box, own_client):
    own_client.decode("dicom", GOOD)
    pid = worker(box)
    assert box.process is not None
    box.process.terminate()
    assert box.process.wait(15) == 0
    eventually(lambda: not alive(pid))
    assert not (box.runtime / "capture.sock").exists()


def test_no_patient_data_in_the_log(shared, client):
    planted = GOOD.replace(b"CompressedSamples^MR1", b"PLANTED^NAMEXXXXXXXXX")
    assert planted != GOOD
    client.decode("dicom", planted)
    with pytest.raises(Undecodable):
        client.decode("dicom", planted[: len(planted) // 2])
    assert b"PLANTED" not in shared.log.read_bytes()
    assert shared.log.read_bytes()  # the control: there is a log, and it is this one


def test_another_daemon_is_turned_away(shared, client):
    other = CaptureClient(shared.runtime / "capture.sock", lambda _: None, lambda _: None)
    other.start()
    time.sleep(0.5)
    with pytest.raises(CaptureLost):
        other.decode("dicom", GOOD)
    assert len(client.decode("dicom", GOOD).frames) == 1
    other.stop()


def test_wrong_settings_and_missing_key_have_their_exit_codes(box):
    box.settings(dicom="prot = 5")
    box.start()
    assert box.process is not None
    assert box.process.wait(20) == 78
    assert "prot" in box.log.read_text()
    box.settings()
    (box.state / "disk.pub").unlink()
    box.start()
    assert box.process.wait(20) == 78
    assert "edge init-box" in box.log.read_text()


def test_a_second_capture_process_is_refused(box, own_client):
    first = box.process
    box.start()
    assert box.process is not None
    assert box.process.wait(20) == 69
    box.process = first
    assert len(own_client.decode("dicom", GOOD).frames) == 1


def test_what_the_process_makes_is_for_its_group_and_nobody_else(box):
    before = os.umask(0o007)
    try:
        where = box.root / "in"
        where.mkdir()
        (where / "a.dcm").write_bytes(GOOD)
        box.settings(f'[[source]]\nname = "drop"\nkind = "folder"\npath = "{where}"', dicom="enabled = false")
        box.start()
        eventually(lambda: box.inbox().ids())
    finally:
        os.umask(before)
    assert (box.runtime / "capture.sock").stat().st_mode & 0o777 == 0o660
    found = [path for path in (box.state / "inbox").rglob("*") if path.name in {"key", "data"}]
    assert len(found) == 2
    assert {path.stat().st_mode & 0o777 for path in found} == {0o660}
