"""Latches and budgets over restarts; acknowledgement beside a running daemon; the audit log (F11)."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from edge.anonymize.proof.budget import Budget
from edge.cli import main
from edge.messages import Head
from edge.pipeline.leaks import LeakDesk
from edge.pipeline.post import NoRecipientError
from edge.store import audit
from edge.store.database import StoreError
from edge.store.leaks import AUDIT, Kept, LeakLedger
from edge.wire import codec


class Frame:
    captured_ms = 77


HEAD = Head(site="s", device="d", stream="events", epoch=bytes(16), seq=1, made_ms=0, clock="trusted")


class Post:
    def __init__(self):
        self.sent, self.there = [], True

    def send(self, stream, build, *, priority, event):
        if not self.there:
            raise NoRecipientError
        assert (stream, event) == ("events", "leak_alarm")
        self.sent.append(codec.decode(codec.encode(build(HEAD))))  # as it reaches the clinic


@pytest.fixture
def clock():
    return [0.0]


def desk(folder, clock, most=3, keep=lambda *_: None):
    ledger = LeakLedger(folder, lambda: clock[0])
    return LeakDesk(ledger, Budget(most, 100.0), keep, lambda: 5_000)


def test_a_latch_and_a_half_spent_budget_survive_a_restart(tmp_path, clock):
    first = desk(tmp_path, clock)
    for _ in range(3):
        first.objected("ward", Frame())
    first.objected("hall", Frame())
    first.recall_fell("door")
    del first  # no close: as kill -9
    again = desk(tmp_path, [0.0])
    assert again.stopped("ward") == "leak_budget_spent"
    assert again.stopped("door") == "recall_low"
    assert again.stopped("hall") is None
    assert again.account("hall")[0] == 1
    again.objected("hall", Frame())
    again.objected("hall", Frame())
    assert again.stopped("hall") == "leak_budget_spent"


def test_only_a_person_opens_it(tmp_path, clock, capsys):
    box, post = desk(tmp_path, clock, most=1), Post()
    box.objected("ward", Frame())
    for clock[0] in (1e9, -1e9, 5.0):
        box.tick(post)
        assert box.stopped("ward") == "leak_budget_spent"
    settings = tmp_path / "edge.toml"
    settings.write_text(f'[box]\nstate = "{tmp_path}"\n')
    at = ["--settings", str(settings)]
    assert main(["leak", "show", *at]) == 0
    assert "ward: latched since 1970-01-01 00:00 UTC: second looks objected" in capsys.readouterr().out
    assert main(["leak", "acknowledge", "hall", "--by", "A. Nurse", *at]) == 1
    assert main(["leak", "acknowledge", "ward", "--by", " ", *at]) == 2
    box.tick(post)
    assert box.stopped("ward") == "leak_budget_spent"
    assert main(["leak", "acknowledge", "ward", "--by", "A. Nurse", *at]) == 0
    assert main(["leak", "acknowledge", "ward", "--by", "A. Nurse", *at]) == 1
    box.tick(post)
    assert box.stopped("ward") is None
    lines = [json.loads(line) for line in (tmp_path / AUDIT).read_text().splitlines()]
    assert [(line["what"], line["source"], line["by"]) for line in lines] == [
        ("latched", "ward", None),
        ("acknowledged", "ward", "A. Nurse"),
    ]
    assert audit.check(tmp_path / AUDIT).broken == 0
    box.objected("ward", Frame())  # a budget of one: the next disagreement latches it again
    assert box.stopped("ward") == "leak_budget_spent"
    assert "latched" in (tmp_path / AUDIT).read_text().splitlines()[2]


def test_what_the_person_did_not_see_is_not_acknowledged(tmp_path, clock):
    """A disagreement that comes between the person's word and the daemon's next turn."""
    box = desk(tmp_path, clock, most=2)
    box.objected("ward", Frame())
    box.recall_fell("ward")
    beside = LeakLedger(tmp_path)
    assert beside.acknowledge("ward", "A. Nurse", 1).latched == "recall_low"
    box.objected("ward", Frame())
    box.tick(Post())
    assert box.stopped("ward") == "recall_low"
    assert LeakLedger(tmp_path).read()["ward"].latched == "recall_low"
    assert beside.acknowledge("ward", "A. Nurse", 2) is not None
    box.tick(Post())
    assert box.stopped("ward") is None


def test_a_disk_that_refuses_lets_nothing_through(tmp_path, clock, monkeypatch):
    box = desk(tmp_path, clock, most=1)

    def full(*_):
        raise StoreError("disk_full", "free space")

    with monkeypatch.context() as broken:
        broken.setattr(LeakLedger, "write", full)
        box.objected("ward", Frame())
        box.tick(Post())
        assert box.stopped("ward") == "leak_budget_spent"
    assert "ward" not in LeakLedger(tmp_path).read()
    box.tick(Post())
    assert LeakLedger(tmp_path).read()["ward"].latched == "leak_budget_spent"


def test_without_its_audit_line_nothing_is_acknowledged(tmp_path, clock):
    box = desk(tmp_path, clock, most=1)
    box.objected("ward", Frame())
    (tmp_path / AUDIT).unlink()
    (tmp_path / AUDIT).mkdir()
    with pytest.raises(OSError, match="directory"):
        LeakLedger(tmp_path).acknowledge("ward", "A. Nurse", 1)
    assert LeakLedger(tmp_path).read()["ward"].latched == "leak_budget_spent"


def test_a_damaged_ledger_starts_no_box(tmp_path, clock):
    (tmp_path / "leaks.db").write_bytes(b"not a database" * 100)
    with pytest.raises(StoreError):
        desk(tmp_path, clock)


def test_an_older_account_is_not_written_over_an_acknowledgement(tmp_path):
    ledger = LeakLedger(tmp_path)
    latched = Kept((1.0,), "recall_low", 5)
    assert ledger.write("ward", latched)
    ledger.acknowledge("ward", "A. Nurse", 6)
    assert not ledger.write("ward", latched)
    assert ledger.read()["ward"] == Kept(acknowledged=1)
    assert ledger.write("ward", replace(latched, acknowledged=1))


def test_the_frame_is_kept_and_the_clinic_is_told_once_somebody_listens(tmp_path, clock):
    kept, post = [], Post()
    box = desk(tmp_path, clock, most=2, keep=lambda *what: kept.append(what))
    post.there = False
    box.objected("ward", Frame())
    box.objected("ward", Frame())
    box.objected("ward", Frame())
    box.tick(post)
    assert post.sent == []
    post.there = True
    box.tick(post)
    box.tick(post)
    assert [(body.what, body.source, body.spent, body.budget) for body in post.sent] == [
        ("second_look", "ward", 1, 2),
        ("latched", "ward", 2, 2),
        ("second_look", "ward", 2, 2),
        ("second_look", "ward", 3, 2),
    ]
    assert post.sent[1].cause == "leak_budget_spent"
    assert post.sent[0].captured_ms == 77
    assert [(reason, source) for reason, source, _ in kept] == [("second_look", "ward")] * 3
