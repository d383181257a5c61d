"""``edge quarantine`` as a technician at the box uses it, on a real state directory."""

from __future__ import annotations

import json
import os
import stat

import cv2
import numpy as np
import pytest

from edge.cli import main
from edge.imaging.frames import Acquisition, RawFrame
from edge.store.inbox import InboxLimits, InboxReader, InboxWriter
from edge.store.inbox_crypto import load_private, load_public, make_disk_key
from edge.store.quarantine import Quarantine

PIXELS = np.random.default_rng(0).integers(0, 255, (96, 128, 3), np.uint8)


class Box:
    def __init__(self, state):
        self.state, self.settings = state, state / "edge.toml"
        self.settings.write_text(
            f'[box]\nstate = "{state}"\n[[source]]\nname = "sono"\nlooks_at = "screen"\n'
            '[[source]]\nname = "cam"\nlooks_at = "film"\n'
        )
        make_disk_key(state)
        key = load_private(state / "keys" / "disk.key")
        self.quarantine = Quarantine(state / "quarantine", key)
        self.writer = InboxWriter(state / "inbox", load_public(state / "disk.pub"), InboxLimits(min_free=0))
        self.inbox = InboxReader(state / "inbox", key, self.quarantine)

    def frame(self, source="sono"):
        raw = RawFrame(PIXELS, source, 1, 2, 3, Acquisition())
        return self.quarantine.put("unknown_layout", source, raw).hex()

    def still(self):
        _, page = cv2.imencode(".png", PIXELS[:, :, ::-1])
        object_id = self.writer.put("still", "shots", page.tobytes(), 5)
        self.inbox.quarantine(object_id, "unknown_layout")
        return object_id.hex()

    def edge(self, *args):
        return main(["quarantine", *map(str, args), "--settings", str(self.settings)])

    def audited(self):
        return [json.loads(line) for line in self.quarantine.audit_log.read_text().splitlines()]


@pytest.fixture
def box(tmp_path, monkeypatch):
    monkeypatch.setenv("SUDO_USER", "ann")
    return Box(tmp_path)


@pytest.mark.parametrize("kind", ["frame", "still"])
def test_show_writes_a_picture_for_the_owner_alone_and_never_over_a_file(box, tmp_path, kind):
    object_id, out = getattr(box, kind)(), tmp_path / "seen.png"
    assert box.edge("show", object_id[:12], "--out", out) == 0
    assert np.array_equal(cv2.imread(str(out))[:, :, ::-1], PIXELS)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    (line,) = box.audited()
    assert (line["what"], line["by"], line["id"]) == ("show", "ann", object_id)
    assert box.edge("show", object_id, "--out", out) == 2
    assert box.edge("show", object_id, "--out", tmp_path / "other.png", "--frame", 2) == (
        2 if kind == "still" else 0
    )


def test_what_has_no_picture_is_refused(box, tmp_path, capsys):
    object_id = box.writer.put("dicom", "scanner", b"DOE^JANE", 5)
    box.inbox.quarantine(object_id, "unreadable")
    assert box.edge("show", object_id.hex(), "--out", tmp_path / "x.png") == 2
    assert "DOE" not in capsys.readouterr().err
    assert not (tmp_path / "x.png").exists()


def test_a_released_object_of_the_inbox_waits_there_again(box):
    object_id = box.still()
    assert box.edge("release", object_id) == 0
    assert [found.hex() for found in box.inbox.ids()] == [object_id]
    assert box.quarantine.entries() == []
    assert box.audited()[0]["what"] == "release"


def test_a_frame_of_a_camera_cannot_be_released(box, capsys):
    assert box.edge("release", box.frame("cam")) == 2
    assert "discard it" in capsys.readouterr().err
    assert box.quarantine.released() == []


def test_discard_erases_and_an_unknown_or_ambiguous_id_does_nothing(box, capsys):
    first, second = box.frame(), box.frame()
    assert box.edge("discard", "0") == 2
    assert "2 objects have it" in capsys.readouterr().err
    assert box.edge("discard", first) == 0
    assert box.edge("discard", first) == 2
    assert box.edge("list") == 0
    listed = capsys.readouterr().out
    assert second in listed
    assert first not in listed


def test_an_altered_audit_log_is_found(box):
    box.edge("discard", box.frame())
    box.edge("discard", box.frame())
    assert box.edge("audit") == 0
    log = box.quarantine.audit_log
    log.write_bytes(log.read_bytes().replace(b'"by": "ann"', b'"by": "bob"', 1))
    assert box.edge("audit") == 1


def test_another_user_is_turned_away_before_anything_is_touched(box, monkeypatch, capsys):
    monkeypatch.setattr(os, "geteuid", lambda: box.state.stat().st_uid + 1)
    assert box.edge("list") == 2
    assert "sudo -u" in capsys.readouterr().err
