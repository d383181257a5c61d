"""The watched folder: whole files once, nothing removed before it is safe."""

from __future__ import annotations

import os
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import FILES, eventually

from edge.capture.folder import Folder, Mark, Settling
from edge.capture.sink import Refused


class Kept:
    """A sink that keeps what it is given, or refuses."""

    def __init__(self) -> None:
        self.items: list[tuple[str, str, bytes]] = []
        self.full = False

    def put(self, kind, source, data):
        if self.full:
            raise Refused("full")
        self.items.append((kind, source, bytes(data)))


@pytest.fixture
def start(tmp_path):
    started = []

    def make(**options):
        sink = Kept()
        (tmp_path / "in").mkdir(exist_ok=True)
        given = {"max_object": 1 << 20, "settle": 0.2, "poll": 0.05, **options}
        folder = Folder("drop", tmp_path / "in", sink, **given)
        folder.start()
        started.append(folder)
        return folder, sink, tmp_path / "in"

    yield make
    for folder in started:
        folder.stop()


def test_dicom_png_jpeg_and_others_by_their_content(start):
    _, sink, where = start()
    image = np.zeros((8, 8), np.uint8)
    (where / "sub").mkdir()
    (where / "sub" / "a").write_bytes((FILES / "CT_small.dcm").read_bytes())
    (where / "b.dcm").write_bytes(cv2.imencode(".png", image)[1].tobytes())
    (where / "c.png").write_bytes(cv2.imencode(".jpg", image)[1].tobytes())
    (where / "d.txt").write_bytes(b"no image")
    eventually(lambda: len(sink.items) == 4)
    assert sorted(kind for kind, _, _ in sink.items) == ["dicom", "dicom", "still", "still"]
    eventually(lambda: not [path for path in where.rglob("*") if path.is_file()])


def test_half_written_partial_hidden_and_linked_files_are_left_alone(start, tmp_path):
    _, sink, where = start()
    secret = tmp_path / "elsewhere"
    secret.write_bytes(b"not to be read")
    (where / "link.dcm").symlink_to(secret)
    (where / ".hidden").write_bytes(b"x")
    (where / "x.part").write_bytes(b"x")
    os.mkfifo(where / "pipe")
    with (where / "slow.dcm").open("wb") as file:
        for piece in range(8):
            file.write(bytes([piece]) * 100)
            file.flush()
            time.sleep(0.08)
            assert sink.items == []
    eventually(lambda: sink.items)
    assert len(sink.items[0][2]) == 800
    time.sleep(0.3)
    assert len(sink.items) == 1
    assert sorted(path.name for path in where.iterdir()) == [".hidden", "link.dcm", "pipe", "x.part"]


def test_a_full_inbox_leaves_the_file_until_there_is_room(start):
    folder, sink, where = start()
    sink.full = True
    (where / "a").write_bytes(b"data")
    eventually(lambda: folder.health().state == "waiting")
    assert (where / "a").exists()
    sink.full = False
    eventually(lambda: sink.items and not (where / "a").exists())
    eventually(lambda: folder.health().state == "running")


def test_a_folder_that_goes_and_comes_back(start):
    folder, sink, where = start()
    eventually(lambda: folder.health().state == "running")
    where.rmdir()
    eventually(lambda: folder.health().state == "waiting")
    where.mkdir()
    (where / "a").write_bytes(b"data")
    eventually(lambda: sink.items)


def test_too_large_stays_and_is_counted(start):
    folder, sink, where = start(max_object=100)
    (where / "large").write_bytes(bytes(101))
    eventually(lambda: folder.health().dropped == 1)
    time.sleep(0.3)
    assert (where / "large").exists()
    assert sink.items == []
    assert folder.health().dropped == 1


def test_without_delete_each_file_is_taken_once_even_after_a_restart(start, tmp_path):
    folder, sink, where = start(delete=False, memory=tmp_path / "state" / "seen")
    (where / "DOE_JANE.dcm").write_bytes(b"data")
    eventually(lambda: sink.items)
    folder.stop()
    assert b"JANE" not in (tmp_path / "state" / "seen").read_bytes()
    _, again, _ = start(delete=False, memory=tmp_path / "state" / "seen")
    (where / "other").write_bytes(b"more")
    eventually(lambda: again.items)
    assert [data for _, _, data in again.items] == [b"more"]
    assert (where / "DOE_JANE.dcm").exists()


def test_an_empty_file_is_given_time_and_then_taken():
    settling = Settling(settle=1.0)
    empty, full = Mark(1, 1, 0, 5), Mark(1, 2, 9, 4)
    seen = {Path("empty"): empty, Path("full"): full}
    assert settling.whole(seen, 0.0) == []
    assert settling.whole(seen, 1.0) == [Path("full")]
    assert settling.whole(seen, 10.0) == [Path("full"), Path("empty")]
    assert settling.whole({**seen, Path("full"): Mark(1, 2, 10, 6)}, 11.0) == [Path("empty")]


def test_through_the_process_into_the_inbox_without_names_in_the_log(box, tmp_path):
    where = tmp_path / "in"
    where.mkdir()
    box.settings(f'[[source]]\nname = "drop"\nkind = "folder"\npath = "{where}"', dicom="enabled = false")
    box.start()
    (where / "DOE_JANE.dcm").write_bytes((FILES / "CT_small.dcm").read_bytes())
    (where / "ROE_JOHN.dcm").write_bytes(b"")
    eventually(lambda: len(box.inbox().ids()) == 1)
    item = box.inbox().open(box.inbox().ids()[0])
    assert (item.kind, item.source) == ("dicom", "drop")
    eventually(lambda: not (where / "DOE_JANE.dcm").exists())
    assert b"DOE" not in box.log.read_bytes()
