from __future__ import annotations

import os

import pytest

from edge.store.database import StoreError
from edge.store.seen import Handles

KEY = os.urandom(32)


def test_handles_are_stable_random_and_apart(tmp_path):
    h = Handles(tmp_path / "h.db", KEY, 100)
    study = h.study("1.2.3")
    assert len(study) == 16
    assert h.study("1.2.3") == study
    assert h.series("1.2.3") != study
    assert h.study("1.2.4") != study
    h.close()
    again = Handles(tmp_path / "h.db", KEY, 100)
    assert again.study("1.2.3") == study
    assert Handles(tmp_path / "other.db", KEY, 100).study("1.2.3") != study


def test_no_uid_is_in_the_file(tmp_path):
    h = Handles(tmp_path / "h.db", KEY, 100)
    uid = "1.2.826.0.1.3680043.8.498"
    handle = h.study(uid)
    h.claim(uid, bytes(32), b"o" * 16)
    h.close()
    raw = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert uid.encode() not in raw
    assert handle in raw  # the control: the search finds what is there


def test_unused_handles_are_forgotten(tmp_path):
    now = [0.0]
    h = Handles(tmp_path / "h.db", KEY, 100, lambda: now[0])
    kept, lost = h.study("kept"), h.study("lost")
    now[0] = 60
    h.study("kept")
    now[0] = 110
    assert h.study("kept") == kept
    assert h.study("lost") != lost


def test_an_object_that_comes_again_is_not_claimed_twice(tmp_path):
    h = Handles(tmp_path / "h.db", KEY, 100)
    assert h.claim("1.2", b"c" * 32, b"a" * 16)
    assert h.claim("1.2", b"c" * 32, b"a" * 16)  # the same inbox object, after a crash
    assert not h.claim("1.2", b"c" * 32, b"b" * 16)
    assert h.claim("1.2", b"d" * 32, b"b" * 16)  # corrected content is new
    assert h.claim("1.3", b"c" * 32, b"c" * 16)


def test_a_short_key_is_refused(tmp_path):
    with pytest.raises(ValueError, match="32 bytes"):
        Handles(tmp_path / "h.db", b"short", 100)


def test_objects_that_name_no_study_do_not_share_one(tmp_path):
    h = Handles(tmp_path / "h.db", KEY, 100)
    for handle_of in (h.study, h.series):
        assert len({handle_of("") for _ in range(5)}) == 5
        assert len(handle_of("")) == 16
        assert len({handle_of("1.2") for _ in range(5)}) == 1  # the control
    missing = h.study("")
    h.close()
    assert missing not in b"".join(file.read_bytes() for file in tmp_path.iterdir())


def test_a_uid_that_is_no_text_has_a_handle_too(tmp_path):
    h = Handles(tmp_path / "h.db", KEY, 100)
    assert h.study("1.2\udcff") == h.study("1.2\udcff") != h.study("1.2")


def test_only_store_errors_come_out(tmp_path):
    h = Handles(tmp_path / "h.db", KEY, 100)
    h.close()
    with pytest.raises(StoreError):
        h.study("1.2")
    (tmp_path / "h.db").write_bytes(b"no database" * 100)
    with pytest.raises(StoreError):
        Handles(tmp_path / "h.db", KEY, 100)
