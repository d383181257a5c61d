"""Parts of open series: counted once an object, encrypted, kept over a restart (threat model, T6, T15)."""

from __future__ import annotations

import pytest
from cryptography.exceptions import InvalidTag

from edge.store.partial import PartialSeries

KEY = bytes(range(32))
STUDY, SERIES = b"s" * 16, b"e" * 16


def _object(number):
    return bytes([number]) * 16


def test_an_object_that_is_done_again_replaces_its_part(tmp_path):
    store = PartialSeries(tmp_path / "series.db", KEY)
    store.put(STUDY, SERIES, _object(1), b"first", 10.0)
    store.put(STUDY, SERIES, _object(2), b"other", 11.0)
    store.put(STUDY, SERIES, _object(1), b"again", 12.0)
    assert store.objects(SERIES) == 2
    assert store.parts(SERIES) == [b"again", b"other"]


def test_a_series_is_due_when_it_was_silent_and_gone_after_its_result(tmp_path):
    path = tmp_path / "series.db"
    store = PartialSeries(path, KEY)
    store.put(STUDY, SERIES, _object(1), b"part", 10.0)
    store.close()
    store = PartialSeries(path, KEY)
    assert store.silent_since(9.0) == []
    assert store.silent_since(10.0) == [(STUDY, SERIES)]
    first = store.generation(SERIES)
    assert store.generation(SERIES) == first
    store.drop(SERIES)
    assert store.silent_since(1e9) == []
    store.put(STUDY, SERIES, _object(1), b"part", 20.0)
    assert store.generation(SERIES) != first  # a series that opens again gets a result of its own


def test_parts_are_encrypted_and_bound_to_their_place(tmp_path):
    path = tmp_path / "series.db"
    store = PartialSeries(path, KEY)
    store.put(STUDY, SERIES, _object(1), b"PLANTED-FINDING", 10.0)
    store.close()
    on_disk = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"PLANTED-FINDING" not in on_disk
    assert SERIES in on_disk  # the control: this search finds what is written in the clear
    with pytest.raises(InvalidTag):
        PartialSeries(path, bytes(32)).parts(SERIES)
