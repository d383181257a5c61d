"""The inbox: nothing reported as stored is ever lost, nothing half-written is ever listed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edge.store import objects as objects_module
from edge.store.inbox import InboxFull, InboxLimits, InboxLocked, InboxReader, InboxWriter
from edge.store.inbox_crypto import CHUNK, load_private, load_public, make_disk_key
from edge.store.objects import Damaged
from edge.store.quarantine import Quarantine, QuarantineLimits

PLANTED = b"PLANTED^NAME"
ROOMY = InboxLimits(max_bytes=1 << 30, min_free=0)


@pytest.fixture(scope="module")
def state(tmp_path_factory) -> Path:
    state = tmp_path_factory.mktemp("state")
    make_disk_key(state)
    return state


def writer(state: Path, directory: Path, limits: InboxLimits = ROOMY) -> InboxWriter:
    return InboxWriter(directory / "inbox", load_public(state / "disk.pub"), limits)


def reader(state: Path, directory: Path, **bounds) -> InboxReader:
    key = load_private(state / "keys" / "disk.key")
    quarantine = Quarantine(directory / "quarantine", key, QuarantineLimits(**bounds))
    return InboxReader(directory / "inbox", key, quarantine)


def raw(directory: Path) -> bytes:
    return b"".join(str(path).encode() + path.read_bytes() for path in directory.rglob("*") if path.is_file())


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK])
def test_what_goes_in_comes_out(state, tmp_path, size):
    data = random.Random(size).randbytes(size)
    object_id = writer(state, tmp_path).put("dicom", "scanner", data, 1_700_000_000_000)
    found = reader(state, tmp_path)
    assert found.ids() == [object_id]
    item = found.open(object_id)
    assert (item.kind, item.source, item.received_ms, bytes(item.data)) == (
        "dicom",
        "scanner",
        1_700_000_000_000,
        data,
    )


def test_ids_come_oldest_first_even_if_the_clock_jumps_back(state, tmp_path):
    sink = writer(state, tmp_path)
    ids = [sink.put("dicom", "scanner", b"x", moment) for moment in (5000, 5000, 4000, 6000)]
    assert reader(state, tmp_path).ids() == ids == sorted(ids)


def test_nothing_readable_lies_on_the_disk(state, tmp_path):
    writer(state, tmp_path).put("dicom", "secret-source", PLANTED * 100, 0)
    assert PLANTED not in raw(tmp_path)
    assert b"secret-source" not in raw(tmp_path)
    # The control: the same search finds it where it stands in plain.
    (tmp_path / "plain").write_bytes(PLANTED * 100)
    assert PLANTED in raw(tmp_path)


def test_the_daemons_group_can_open_and_delete_and_others_nothing(state, tmp_path):
    before = os.umask(0o007)  # as the capture process's unit sets it
    try:
        object_id = writer(state, tmp_path).put("dicom", "scanner", b"x", 0)
    finally:
        os.umask(before)
    folder = tmp_path / "inbox" / object_id.hex()
    assert folder.stat().st_mode & 0o777 == 0o770
    assert (folder / "key").stat().st_mode & 0o777 == 0o660
    assert (folder / "data").stat().st_mode & 0o777 == 0o660


def test_deletion_destroys_the_key_first(state, tmp_path, monkeypatch):
    sink = writer(state, tmp_path)
    object_id = sink.put("dicom", "scanner", PLANTED, 0)
    sink.close()
    held = os.open(tmp_path / "inbox" / object_id.hex() / "key", os.O_RDONLY)
    wrapped = os.pread(held, 4096, 0)

    def power_cut(*_args, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr(objects_module.shutil, "rmtree", power_cut)
    with pytest.raises(KeyboardInterrupt):
        reader(state, tmp_path).delete(object_id)
    monkeypatch.undo()
    # The data is still there, the key is not: neither under its name nor in its old blocks.
    folder = tmp_path / "inbox" / f".del-{object_id.hex()}"
    assert [path.name for path in folder.iterdir()] == ["data"]
    assert os.pread(held, 4096, 0) != wrapped
    os.close(held)
    assert reader(state, tmp_path).ids() == []
    writer(state, tmp_path)
    assert not folder.exists()
    reader(state, tmp_path).delete(object_id)  # twice is no error


@pytest.mark.parametrize("step", ["rename", "sync_directory", "open", "fsync", "unlink", "rmtree"])
@pytest.mark.parametrize("who", ["reader", "writer"])
def test_a_deletion_cut_short_at_any_step_lists_nothing_that_cannot_be_opened(
    state, tmp_path, monkeypatch, step, who
):
    sink = writer(state, tmp_path)
    object_id, other = (sink.put("dicom", "scanner", PLANTED, n) for n in range(2))
    sink.close()
    found = reader(state, tmp_path)
    owner = {
        "rename": Path,
        "open": Path,
        "unlink": Path,
        "fsync": os,
        "sync_directory": objects_module.crypto,
        "rmtree": objects_module.shutil,
    }[step]

    def kill(*_args, **_options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(owner, step, kill)
        with pytest.raises(KeyboardInterrupt):
            found.delete(object_id)
    left = found.ids()
    assert left == ([object_id, other] if step == "rename" else [other])
    for listed in left:
        assert bytes(found.open(listed).data) == PLANTED
    # A start of either process ends it.
    again = writer(state, tmp_path) if who == "writer" else reader(state, tmp_path)
    assert again
    assert not list((tmp_path / "inbox").glob(".del-*"))
    assert reader(state, tmp_path).ids() == left


def test_a_deletion_in_quarantine_is_ended_at_the_start(state, tmp_path):
    left = tmp_path / "quarantine" / f".del-{bytes(16).hex()}.unreadable"
    left.mkdir(parents=True)
    (left / "key").write_bytes(b"x" * 100)
    found = reader(state, tmp_path)
    assert not left.exists()
    assert found.quarantined() == {}


def test_a_changed_object_is_damaged_not_wrong(state, tmp_path):
    sink = writer(state, tmp_path)
    ids = [sink.put("dicom", "scanner", bytes(2 * CHUNK + 5), 0) for _ in range(4)]
    folder = [tmp_path / "inbox" / object_id.hex() for object_id in ids]
    data = bytearray((folder[0] / "data").read_bytes())
    data[-1] ^= 1
    (folder[0] / "data").write_bytes(data)  # a flipped bit
    (folder[1] / "data").write_bytes((folder[1] / "data").read_bytes()[:-21])  # the last chunk gone
    (folder[2] / "key").write_bytes((folder[3] / "key").read_bytes())  # another object's key
    found = reader(state, tmp_path)
    for object_id in ids[:3]:
        with pytest.raises(Damaged):
            found.open(object_id)
    assert len(found.open(ids[3]).data) == 2 * CHUNK + 5
    with pytest.raises(KeyError):
        found.open(bytes(16))


def test_another_boxs_key_opens_nothing(state, tmp_path):
    object_id = writer(state, tmp_path).put("dicom", "scanner", PLANTED, 0)
    make_disk_key(tmp_path)
    other = InboxReader(tmp_path / "inbox", load_private(tmp_path / "keys" / "disk.key"))
    with pytest.raises(Damaged):
        other.open(object_id)


def test_quarantine_keeps_the_reason_and_its_bound(state, tmp_path):
    sink = writer(state, tmp_path)
    ids = [sink.put("dicom", "scanner", bytes(50_000), 0) for _ in range(4)]
    found = reader(state, tmp_path, max_bytes=120_000)
    for object_id in ids[:3]:
        found.quarantine(object_id, "unreadable")
    assert found.ids() == ids[3:]
    assert found.quarantined() == {"unreadable": 2}
    assert not list((tmp_path / "quarantine").glob(f"{ids[0].hex()}*"))  # the oldest gave way
    with pytest.raises(ValueError, match="closed list"):
        found.quarantine(ids[3], "DOE^JANE")
    assert found.counts().objects == 1


def test_a_full_inbox_refuses_and_deletion_makes_room(state, tmp_path):
    sink = writer(state, tmp_path, InboxLimits(max_bytes=120_000, min_free=0))
    ids = [sink.put("dicom", "scanner", bytes(50_000), 0) for _ in range(2)]
    with pytest.raises(InboxFull):
        sink.put("dicom", "scanner", bytes(50_000), 0)
    found = reader(state, tmp_path)
    assert found.ids() == ids
    found.delete(ids[0])
    sink.put("dicom", "scanner", bytes(50_000), 0)


def test_free_disk_is_kept(state, tmp_path):
    disk = os.statvfs(tmp_path)
    sink = writer(state, tmp_path, InboxLimits(min_free=disk.f_bavail * disk.f_frsize * 2))
    with pytest.raises(InboxFull):
        sink.put("dicom", "scanner", b"x", 0)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a tiny file system needs root")
def test_a_disk_that_fills_up_while_writing(state, tmp_path, monkeypatch):
    mount = tmp_path / "tiny"
    mount.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", mount], check=False).returncode:
        pytest.skip("this machine does not allow mounts")
    try:
        sink = writer(state, mount)
        first = sink.put("dicom", "scanner", bytes(100_000), 0)
        (mount / "other").write_bytes(bytes(150_000))
        # The free disk is asked before: pretend that there was room.
        roomy = os.statvfs("/")
        monkeypatch.setattr(os, "statvfs", lambda _path: roomy)
        with pytest.raises(InboxFull):
            sink.put("dicom", "scanner", bytes(300_000), 0)
        assert reader(state, mount).ids() == [first]
        assert not list((mount / "inbox").glob(".new-*"))
        sink.put("dicom", "scanner", bytes(1000), 0)
        sink.close()
    finally:
        subprocess.run(["umount", mount], check=True)


def test_a_second_writer_is_refused(state, tmp_path):
    first = writer(state, tmp_path)
    with pytest.raises(InboxLocked):
        writer(state, tmp_path)
    first.close()
    writer(state, tmp_path)


CHILD = """
import sys
from pathlib import Path
from edge.store.inbox import InboxLimits, InboxWriter
from edge.store.inbox_crypto import load_public
sink = InboxWriter(Path(sys.argv[2]), load_public(Path(sys.argv[1])), InboxLimits(min_free=0))
print("ready", flush=True)
for n in range(100000):
    data = n.to_bytes(4, "big") * (20_000 if n % 3 else 400_000)
    print(n, sink.put("dicom", "scanner", data, n).hex(), flush=True)
"""


def test_kill_at_random_moments_loses_nothing_that_was_reported(state, tmp_path):
    moments = random.Random(7)
    reported: dict[bytes, int] = {}
    half_written = 0
    for _ in range(15):
        command = [sys.executable, "-c", CHILD, state / "disk.pub", tmp_path / "inbox"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
            time.sleep(moments.uniform(0.0, 0.08))
            child.send_signal(signal.SIGKILL)
            lines = child.stdout.read().splitlines()
        for line in lines:
            if len(line.split()) == 2 and len(line.split()[1]) == 32:
                reported[bytes.fromhex(line.split()[1])] = int(line.split()[0])
        half_written += len(list((tmp_path / "inbox").glob(".new-*")))
    assert reported
    assert half_written, "no kill hit a write: the test proved nothing"
    writer(state, tmp_path)
    assert not list((tmp_path / "inbox").glob(".new-*"))
    found = reader(state, tmp_path)
    ids = found.ids()
    assert set(reported) <= set(ids)
    for object_id in ids:  # also one that was complete, but not yet reported
        data = found.open(object_id).data
        number = int.from_bytes(data[:4], "big")
        assert data == number.to_bytes(4, "big") * (20_000 if number % 3 else 400_000)
        assert reported.get(object_id, number) == number


def test_the_disk_key_is_kept_and_owner_only(tmp_path):
    make_disk_key(tmp_path)
    private = tmp_path / "keys" / "disk.key"
    assert private.stat().st_mode & 0o777 == 0o600
    before = private.read_bytes()
    public = (tmp_path / "disk.pub").read_bytes()
    (tmp_path / "disk.pub").unlink()
    make_disk_key(tmp_path)
    assert private.read_bytes() == before
    assert (tmp_path / "disk.pub").read_bytes() == public
    private.write_bytes(b"short")
    with pytest.raises(ValueError, match="edge init-box"):
        load_private(private)
