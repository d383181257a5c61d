"""Scanner objects with the real inbox, spool and seal: one answer each, whatever breaks (T9, T15)."""

from __future__ import annotations

import time
from types import SimpleNamespace

import numpy as np
import pytest

from edge.anonymize.gate import Held
from edge.anonymize.proof.budget import Budget
from edge.anonymize.proof.canary import Result
from edge.anonymize.proof.examiner import Examiner
from edge.capture.client import CaptureLost
from edge.imaging.decoded import Decoded, Undecodable
from edge.imaging.frames import Acquisition, Identity, Region
from edge.pipeline.attempts import MOST
from edge.pipeline.figures import Figures
from edge.pipeline.gates import Gates
from edge.pipeline.leaks import LeakDesk
from edge.pipeline.post import NoRecipientError, Post
from edge.pipeline.receipts import ReceiptMaker
from edge.pipeline.scanner import ScannerPath
from edge.pipeline.series import SeriesDesk
from edge.settings import Anonymize, Box, Proof, Quality, Series
from edge.store.inbox import InboxLimits, InboxReader, InboxWriter
from edge.store.inbox_crypto import load_private, load_public, make_disk_key
from edge.store.leaks import LeakLedger
from edge.store.partial import PartialSeries
from edge.store.seen import Handles
from edge.store.spool import Spool
from edge.wire import codec, envelope
from edge.wire.keys import Kem, PrivateKey, SigningKey

KNEE = Acquisition("MR", "KNEE")
BRAIN = Acquisition("MR", "BRAIN")
PIXELS = np.kron(np.arange(64, dtype=np.uint8).reshape(8, 8) * 4, np.ones((16, 16), np.uint8))


class Use:
    group, modalities, body_parts, views = "mri_brain", ("MR",), ("BRAIN",), ()


class Killed(BaseException):
    """As kill -9: nobody catches it."""


class Clinic:
    """The directory, and the keys behind it."""

    def __init__(self):
        self.key, self.guard = PrivateKey.generate(Kem.XWING), PrivateKey.generate(Kem.XWING)
        self.there = True

    def receivers(self):
        if not self.there:
            raise NoRecipientError
        return [self.key.recipient]

    def custodian(self):
        return self.guard.recipient


class Decoder:
    """Stands for the capture process: what an object's first bytes say is what happens."""

    def decode(self, kind, data):
        word = bytes(data).split(b" ")[0]
        if word == b"lost":
            raise CaptureLost("gone")
        if word == b"poison":
            raise RuntimeError("a defect that only this object meets")
        if word == b"broken":
            raise Undecodable("unreadable")
        name = bytes(data).decode().split(" ")[1]
        identity = (
            Identity(f"id-{name}", "", "", "1.2", "1.2.3", f"1.2.3.{name}") if kind == "dicom" else None
        )
        return Decoded([PIXELS], BRAIN if word == b"brain" else KNEE, identity)


class Anonymizer:
    """Holds everything back for the reason it is given."""

    reason = "detector_failed"
    shut = None
    wanted = False

    def __init__(self):
        self.cleaned = []

    def clean(self, raw):
        self.cleaned.append(raw)
        return Held(self.shut or self.reason)

    def obstacle(self):
        return self.shut

    def asks(self):
        return self.wanted


@pytest.fixture
def box(tmp_path):
    return World(tmp_path)


class World:
    def __init__(self, folder):
        self.folder, self.clinic, self.signer = folder, Clinic(), SigningKey.generate()
        self.settings = Box(state=folder)
        make_disk_key(folder)
        self.writer = InboxWriter(folder / "inbox", load_public(folder / "disk.pub"), InboxLimits(min_free=0))
        self.anonymizer = Anonymizer()
        self.start()

    def start(self):
        """A daemon comes up: everything in memory is new."""
        folder, figures = self.folder, Figures()
        self.inbox = InboxReader(folder / "inbox", load_private(folder / "keys" / "disk.key"))
        self.spool = Spool(folder / "spool.db", 1 << 30, 1e9)
        receipts = ReceiptMaker(self.signer, "1.0", bytes(32), bytes(32))
        self.post = post = Post(
            self.settings, self.signer, self.clinic, self.spool, lambda: "trusted", figures, receipts
        )
        partial = PartialSeries(folder / "series.db", bytes(32))
        handles = Handles(folder / "handles.db", bytes(32), 1e9)
        desk = SeriesDesk(Series(), partial, self.spool, post)
        gates = Gates(Quality(), [Use()], None, figures)
        self.path = ScannerPath(
            self.settings, {}, self.inbox, Decoder(), gates, self.anonymizer, handles, desk, self.spool, post,
            figures,
        )  # fmt: skip

    def put(self, text, kind="dicom"):
        return self.writer.put(kind, "scanner", text.encode(), 5)

    def turn(self):
        """One turn of the scanner's loop."""
        return self.path._answer_all()

    def answers(self):
        opened = [
            envelope.open_(row.sealed, row.topic, [self.clinic.key], [self.signer.public]).payload
            for row in self.spool.due(0.0, 1000)
        ]
        return [body for body in map(codec.decode, opened) if body.kind == "object"]

    def reasons(self):
        return [body.outcomes[0].reason for body in self.answers()]


def test_each_object_gets_one_answer_and_leaves_the_inbox(box):
    for text in ("knee 1", "broken 2", "knee 3"):
        box.put(text)
    assert box.turn()
    assert box.reasons() == ["not_intended_use", "unreadable", "not_intended_use"]
    assert box.inbox.ids() == []
    assert box.inbox.quarantined() == {"unreadable": 1}


def test_an_object_that_breaks_the_box_stops_no_other_and_ends_in_quarantine(box):
    box.put("poison 1")
    box.put("knee 2")
    for _ in range(MOST):
        assert not box.turn()
    assert box.reasons() == ["not_intended_use"]
    box.turn()
    assert sorted(box.reasons()) == ["not_intended_use", "unreadable"]
    assert (box.inbox.ids(), box.inbox.quarantined()) == ([], {"unreadable": 1})


def test_an_object_that_kills_the_process_is_given_up_after_some_starts(box, monkeypatch):
    box.put("brain 1")
    for _ in range(MOST):
        monkeypatch.setattr(box.anonymizer, "clean", lambda _: (_ for _ in ()).throw(Killed), raising=False)
        with pytest.raises(Killed):
            box.turn()
        box.start()
    box.turn()
    assert box.reasons() == ["unreadable"]


@pytest.mark.parametrize("kind", ["dicom", "still"])
def test_sent_again_it_is_not_answered_again(box, kind):
    for _ in range(3):
        box.put("knee 1", kind)
        box.turn()
        box.start()
    assert len(box.answers()) == 1
    box.put("knee 2", kind)  # the control: another object is
    box.turn()
    assert len(box.answers()) == 2


def test_what_was_held_back_by_the_boxs_own_fault_is_answered_anew(box):
    for expected in (1, 2):
        box.put("brain 1")
        box.turn()
        assert len(box.answers()) == expected


def test_what_a_person_may_let_go_is_kept_for_them(box):
    box.anonymizer.reason = "unproved_script"
    box.put("brain 1")
    box.turn()
    assert box.reasons() == ["unproved_script"]
    assert (box.inbox.ids(), box.inbox.quarantined()) == ([], {"unproved_script": 1})


@pytest.mark.parametrize("reason", ["recall_low", "leak_budget_spent"])
def test_while_the_standing_proof_stops_all_objects_wait_in_the_inbox(box, reason):
    for text in ("brain 1", "broken 2", "brain 3"):
        box.put(text)
    box.anonymizer.shut = reason
    for _ in range(3 * MOST):
        assert not box.turn()  # so no series is closed
    assert (len(box.inbox.ids()), box.answers(), box.inbox.quarantined()) == (3, [], {})
    assert box.anonymizer.cleaned == []
    box.start()
    assert not box.turn()
    box.anonymizer.shut = None
    assert box.turn()
    assert box.reasons() == ["detector_failed", "unreadable", "detector_failed"]
    assert box.inbox.ids() == []


def test_while_all_wait_a_canary_gets_a_frame_and_its_object_waits_on(box, monkeypatch):
    monkeypatch.setattr("edge.pipeline.scanner._REHEARSAL_REST", 0.0)
    for text in ("broken 1", "brain 2", "lost 3", "brain 4"):
        box.put(text)
    box.anonymizer.shut, box.anonymizer.wanted = "recall_low", True
    for _ in range(4 * MOST):
        try:
            assert not box.turn()
        except CaptureLost:
            continue
    assert len(box.anonymizer.cleaned) == 2 * MOST  # the others give no frame
    assert (len(box.inbox.ids()), box.answers(), box.inbox.quarantined()) == (4, [], {})
    box.anonymizer.shut = None
    with pytest.raises(CaptureLost):
        box.turn()
    assert box.reasons() == ["unreadable", "detector_failed"]  # no try of these counted against them


def test_frames_for_canaries_take_a_tenth_of_the_time_at_most(box, monkeypatch):
    box.put("brain 1")
    box.anonymizer.shut, box.anonymizer.wanted = "recall_low", True
    monkeypatch.setattr(
        box.anonymizer, "clean", lambda raw: (time.sleep(0.2), box.anonymizer.cleaned.append(raw))
    )
    began = time.monotonic()
    while time.monotonic() < began + 1.0:
        box.turn()
    assert len(box.anonymizer.cleaned) == 1


def test_a_full_disk_counts_no_try_against_an_object_that_waits(box, monkeypatch):
    box.put("brain 1")
    monkeypatch.setattr("edge.pipeline.scanner._REHEARSAL_REST", 0.0)
    box.anonymizer.shut, box.anonymizer.wanted = "recall_low", True

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(box.path._attempts, "_write", full)
        for _ in range(2 * MOST):
            box.turn()
    box.anonymizer.shut = None
    assert box.turn()
    assert box.reasons() == ["detector_failed"]


class Told:
    """A singer that says what it is told to."""

    result = Result(text=False)

    def sing(self, material):
        return self.result


def test_from_missed_canaries_to_a_persons_word_nothing_is_lost(box, monkeypatch, tmp_path):
    """The path, the watch and the ledger together: shut, waiting, acknowledged at the box, answered."""
    monkeypatch.setattr("edge.pipeline.scanner._REHEARSAL_REST", 0.0)
    now, singer = [0.0], Told()
    desk = LeakDesk(LeakLedger(tmp_path), Budget(3, 3600.0), lambda *_: None, lambda: 1)
    examiner = Examiner(
        Anonymize(), Proof(canary_every="5 s"), SimpleNamespace(second=None), desk, Figures(), lambda: now[0]
    )
    examiner._stopped = True  # no thread: each canary is sung below
    watch = examiner.watch_still("scanner", lambda *_: singer)

    def clean(raw):
        watch.passed(raw.pixels, [], Held("text_left", "scanner", 0, 0, 0), None, (Region(0, 0, 8, 8),))
        return Held(watch.obstacle() or "text_left")

    for name, does in (("clean", clean), ("obstacle", watch.obstacle), ("asks", watch.asks)):
        monkeypatch.setattr(box.anonymizer, name, does)

    def turn(number):
        box.put(f"brain {number}")
        done = box.turn()
        watch.sing()
        now[0] += 100
        return done

    for number in range(20):
        turn(number)
    answered = len(box.answers())
    assert desk.stopped("scanner") == "recall_low"
    assert 0 < answered < 20
    assert len(box.inbox.ids()) == 20 - answered
    singer.result = Result(text=True)  # the detector is mended
    for number in range(20, 25):
        assert not turn(number)  # which opens nothing yet
    assert len(box.answers()) == answered
    at_the_box = LeakLedger(tmp_path)
    at_the_box.acknowledge("scanner", "A. Person", 5)
    at_the_box.close()
    desk.tick(box.post)
    assert turn(25)
    assert (len(box.answers()), box.inbox.ids()) == (26, [])
    assert set(box.reasons()) == {"text_left"}


def test_an_object_at_which_the_proof_stops_all_is_answered_once_it_goes_on(box, monkeypatch):
    box.put("brain 1")
    monkeypatch.setattr(box.anonymizer, "obstacle", lambda: None)  # asked before, and all was well
    box.anonymizer.shut = "recall_low"
    for _ in range(2 * MOST):
        assert not box.turn()
    assert (len(box.inbox.ids()), box.answers(), box.inbox.quarantined()) == (1, [], {})
    box.anonymizer.shut = None
    assert box.turn()
    assert box.reasons() == ["detector_failed"]


@pytest.mark.parametrize("where", ["delete", "quarantine"])
def test_a_kill_between_result_and_inbox_gives_one_result_and_keeps_the_quarantine(box, monkeypatch, where):
    box.put("knee 1" if where == "delete" else "broken 1")

    def die(*_):
        raise Killed

    monkeypatch.setattr(box.inbox, where, die)
    with pytest.raises(Killed):
        box.turn()
    assert len(box.inbox.ids()) == 1  # the control: it is still there
    box.start()
    box.turn()
    assert len(box.answers()) == 1
    assert box.inbox.ids() == []
    assert box.inbox.quarantined() == ({} if where == "delete" else {"unreadable": 1})


def test_a_full_disk_never_makes_an_object_unreadable(box, monkeypatch):
    box.put("knee 1")

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr("edge.pipeline.attempts.Attempts._write", full)
        for _ in range(3 * MOST):
            assert not box.turn()
    box.turn()
    assert box.reasons() == ["not_intended_use"]


def test_without_capture_process_or_recipient_objects_wait(box):
    box.put("lost 1")
    with pytest.raises(CaptureLost):
        box.turn()
    box.clinic.there = False
    with pytest.raises(NoRecipientError):
        box.turn()
    assert (len(box.inbox.ids()), box.answers()) == (1, [])
