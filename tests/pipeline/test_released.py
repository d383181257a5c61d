"""Released frames: what cannot be judged returns to quarantine, and nothing stops the box. Cites F1."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest

from edge.imaging.frames import Acquisition, RawFrame
from edge.pipeline.post import NoRecipientError
from edge.pipeline.released import Released
from edge.store.inbox_crypto import load_private, make_disk_key
from edge.store.quarantine import Quarantine


@pytest.fixture
def quarantine(tmp_path):
    make_disk_key(tmp_path)
    return Quarantine(tmp_path / "quarantine", load_private(tmp_path / "keys" / "disk.key"))


@pytest.fixture
def released(quarantine, tmp_path):
    raw = RawFrame(np.zeros((64, 64, 3), np.uint8), "sono", 1, 2, 3, Acquisition())
    object_id = quarantine.put("text_left", "sono", raw)
    quarantine.release(object_id, "ann", tmp_path / "inbox")
    return object_id


class Path:
    def __init__(self, answer):
        self.again = answer


def reason(quarantine):
    (entry,) = quarantine.entries()
    assert not entry.released
    return entry.reason


def test_a_source_that_is_not_there_any_more_holds_its_frame(quarantine, released):
    Released(quarantine, {}, {}).turn()
    assert reason(quarantine) == "unknown_layout"


def test_a_frame_whose_anonymization_breaks_is_held(quarantine, released):
    def breaks(raw, clean):
        raise RuntimeError("out of memory")

    class Gate:
        clean = None

    Released(quarantine, {"sono": Path(breaks)}, {"sono": Gate()}).turn()
    assert reason(quarantine) == "detector_failed"


@pytest.mark.parametrize("error", [NoRecipientError("no clinic key"), OSError(28, "disk full")])
def test_a_frame_whose_finding_cannot_be_kept_stays_released_and_is_answered_later(
    quarantine, released, error
):
    answers = [error, None]

    def answer(raw, clean):
        if (said := answers.pop(0)) is not None:
            raise said

    class Gate:
        clean = None

    work = Released(quarantine, {"sono": Path(answer)}, {"sono": Gate()})
    with contextlib.suppress(OSError):
        work.turn()
    assert quarantine.released() == [released]
    work.turn()
    assert quarantine.released() == quarantine.entries() == []


def test_a_frame_that_was_damaged_is_said_to_be(quarantine, released, tmp_path):
    (data,) = tmp_path.glob("quarantine.released/*/data")
    data.write_bytes(b"\0\1x")
    Released(quarantine, {}, {}).turn()
    assert reason(quarantine) == "damaged"


def test_a_frame_that_is_discarded_meanwhile_is_gone_and_the_box_goes_on(quarantine, released):
    def discarded(raw, clean):
        quarantine.discard(released, "ann")

    class Gate:
        clean = None

    Released(quarantine, {"sono": Path(discarded)}, {"sono": Gate()}).turn()
    assert quarantine.entries() == []
