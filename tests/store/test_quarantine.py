"""The quarantine: sealed at rest, bounded, and each deed of a person in the audit log before it is done."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edge.imaging.frames import Acquisition, RawFrame
from edge.store import audit, objects
from edge.store.inbox_crypto import load_private, make_disk_key
from edge.store.objects import Damaged
from edge.store.quarantine import Quarantine, QuarantineLimits, as_frame

PLANTED = b"PLANTED^NAME"
NOW = 1_700_000_000_000
DAY = 86_400_000


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    state = tmp_path_factory.mktemp("state")
    make_disk_key(state)
    return load_private(state / "keys" / "disk.key")


@pytest.fixture
def make(key, tmp_path):
    def made(now=NOW, **limits):
        return Quarantine(tmp_path / "quarantine", key, QuarantineLimits(**limits), lambda: now)

    return made


def frame(index=3, shape=(64, 80, 3)) -> RawFrame:
    pixels = np.zeros(shape, np.uint8)
    pixels.reshape(-1)[: len(PLANTED)] = list(PLANTED)
    return RawFrame(pixels, "sono", index, 5, NOW - 1, Acquisition("US", "LIVER"))


def on_disk(folder: Path) -> bytes:
    return b"".join(str(p).encode() + p.read_bytes() for p in folder.rglob("*") if p.is_file())


def audited(room) -> list[tuple[str, str]]:
    lines = [json.loads(line) for line in room.audit_log.read_text().splitlines()]
    return [(line["what"], line["by"]) for line in lines]


def test_a_frame_comes_back_bit_for_bit_and_its_list_shows_no_pixel(make):
    room, given = make(), frame()
    found = make().open(room.put("unknown_layout", "sono", given))
    again = as_frame(found, captured_ns=9)
    assert np.array_equal(again.pixels, given.pixels)
    assert (again.source, again.index, again.captured_ms, again.captured_ns) == ("sono", 3, NOW - 1, 9)
    assert (again.acquisition.modality, again.acquisition.body_part) == ("US", "LIVER")
    (entry,) = room.entries()
    assert (entry.reason, entry.kind, entry.source, entry.received_ms) == (
        "unknown_layout",
        "frame",
        "sono",
        NOW,
    )
    assert PLANTED not in repr(entry).encode()


def test_nothing_of_a_frame_is_readable_on_the_disk(make, tmp_path):
    make().put("unknown_layout", "sono", frame())
    found = on_disk(tmp_path / "quarantine")
    assert len(found) > 64 * 80 * 3
    assert PLANTED not in found
    assert PLANTED in frame().pixels.tobytes()  # the control: it would have been found


def test_modes_are_owner_only(make, tmp_path):
    make().put("unknown_layout", "sono", frame())
    assert (tmp_path / "quarantine").stat().st_mode & 0o077 == 0


def test_a_reason_from_outside_the_list_is_refused(make):
    with pytest.raises(ValueError, match="closed list"):
        make().put("DOE^JANE", "sono", frame())


def test_the_oldest_give_way_to_each_bound_and_the_newest_never_goes(make):
    size = make().put("unknown_layout", "sono", frame()) and make().entries()[0].bytes
    bounds = (({"max_objects": 2}, 2), ({"max_bytes": int(2.5 * size)}, 2), ({"max_bytes": 1}, 1))
    for start, (limits, left) in enumerate(bounds):
        times = [NOW + 10 * start + n for n in range(1, 5)]
        ids = [make(time, **limits).put("text_left", "sono", frame()) for time in times]
        assert [entry.id for entry in make().entries()] == ids[-left:]
    assert {("erase", "objects"), ("erase", "bytes")} == set(audited(make()))


def test_what_is_too_old_is_erased_and_no_sooner(make):
    make().put("unknown_layout", "sono", frame())
    make(NOW + DAY - 1, max_age=86_400.0).expire()
    assert len(make().entries()) == 1
    make(NOW + DAY + 1, max_age=86_400.0).expire()
    assert make().entries() == []
    assert audited(make()) == [("erase", "age")]


def test_a_full_disk_keeps_no_frame_and_breaks_nothing(make, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(objects, "write", full)
    assert make().put("unknown_layout", "sono", frame()) is None
    assert make().entries() == []


def test_discard_destroys_the_key_and_is_noted_first(make, monkeypatch):
    room = make()
    object_id = room.put("unknown_layout", "sono", frame())
    with monkeypatch.context() as patch:

        def refuse(*_):
            raise OSError(28, "No space left on device")

        patch.setattr(audit, "append", refuse)
        with pytest.raises(OSError, match="No space"):
            room.discard(object_id, "ann")
        assert len(room.entries()) == 1  # what cannot be noted is not done
    room.discard(object_id, "ann")
    assert room.entries() == []
    with pytest.raises(KeyError):
        room.discard(object_id, "ann")
    assert audited(room) == [("discard", "ann")]
    assert audit.check(room.audit_log).broken == 0


def test_a_released_frame_waits_for_the_daemon_which_ends_it_or_takes_it_back(make, tmp_path):
    room = make()
    passes, fails = (room.put("unknown_layout", "sono", frame(n)) for n in range(2))
    for object_id in (passes, fails):
        room.release(object_id, "ann", tmp_path / "inbox")
    daemon = make()
    assert sorted(daemon.released()) == sorted([passes, fails])
    assert all(entry.released for entry in room.entries())
    assert as_frame(daemon.open(passes), 0).index == 0
    daemon.settle(passes, None)
    daemon.settle(fails, "text_left")
    (left,) = room.entries()
    assert (left.id, left.reason, left.released, room.released()) == (fails, "text_left", False, [])
    assert audited(room) == [("release", "ann")] * 2 + [("settle", "box")] * 2


def test_a_damaged_object_is_listed_discarded_and_not_released(make, tmp_path):
    room = make()
    object_id = room.put("unknown_layout", "sono", frame())
    data = next((tmp_path / "quarantine").glob("*/data"))
    data.write_bytes(b"\0\1x")
    assert room.entries()[0].kind == "damaged"
    with pytest.raises(Damaged):
        room.release(object_id, "ann", tmp_path / "inbox")
    room.discard(object_id, "ann")
    assert room.entries() == []


def test_a_frame_half_written_at_a_kill_is_gone_at_the_next_start(make, tmp_path, monkeypatch):
    def kill(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", kill)
        with pytest.raises(KeyboardInterrupt):
            make().put("unknown_layout", "sono", frame())
    assert make().entries() == []
    make().clean()
    assert list((tmp_path / "quarantine").iterdir()) == []
