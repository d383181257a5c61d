"""Series results: votes, abstentions, order, round trip through the store."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.classify.series import RULE, Slice, Vote, aggregate
from edge.messages import Finding, Receipt, SeriesResult, Suppressed

RECEIPT = Receipt(policy="p", detectors=[], kept_share=1, masked_share=0)

HELD = ("not_intended_use",) * 4


def vote(a: float, abstained: str | None = None, modality: str = "MR") -> Vote:
    return Vote(modality, "BRAIN", {"a": a, "b": 1 - a}, abstained)  # type: ignore[arg-type]


def test_mean_of_the_labelled_frames() -> None:
    total = aggregate([Slice((vote(0.9), vote(0.7)), HELD[:1]), Slice((vote(0.1, "unsure"),), HELD[:2])])
    assert total["label"] == "a"
    assert total["probabilities"]["a"] == pytest.approx(0.8)
    assert (total["frames_used"], total["frames_abstained"], total["frames_suppressed"]) == (2, 1, 3)
    assert total["rule"] == RULE


def test_all_abstained_gives_no_label_but_the_means_and_the_reason() -> None:
    total = aggregate(
        [Slice((vote(0.4, "poor_quality"), vote(0.6, "poor_quality"), vote(0.5, "unsure")), ())]
    )
    assert total["label"] is None
    assert total["abstained_whole"] == "poor_quality"
    assert total["probabilities"]["a"] == pytest.approx(0.5)


def test_nothing_left_gives_no_label() -> None:
    total = aggregate([Slice((), HELD[:4]), Slice((), HELD[:1])])
    assert total["label"] is None
    assert total["abstained_whole"] == "not_intended_use"
    assert total["frames_suppressed"] == 5
    assert total["probabilities"] == {}


def test_disagreement_between_three_classes_is_unsure() -> None:
    thirds = [{"a": 1.0, "b": 0.0, "c": 0.0}, {"a": 0.0, "b": 1.0, "c": 0.0}, {"a": 0.0, "b": 0.0, "c": 1.0}]
    total = aggregate([Slice(tuple(Vote("MR", "BRAIN", each, None) for each in thirds), ())])
    assert total["label"] is None
    assert total["abstained_whole"] == "unsure"


def test_only_the_commonest_kind_votes() -> None:
    total = aggregate([Slice((vote(0.9), vote(0.9), vote(0.0, modality="CR")), ())])
    assert total["modality"] == "MR"
    assert total["probabilities"]["a"] == pytest.approx(0.9)
    assert (total["frames_used"], total["frames_abstained"]) == (2, 1)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=20), st.randoms())
def test_order_does_not_matter(values: list[tuple[float, bool]], shuffle: random.Random) -> None:
    slices = [Slice((vote(a, "unsure" if held else None),), ()) for a, held in values]
    first = aggregate(slices)
    shuffle.shuffle(slices)
    assert aggregate(slices) == first


def test_a_slice_survives_the_store_and_fits_the_message() -> None:
    finding = Finding(
        frame=0,
        captured_ms=0,
        modality="MR",
        body_part="BRAIN",
        probabilities={"a": 0.75, "b": 0.25},
        label="a",
        abstained=None,
        cam=b"\0",
        cam_shape=(1, 1),
        model=bytes(32),
        bundle=bytes(32),
        engine="onnxruntime-cpu",
        receipt=RECEIPT,
    )
    part = Slice.of([finding], [Suppressed(frame=1, captured_ms=0, stage="quality", reason="noise")])
    assert Slice.from_bytes(part.to_bytes()) == part
    head = {
        "site": "s",
        "device": "d",
        "stream": "series",
        "epoch": bytes(16),
        "seq": 1,
        "made_ms": 0,
        "clock": "trusted",
    }
    total = aggregate([part])
    result = SeriesResult(head=head, study=bytes(16), series=bytes(16), closed_by="time", objects=1, **total)
    assert result.label == "a"


@pytest.mark.parametrize("junk", [b"", b"\xff", b"\x01", b"\x83\x02\x00\x80", b"\x83\x01\x61a\x80"])
def test_junk_is_no_slice(junk: bytes) -> None:
    with pytest.raises(ValueError, match="slice"):
        Slice.from_bytes(junk)
