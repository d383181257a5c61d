"""The DICOM receiver against dcmtk's own sender."""

from __future__ import annotations

import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import FILES, eventually

sys.path.insert(0, str(Path(__file__).parents[1] / "imaging"))
from make_dicom import dataset, encode

from edge.capture.dicom_budget import Budget, Meter
from edge.imaging import dicom
from edge.imaging.decoded import DecodeLimits

needs_dcmtk = pytest.mark.skipif(
    shutil.which("storescu") is None, reason="needs dcmtk's storescu and echoscu: apt install dcmtk"
)


def scu(box, tool: str, *files: Path, aet: str = "SCANNER", aec: str = "EDGE", options: tuple[str, ...] = ()):
    command = [tool, "-v", "-aet", aet, "-aec", aec, *options, "127.0.0.1", str(box.port), *map(str, files)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(scope="module")
def running(shared):
    shared.settings(dicom='max_object = "1 MiB"', inbox='max_bytes = "4 MiB"')
    shared.start()
    eventually(shared.listens)
    return shared


@pytest.fixture
def scp(running):
    inbox = running.inbox()
    for object_id in inbox.ids():
        inbox.delete(object_id)
    return running


@needs_dcmtk
def test_echo_and_who_may_send(scp):
    assert scu(scp, "echoscu").returncode == 0
    unlisted = scu(scp, "echoscu", aet="STRANGER")
    assert unlisted.returncode != 0
    assert "Calling AE Title Not Recognized" in unlisted.stderr
    wrong = scu(scp, "echoscu", aec="OTHER")
    assert "Called AE Title Not Recognized" in wrong.stderr
    refused = scu(scp, "storescu", FILES / "CT_small.dcm", aet="STRANGER")
    assert refused.returncode != 0
    assert scp.inbox().ids() == []


@needs_dcmtk
@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("CT_small", "-xe"), ("MR_small_implicit", "-xi"), ("MR_small_bigendian", "-xb"),
        ("MR_small_RLE", "-xr"), ("MR_small_jp2klossless", "-xv"), ("examples_ybr_color", "-xy"),
        ("MR_small_jpeg_ls_lossless", "-xt"), ("image_dfl", "-xd"),
    ],
)  # fmt: skip
def test_objects_are_kept_as_they_came(scp, name, option):
    path = FILES / f"{name}.dcm"
    sent = scu(scp, "storescu", path, options=(option,))
    assert "Received Store Response (Success)" in sent.stderr, sent.stderr
    (object_id,) = scp.inbox().ids()
    item = scp.inbox().open(object_id)
    assert (item.kind, item.source) == ("dicom", "scanner")
    there, here = (dicom.decode(data, DecodeLimits()) for data in (item.data, path.read_bytes()))
    np.testing.assert_array_equal(np.stack(there.frames), np.stack(here.frames))


@needs_dcmtk
def test_an_object_too_large_is_refused_for_good(scp, tmp_path):
    large, small = tmp_path / "large.dcm", tmp_path / "small.dcm"
    large.write_bytes(encode(dataset(np.zeros((1024, 1024), np.uint16))))
    small.write_bytes(encode(dataset(np.zeros((64, 64), np.uint16))))
    sent = scu(scp, "storescu", large, small, options=("-nh", "-d"))
    assert "0xc001" in sent.stderr.lower(), sent.stderr
    # The association goes on: the next object on it is taken.
    assert "0x0000: Success" in sent.stderr
    assert scp.inbox().counts().objects == 1
    assert scp.inbox().counts().bytes < 1 << 20


@needs_dcmtk
def test_a_full_inbox_answers_a700_and_takes_again_when_there_is_room(scp, tmp_path):
    path = tmp_path / "object.dcm"
    path.write_bytes(encode(dataset(np.zeros((700, 700), np.uint16))))  # 0.96 MiB each: four fit into 4 MiB
    for _ in range(4):
        assert "Received Store Response (Success)" in scu(scp, "storescu", path).stderr
    full = scu(scp, "storescu", path, options=("-d",))
    assert "0xa700" in full.stderr.lower(), full.stderr
    assert full.returncode != 0
    inbox = scp.inbox()
    assert len(inbox.ids()) == 4
    inbox.delete(inbox.ids()[0])
    assert "Received Store Response (Success)" in scu(scp, "storescu", path).stderr


@needs_dcmtk
def test_nothing_is_lost_when_killed_while_objects_arrive(box, tmp_path):
    box.settings()
    objects = tmp_path / "objects"
    objects.mkdir()
    uids = set()
    for number in range(30):
        ds = dataset(np.full((256, 256), number, np.uint16))
        uids.add(ds.SOPInstanceUID)
        (objects / f"{number:02}.dcm").write_bytes(encode(ds))
    waiting = sorted(objects.iterdir())
    for attempt in range(40):
        if box.process is None or box.process.poll() is not None:
            box.start()
            eventually(box.listens)
        sender = subprocess.Popen(
            ["storescu", "-v", "-aet", "SCANNER", "-aec", "EDGE", "127.0.0.1", str(box.port),
             *map(str, waiting)],
            stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        if attempt < 3:
            time.sleep(0.05 + 0.03 * attempt)
            box.kill()
        log = sender.communicate(timeout=60)[1]
        # A sender holds as sent what was answered with success, and sends the rest again.
        answered = log.count("Received Store Response (Success)")
        waiting = waiting[answered:]
        if not waiting:
            break
    assert not waiting
    assert attempt >= 3, "no kill interrupted the transfer: the test proved nothing"
    inbox = box.inbox()
    found = [dicom.decode(inbox.open(object_id).data, DecodeLimits()).identity for object_id in inbox.ids()]
    assert {identity.sop_uid for identity in found if identity} == uids


def test_the_port_survives_probes_and_broken_peers(scp):
    """Silent connections, closed ones, garbage, and a PDU that says it is 4 GiB long."""
    held = [socket.create_connection(("127.0.0.1", scp.port)) for _ in range(3)]
    for _ in range(30):
        with socket.create_connection(("127.0.0.1", scp.port)):
            pass
    for bytes_sent in (b"GET / HTTP/1.1\r\n\r\n", struct.pack(">BBL", 1, 0, 0xFFFFFFFF) + bytes(99)):
        with socket.create_connection(("127.0.0.1", scp.port), timeout=20) as sock:
            sock.sendall(bytes_sent)
            try:
                while sock.recv(4096):
                    pass
            except ConnectionResetError:
                pass
    if shutil.which("echoscu"):  # at once, not only when pynetdicom's own timers have run out
        eventually(lambda: scu(scp, "echoscu").returncode == 0, 6)
    assert scp.process.poll() is None
    for sock in held:
        sock.close()


@needs_dcmtk
def test_associations_are_bounded_and_silent_ones_end(box):
    box.settings(dicom='max_associations = 2\nidle = "2 s"')
    box.start()
    eventually(box.listens)
    held = [socket.create_connection(("127.0.0.1", box.port)) for _ in range(4)]
    try:
        eventually(lambda: scu(box, "echoscu").returncode != 0, 5)
        eventually(lambda: scu(box, "echoscu").returncode == 0, 20)
    finally:
        for sock in held:
            sock.close()


def test_nobody_allowed_means_no_port(box):
    box.settings(dicom="allowed_ae = []")
    box.start()
    box.connect()
    eventually(lambda: box.state_of("scanner") == "failed")
    assert not box.listens()


def test_a_port_in_use_is_a_state_and_is_tried_again(box):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", box.port))
        taken.listen()
        box.settings()
        box.start()
        box.connect()
        eventually(lambda: box.state_of("scanner") == "failed")
    eventually(lambda: box.state_of("scanner") == "running")


@needs_dcmtk
def test_health_counts_objects_and_the_daemon_is_told_at_once(scp):
    scp.connect()
    eventually(lambda: "scanner" in scp.sources)
    before = scp.sources["scanner"].frames
    assert "Success" in scu(scp, "storescu", FILES / "CT_small.dcm").stderr
    eventually(lambda: scp.sources["scanner"].frames == before + 1)
    assert scp.sources["scanner"].last_frame_age_ms is not None
    assert scp.inbox_notices == 1


# --- the pure parts


def test_meter_cuts_data_sets_and_leaves_commands():
    meter = Meter(limit=10)
    assert meter.pass_on(b"\x03" + bytes(50)) == b"\x03" + bytes(50)
    assert meter.pass_on(b"\x00" + bytes(8)) == b"\x00" + bytes(8)
    assert meter.pass_on(b"\x00" + bytes(8)) == b"\x00" + bytes(
        8
    )  # crosses: so the handler sees it was too long
    assert meter.pass_on(b"\x02" + bytes(8)) == b"\x02"
    meter.pass_on(b"\x03" + bytes(50))
    assert meter.pass_on(b"\x02" + bytes(8)) == b"\x02" + bytes(8)  # a new message, a new count
    for _ in range(60):
        meter.pass_on(b"\x01" + bytes(1000))
    with pytest.raises(ValueError, match="impossible"):
        meter.pass_on(b"\x01" + bytes(10_000))


def test_budget_lets_the_first_go_on_and_the_others_wait():
    budget = Budget(100)
    budget.take("a", 60)
    budget.take("b", 30)
    done = threading.Event()

    def more():
        budget.take("b", 30)
        done.set()

    thread = threading.Thread(target=more)
    thread.start()
    assert not done.wait(0.2)
    budget.take("a", 60)  # the first is never held up, even beyond the total
    assert not done.wait(0.1)
    budget.give_back("a")
    assert done.wait(5)
    thread.join()


def test_sigterm_while_an_association_stands(scp):  # the last on this process
    held = socket.create_connection(("127.0.0.1", scp.port))
    scp.process.send_signal(signal.SIGTERM)
    assert scp.process.wait(20) == 0
    held.close()
