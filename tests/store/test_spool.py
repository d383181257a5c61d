"""The spool: nothing lost without a gap record, nothing twice (docs/threat-model.md, T3, T15, T16)."""

from __future__ import annotations

import random
import stat
import subprocess
import sys
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.store.database import StoreError
from edge.store.gaps import pending
from edge.store.spool import Spool

DAY = 86400.0


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "spool.db"


def spool(path, clock, max_bytes=10_000, max_age=30 * DAY, **how) -> Spool:
    return Spool(path, max_bytes, max_age, clock, **how)


def put(s: Spool, stream="a", size=100, priority=1, source=None) -> int | None:
    return s.append(
        stream,
        f"t/{stream}",
        lambda seq: seq.to_bytes(4, "big") + bytes(size - 4),
        source=source,
        priority=priority,
    )


def seqs(s: Spool, stream="a", now=0.0) -> list[int]:
    return [row.seq for row in s.due(now, 1000) if row.stream == stream]


def gaps(s: Spool) -> list[tuple[str, int, int, str]]:
    return sorted((g.stream, g.first, g.last, g.why) for g in s.pending_gaps())


def test_numbers_rise_by_one_in_each_stream_and_survive_a_restart(path, clock):
    s = spool(path, clock)
    assert [put(s), put(s), put(s, "b")] == [1, 2, 1]
    epoch = s.epoch
    s.close()
    s = spool(path, clock)
    assert s.epoch == epoch
    assert [put(s), put(s, "b")] == [3, 2]
    rows = s.due(0, 10)
    assert [(r.stream, r.seq, r.topic) for r in rows] == [
        ("a", 1, "t/a"),
        ("a", 2, "t/a"),
        ("a", 3, "t/a"),
        ("b", 1, "t/b"),
        ("b", 2, "t/b"),
    ]
    assert rows[1].sealed == (2).to_bytes(4, "big") + bytes(96)


def test_the_file_is_owner_only(path, clock):
    put(spool(path, clock))
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file.name


def test_a_source_is_answered_once_across_restarts(path, clock):
    s = spool(path, clock)
    assert put(s, source=b"x") == 1
    assert put(s, source=b"x") is None
    s.acknowledge("a", s.epoch, 1)
    s.close()
    s = spool(path, clock)
    assert s.answered(b"x")
    assert not s.answered(b"y")
    assert put(s, source=b"x") is None
    s.forget_source(b"x")
    assert put(s, source=b"x") == 2


def test_a_failing_seal_changes_nothing(path, clock):
    s = spool(path, clock)

    def fail(_: int) -> bytes:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        s.append("a", "t", fail, source=b"x", priority=1)
    assert not s.answered(b"x")
    assert s.counts().rows == 0
    assert put(s, source=b"x") == 1


def test_rows_go_on_an_acknowledgement_of_this_epoch_alone(path, clock):
    s = spool(path, clock)
    for _ in range(5):
        put(s)
    put(s, "b")
    assert s.acknowledge("a", bytes(16), 5) == 0
    assert s.acknowledge("a", s.epoch, 6) == 0  # a number that was never given
    assert s.acknowledge("c", s.epoch, 1) == 0
    assert s.counts().rows == 6
    assert s.acknowledge("a", s.epoch, 3) == 3
    assert s.acknowledge("a", s.epoch, 3) == 0
    assert seqs(s) == [4, 5]
    assert seqs(s, "b") == [1]


def test_bytes_run_out_lowest_priority_first_then_oldest(path, clock):
    s = spool(path, clock, max_bytes=1000)
    for _ in range(2):
        put(s, "scanner", 200, priority=2)
    for _ in range(3):
        put(s, "live", 200, priority=0)
    put(s, "scanner", 300, priority=2)
    assert gaps(s) == [("live", 1, 2, "bytes")]
    assert seqs(s, "live") == [3]
    assert seqs(s, "scanner") == [1, 2, 3]
    assert s.counts().bytes <= 1000


def test_a_low_row_gives_way_itself_when_only_higher_rows_are_left(path, clock):
    s = spool(path, clock, max_bytes=400)
    for _ in range(2):
        put(s, "scanner", 200, priority=2)
    assert put(s, "live", 100, priority=0) == 1
    assert gaps(s) == [("live", 1, 1, "bytes")]
    assert seqs(s, "scanner") == [1, 2]


def test_a_row_that_answers_a_source_waits_rather_than_displace_its_like(path, clock):
    s = spool(path, clock, max_bytes=400)
    put(s, "scanner", 200, priority=2, source=b"1")
    put(s, "scanner", 200, priority=2, source=b"2")
    with pytest.raises(StoreError, match="full"):
        put(s, "scanner", 200, priority=2, source=b"3")
    assert gaps(s) == []
    assert not s.answered(b"3")
    s.acknowledge("scanner", s.epoch, 1)
    assert put(s, "scanner", 200, priority=2, source=b"3") == 3


def test_age_is_running_time_whatever_the_wall_clock_does(path, clock):
    s = spool(path, clock, max_age=100)
    put(s)
    clock.now += 60
    put(s)
    s.close()
    clock.now = 5.0  # the machine was off, its monotonic clock starts anew
    s = spool(path, clock, max_age=100)
    clock.now += 39
    put(s, "b")
    assert gaps(s) == []
    clock.now += 2
    put(s, "b")
    assert gaps(s) == [("a", 1, 1, "age")]
    assert seqs(s) == [2]


def test_consecutive_drops_are_one_gap_and_reasons_stay_apart(path, clock):
    s = spool(path, clock, max_bytes=500)
    for _ in range(9):
        put(s)
    assert gaps(s) == [("a", 1, 4, "bytes")]
    s.dead_letter(s.due(0, 1)[0].id, "refused")
    assert gaps(s) == [("a", 1, 4, "bytes"), ("a", 5, 5, "refused")]
    assert s.counts().dead == 1
    assert seqs(s) == [6, 7, 8, 9]


def test_dead_letters_make_room_first(path, clock):
    s = spool(path, clock, max_bytes=300)
    for _ in range(3):
        put(s)
    s.dead_letter(s.due(0, 1)[0].id, "refused")
    put(s)
    assert s.counts().dead == 0
    assert seqs(s) == [2, 3, 4]


def test_a_gap_is_told_in_a_row_of_its_own(path, clock):
    s = spool(path, clock, max_bytes=300)
    for _ in range(5):
        put(s)
    (gap,) = s.pending_gaps()
    assert (gap.first, gap.last) == (1, 2)
    assert s.report_gap(gap, "t/a", lambda seq: b"gap%d" % seq, priority=1) == 6
    assert s.pending_gaps() == []
    assert s.report_gap(gap, "t/a", lambda seq: b"again", priority=1) is None
    assert s.due(0, 10)[0].sealed == b"gap6"


def test_a_gap_row_that_is_given_up_comes_back_as_part_of_a_larger_gap(path, clock):
    s = spool(path, clock, max_bytes=300)
    for _ in range(5):
        put(s)
    s.report_gap(s.pending_gaps()[0], "t/a", lambda _: bytes(50), priority=1)
    for _ in range(6):
        put(s)
    assert gaps(s) == [("a", 1, 9, "bytes")]
    assert seqs(s) == [10, 11, 12]


def test_a_gap_is_told_past_a_window_that_only_it_can_open(path, clock):
    """Row 2 was given up; what is under way cannot be acknowledged until the clinic knows of it."""
    s = spool(path, clock, max_bytes=10_000, window=3)
    for _ in range(8):
        put(s)
    s.sent([r.id for r in s.due(0, 1)], 0)  # 1
    s.dead_letter(s.due(0, 1)[0].id, "refused")  # 2
    s.sent([r.id for r in s.due(0, 10)], 0)  # 3, 4: the window is full
    assert s.due(0, 10) == []
    assert s.report_gap(s.pending_gaps()[0], "t/a", lambda _: b"gap", priority=1) == 9
    assert seqs(s) == [9]
    s.sent([s.due(0, 10)[0].id], 0)
    assert seqs(s) == []
    s.acknowledge("a", s.epoch, 4)
    assert seqs(s) == [5, 6, 7]


def test_a_box_that_is_cut_off_does_not_fill_its_spool_with_gaps(path, clock):
    s = spool(path, clock, max_bytes=1000)
    for _ in range(200):
        put(s, "live", 100, priority=0)
        for gap in s.pending_gaps():
            s.report_gap(gap, "t/live", lambda _: bytes(10), priority=2)
    assert s._db.execute("SELECT COUNT(*) FROM row WHERE gap_first NOT NULL").fetchone() == (16,)
    assert s.pending_gaps() == []
    s.acknowledge("live", s.epoch, 1)  # the receiver is back
    assert max(gap.last - gap.first for gap in s.pending_gaps()) > 100


def test_an_acknowledgement_settles_gaps(path, clock):
    """The receiver may have had a row that we gave up before its word came."""
    s = spool(path, clock, max_bytes=300)
    for _ in range(6):
        put(s)
    s.acknowledge("a", s.epoch, 2)
    assert gaps(s) == [("a", 3, 3, "bytes")]
    s.acknowledge("a", s.epoch, 4)
    assert gaps(s) == []


def test_a_row_larger_than_the_spool_is_a_gap_not_a_jam(path, clock):
    s = spool(path, clock, max_bytes=300)
    assert put(s, size=400, source=b"x") == 1
    assert gaps(s) == [("a", 1, 1, "too_large")]
    assert put(s) == 2


def test_rows_are_due_again_with_growing_patience(path, clock):
    s = spool(path, clock, resend_after=10)
    put(s)
    row = s.due(0, 10)[0].id
    assert s.due(0, 10) != []
    s.sent([row], 0)
    assert s.due(9.9, 10) == []
    assert seqs(s, now=10) == [1]
    s.sent([row], 10)
    assert s.due(29.9, 10) == []
    assert seqs(s, now=30) == [1]
    s.acknowledge("a", s.epoch, 1)
    assert s.due(1e9, 10) == []


def test_the_window_bounds_what_is_under_way_in_each_stream(path, clock):
    s = spool(path, clock, max_bytes=10**6, window=4)
    for _ in range(10):
        put(s)
    put(s, "b", priority=0)
    first = s.due(0, 100)
    assert [(r.stream, r.seq) for r in first] == [("a", 1), ("a", 2), ("a", 3), ("a", 4), ("b", 1)]
    s.sent([r.id for r in first], 0)
    assert s.due(1, 100) == []
    s.acknowledge("a", s.epoch, 2)
    assert seqs(s, now=1) == [5, 6]


def test_a_listener_hears_of_each_row(path, clock):
    s = spool(path, clock)
    heard = []
    s.on_append(lambda: heard.append(1))
    put(s)
    put(s)
    assert len(heard) == 2


def test_a_file_that_is_no_database_is_said(path, clock):
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(StoreError, match="damaged"):
        spool(path, clock)


def test_a_full_disk_is_said_and_loses_nothing(tmp_path):
    """The disk is full for real: the file may not grow (SQLite's own page limit raises SQLITE_FULL)."""
    s = Spool(tmp_path / "s.db", 10**9, DAY)
    put(s, size=1000, source=b"1")
    s._db.execute(f"PRAGMA max_page_count={s._db.execute('PRAGMA page_count').fetchone()[0]}")
    with pytest.raises(StoreError, match="disk_full"):
        put(s, size=100_000, source=b"2")
    assert not s.answered(b"2")
    s._db.execute("PRAGMA max_page_count=1000000")
    assert put(s, size=100_000, source=b"2") == 2


def test_several_threads_share_one_spool(path):
    s = Spool(path, 10**9, DAY)
    threads = [threading.Thread(target=lambda: [put(s) for _ in range(25)]) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert seqs(s) == list(range(1, 101))


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.integers(0, 2), st.integers(10, 400), st.integers(0, 20)),
        max_size=40,
    )
)
def test_every_number_is_a_row_or_in_a_gap_or_acknowledged(tmp_path_factory, steps):
    clock = Clock()
    s = Spool(tmp_path_factory.mktemp("s") / "s.db", 1000, 100, clock)
    given_, acknowledged = {"a": 0, "b": 0}, {"a": 0, "b": 0}
    for stream, priority, size, wait in steps:
        clock.now += wait
        seq = put(s, stream, size, priority)
        assert seq == given_[stream] + 1
        given_[stream] = seq
        if wait == 7:
            s.acknowledge(stream, s.epoch, seq // 2)
            acknowledged[stream] = max(acknowledged[stream], seq // 2)
        if wait == 3 and s.pending_gaps():
            told = s.pending_gaps()[0]
            given_[told.stream] = s.report_gap(told, "t", lambda _: b"gap", priority=2)
        rows = s.due(0, 1000)
        for name in "ab":
            have = [r.seq for r in rows if r.stream == name and r.seq > acknowledged[name]]
            told_rows = s._db.execute(
                "SELECT gap_first, gap_last FROM row WHERE stream = ? AND gap_first NOT NULL", (name,)
            )
            lost = [n for a, b in told_rows for n in range(a, b + 1)]
            lost += [n for g in pending(s._db) if g.stream == name for n in range(g.first, g.last + 1)]
            lost = [n for n in lost if n > acknowledged[name]]
            assert sorted(have + lost) == list(range(acknowledged[name] + 1, given_[name] + 1))
        assert s.counts().bytes == sum(len(r.sealed) for r in rows)
    s.close()


WRITER = """
import sys
from pathlib import Path
from edge.store.spool import Spool
s = Spool(Path(sys.argv[1]), 10**9, 1e9)
start = s._db.execute("SELECT COUNT(*) FROM source").fetchone()[0]
for n in range(start, 100000):
    source = n.to_bytes(8, "big")
    body = source + bytes(3000)
    seq = s.append("a", "t", lambda seq: seq.to_bytes(8, "big") + body, source=source, priority=1)
    sys.stdout.write(f"{n} {seq}\\n")
    sys.stdout.flush()
"""


def test_kill_9_at_random_moments_loses_and_doubles_nothing(tmp_path):
    """What the writer was told is stored is there; each source once; numbers without a hole."""
    path = tmp_path / "spool.db"
    told: dict[int, int] = {}
    rng = random.Random(7)
    for _ in range(8):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
        ) as writer:
            first = writer.stdout.readline()
            time.sleep(rng.uniform(0.0, 0.25))
            writer.kill()
            out = first + writer.stdout.read()
        for line in out.splitlines(keepends=True):
            if line.endswith("\n"):
                n, seq = line.split()
                told[int(n)] = int(seq)
    s = Spool(path, 10**9, 1e9, window=10**6)
    rows = s.due(0, 10**6)
    assert len(told) > 20
    assert [r.seq for r in rows] == list(range(1, len(rows) + 1))
    stored = {int.from_bytes(r.sealed[8:16], "big"): r.seq for r in rows}
    assert len(stored) == len(rows)
    assert set(stored) == set(range(len(rows)))
    assert all(stored[n] == seq for n, seq in told.items())
    assert all(int.from_bytes(r.sealed[:8], "big") == r.seq for r in rows)
