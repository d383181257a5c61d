"""Parts of open series: counted once an object, encrypted, kept over a restart (threat model, T6, T15)."""

from __future__ import annotations

import pytest
from cryptography.exceptions import InvalidTag

from edge.store.database import StoreError
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


def test_what_comes_after_a_kill_between_result_and_drop_gets_a_result_of_its_own(tmp_path):
    path = tmp_path / "series.db"
    store = PartialSeries(path, KEY)
    store.put(STUDY, SERIES, _object(1), b"early", 10.0)
    assert store.parts(SERIES) == [b"early"]
    sent = store.generation(SERIES)
    store.close()  # killed: the result is in the spool, its parts were not dropped
    store = PartialSeries(path, KEY)
    store.put(STUDY, SERIES, _object(1), b"again", 20.0)  # the object in flight, done again
    assert store.objects(SERIES) == 0
    store.put(STUDY, SERIES, _object(2), b"late", 20.0)
    assert store.objects(SERIES) == 1
    assert store.silent_since(15.0) == [(STUDY, SERIES)]  # the begun end is ended first
    assert store.silent_since(20.0) == [(STUDY, SERIES)] * 2
    assert (store.parts(SERIES), store.generation(SERIES)) == ([b"early"], sent)
    store.drop(SERIES)
    assert store.silent_since(15.0) == []
    assert store.parts(SERIES) == [b"late"]
    assert store.generation(SERIES) != sent
    store.drop(SERIES)
    assert (store.parts(SERIES), store.silent_since(1e9)) == ([], [])


def test_what_comes_while_a_result_is_sent_is_not_dropped_with_it(tmp_path):
    store = PartialSeries(tmp_path / "series.db", KEY)
    store.put(STUDY, SERIES, _object(1), b"early", 10.0)
    store.parts(SERIES)
    store.put(STUDY, SERIES, _object(2), b"late", 11.0)
    store.generation(SERIES)
    store.put(STUDY, SERIES, _object(3), b"later", 12.0)
    store.drop(SERIES)
    assert store.parts(SERIES) == [b"late", b"later"]


def test_studies_do_not_share_a_series(tmp_path):
    other = b"t" * 16
    store = PartialSeries(tmp_path / "series.db", KEY)
    store.put(STUDY, SERIES, _object(1), b"mine", 10.0)
    store.put(other, SERIES, _object(2), b"theirs", 11.0)
    assert store.silent_since(20.0) == [(STUDY, SERIES), (other, SERIES)]
    assert store.objects(SERIES, other) == 1
    assert store.parts(SERIES, other) == [b"theirs"]
    assert store.generation(SERIES, other) != store.generation(SERIES, STUDY)
    store.drop(SERIES, other)
    assert store.silent_since(20.0) == [(STUDY, SERIES)]
    # One after the other, as a caller does it who names the series only.
    store.put(other, SERIES, _object(2), b"theirs", 12.0)
    assert store.parts(SERIES) == [b"mine"]
    store.drop(SERIES)
    assert store.parts(SERIES) == [b"theirs"]


def test_only_store_errors_come_out(tmp_path):
    store = PartialSeries(tmp_path / "series.db", KEY)
    store.close()
    uses = (
        lambda: store.put(STUDY, SERIES, _object(1), b"x", 1.0),
        lambda: store.parts(SERIES),
        lambda: store.objects(SERIES),
        lambda: store.silent_since(1.0),
        lambda: store.generation(SERIES),
        lambda: store.drop(SERIES),
    )
    for use in uses:
        with pytest.raises(StoreError):
            use()


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
