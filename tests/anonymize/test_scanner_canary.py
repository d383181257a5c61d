"""Canaries of scanner objects: with detectors healthy and blind, what is proved, what leaves (F9, F10)."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from edge.anonymize.gate import Held
from edge.anonymize.geometry import Box
from edge.anonymize.proof.canary import Material, Result
from edge.anonymize.proof.examiner import Examiner
from edge.anonymize.proof.scanner_canary import ScannerCanary
from edge.anonymize.scanner.anonymizer import ScannerAnonymizer
from edge.imaging.frames import Acquisition, CleanFrame, Identity, RawFrame, Region
from edge.settings import Anonymize, Proof
from tests.anonymize.scenes import radiograph
from tests.anonymize.test_standing_proof import Blinded, Consequences, Meter

CR = Acquisition(modality="CR", body_part="CHEST")
NOBODY = Identity("", "", "", "", "", "")


def blind(detectors):
    return replace(detectors, text=Blinded(detectors.text), any_script=Blinded(detectors.any_script))


def canary(detectors, tested=None, key=5):
    """Its gate passed the self-test with ``tested``, before the detectors broke."""
    gate = ScannerAnonymizer(Anonymize(), tested or detectors)
    return ScannerCanary(gate.again, detectors, key)


def material(pixels, region=None, masks=(), *, faces=False):
    rows, columns = pixels.shape[:2]
    return Material(pixels, 0, list(masks), (region or Region(0, 0, columns, rows),), faces)


@pytest.mark.parametrize(
    ("pixels", "region"),
    [
        (radiograph(None), None),
        (np.repeat(radiograph(None)[:, :, None], 3, axis=2), Region(100, 60, 500, 380)),
        (radiograph(None, (72, 96)), None),  # smaller than a line of text
        (radiograph(None, (1900, 2100)), None),
    ],
    ids=["whole frame", "region in colour", "small", "large"],
)
def test_healthy_detectors_cover_their_canaries(detectors, pixels, region):
    singer, given = canary(detectors), pixels.copy()
    results = [singer.sing(material(pixels, region)) for _ in range(6)]
    assert [result.face for result in results] == [None] * 6
    assert [result.text for result in results].count(True) >= 4
    assert [result.text for result in results].count(False) == 0
    assert np.array_equal(pixels, given)


def test_blind_detectors_miss_every_canary(detectors):
    singer = canary(blind(detectors), tested=detectors)
    assert [singer.sing(material(radiograph(None))) for _ in range(4)] == [Result(text=False)] * 4


@pytest.mark.parametrize("eye", ["text", "any_script"])
def test_one_blind_detector_does_not_hide_behind_the_other(detectors, eye):
    singer = canary(replace(detectors, **{eye: Blinded(getattr(detectors, eye))}), tested=detectors)
    told = [singer.sing(material(radiograph(None))).text for _ in range(6)]
    assert told.count(False) == 3
    assert told.count(True) == 3


def test_in_pictures_faces_are_planted_by_turns(detectors):
    page = np.repeat(radiograph(None)[:, :, None], 3, axis=2)
    singer = canary(detectors)
    assert [singer.sing(material(page, faces=True)) for _ in range(4)] == [
        Result(face=True), Result(text=True), Result(face=True), Result(text=True)
    ]  # fmt: skip
    # The other detector does not hide that our own is blind.
    singer = canary(replace(detectors, faces=Blinded(detectors.faces)), tested=detectors)
    assert singer.sing(material(page, faces=True)) == Result(face=False)


def test_of_a_large_frame_a_part_is_looked_at_each_time_another_one(detectors):
    seen = []

    def again(pixels, detectors, *, picture):
        seen.append(pixels)

    large = np.arange(2000 * 1500, dtype=np.uint32).reshape(1500, 2000).astype(np.uint8)
    singer = ScannerCanary(again, detectors, 5)
    for _ in range(4):
        assert singer.sing(material(large, Region(100, 100, 1900, 1400))) == Result()
    assert {pixels.shape[:2] for pixels in seen} == {(1024, 1024)}
    assert len({pixels[0, :8].tobytes() for pixels in seen}) > 1


def test_what_a_canary_gets_back_is_no_clean_frame(detectors):
    clean = ScannerAnonymizer(Anonymize(), detectors).again(radiograph(), detectors, picture=False)
    assert isinstance(clean, np.ndarray)
    assert not np.array_equal(clean, radiograph())


def test_nothing_is_planted_under_a_mask_or_without_a_region(detectors):
    whole = Box(0, 0, 520, 400)
    assert canary(detectors).sing(material(radiograph(None), masks=[whole])) == Result()
    assert canary(detectors).sing(Material(radiograph(None), 0, [])) == Result()


class Service:
    """Scanner objects with their standing proof, as the box puts it together."""

    def __init__(self, detectors, tested, every):
        self.consequences, self.meter = Consequences(), Meter()
        proof = Proof(canary_every=every)
        self.examiner = Examiner(Anonymize(), proof, detectors, self.consequences, self.meter)
        self.watch = self.examiner.watch_still(
            "scanner", lambda _, key: ScannerCanary(self.gate.again, detectors, key)
        )
        self.gate = ScannerAnonymizer(Anonymize(), tested, witness=self.watch)
        self.gate._detectors = detectors

    def clean(self, pixels=None):
        pixels = radiograph(None) if pixels is None else pixels
        return self.gate.clean(RawFrame(pixels, "scanner", 0, 0, 0, CR, NOBODY))

    def until(self, done, seconds=240):
        end = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < end, self.meter.counts
            self.clean()
            time.sleep(0.1)


@pytest.fixture
def service():
    running = []

    def start(detectors, tested, every="1 s"):
        running.append(Service(detectors, tested, every))
        return running[-1]

    yield start
    for each in running:
        each.examiner.stop()


def test_canaries_find_out_blind_detectors_and_stop_the_objects(detectors, service):
    box = service(blind(detectors), detectors)
    leaked = box.clean(radiograph())
    assert isinstance(leaked, CleanFrame)  # so far nobody knows
    assert np.array_equal(leaked.pixels, radiograph())
    box.until(lambda: box.consequences.cause is not None)
    assert box.consequences.cause == "recall_low"
    after = box.clean(radiograph())
    assert isinstance(after, Held)
    assert after.reason == "recall_low"


def test_healthy_objects_leave_as_they_would_without_canaries(detectors, service):
    box = service(detectors, detectors)
    without = ScannerAnonymizer(Anonymize(), detectors).clean(
        RawFrame(radiograph(), "scanner", 0, 0, 0, CR, NOBODY)
    )
    assert isinstance(without, CleanFrame)
    box.until(lambda: box.watch.texts.planted >= 2)
    for _ in range(3):
        out = box.clean(radiograph())
        assert isinstance(out, CleanFrame)
        assert np.array_equal(out.pixels, without.pixels)
    assert box.watch.obstacle() is None
    assert box.watch.texts.covered >= box.watch.texts.planted - 1


class Standing:
    """A witness whose mind changes while a frame is looked at."""

    def __init__(self):
        self.stop, self.faces = None, []

    def obstacle(self):
        return self.stop

    def asks(self):
        return True

    def passed(self, pixels, masks, outcome, self_test, regions=(), *, faces=True):
        self.faces.append(faces)


def test_what_is_found_out_during_a_look_stops_that_frame(detectors):
    standing = Standing()

    class Slow(Blinded):
        def find(self, image, within=None):
            standing.stop = "leak_budget_spent"
            return []

    gate = ScannerAnonymizer(Anonymize(), detectors, witness=standing)
    gate._detectors = replace(detectors, text=Slow(detectors.text))
    out = gate.clean(RawFrame(radiograph(None), "scanner", 0, 0, 0, CR, NOBODY))
    assert isinstance(out, Held)
    assert out.reason == "leak_budget_spent"


def test_a_canary_is_told_whether_faces_are_looked_for(detectors):
    standing = Standing()
    gate = ScannerAnonymizer(Anonymize(), detectors, witness=standing)
    gate.clean(RawFrame(radiograph(None), "scanner", 0, 0, 0, CR, NOBODY))
    gate.clean(RawFrame(radiograph(None), "scanner", 0, 0, 0, CR))
    assert standing.faces == [False, True]


class Deaf:
    """A singer that says what it is told to."""

    def __init__(self, result):
        self.result = result

    def sing(self, material):
        return self.result


def examined(detectors, singers, clock, every="1 s"):
    """An examiner without its thread: each turn is asked for."""
    consequences = Consequences()
    examiner = Examiner(Anonymize(), Proof(canary_every=every), detectors, consequences, Meter(), clock)
    examiner._stopped = True  # no thread
    watches = [examiner.watch_still(name, lambda *_, s=singer: s) for name, singer in singers.items()]
    return examiner, consequences, watches


def give(watch):
    watch.passed(radiograph(None, (8, 8)), [], Held("text_left", "scanner", 0, 0, 0), None)


def test_who_has_waited_longest_sings_first(detectors):
    now = [0.0]
    singers = {name: Deaf(Result(text=True)) for name in ("busy", "late")}
    examiner, _, (busy, late) = examined(detectors, singers, lambda: now[0])
    give(late)
    now[0] += 1
    give(busy)
    assert examiner._next() == late.sing
    late.sing()
    assert examiner._next() == busy.sing


def test_once_a_person_has_acknowledged_missed_canaries_it_opens_and_new_misses_count(detectors):
    now = [0.0]
    singer = Deaf(Result(text=False))
    _, consequences, (watch,) = examined(detectors, {"scanner": singer}, lambda: now[0])

    def sing(times):
        for _ in range(times):
            now[0] += 100
            give(watch)
            watch.sing()

    sing(8)
    assert watch.obstacle() == consequences.cause == "recall_low"
    consequences.cause = None  # a person's word
    assert watch.obstacle() is None
    assert watch.texts.planted == 0
    sing(8)
    assert watch.obstacle() == consequences.cause == "recall_low"  # the detector is still blind
    consequences.cause = None
    singer.result = Result(text=True)
    sing(20)
    assert watch.obstacle() is None


def test_a_latch_that_was_acknowledged_between_two_frames_counts_as_acknowledged(detectors):
    now = [0.0]
    _, consequences, (watch,) = examined(detectors, {"scanner": Deaf(Result(text=False))}, lambda: now[0])
    while consequences.cause is None:
        now[0] += 100
        give(watch)
        watch.sing()
    consequences.cause = None
    assert watch.obstacle() is None
