"""What a person reads of the standing proof (F9, F10)."""

from __future__ import annotations

import pytest

from edge.health.proof import in_words, what_to_do, with_proof
from edge.messages import CanaryRecall, SourceHealth, SourceProof

RECALL = CanaryRecall(planted=100, covered=98, bound=0.938)
OPEN = SourceProof(budget=3, second_looks=7, faces=RECALL, texts=CanaryRecall(planted=0, covered=0))
LATCHED = OPEN.model_copy(update={"latched": "recall_low", "latched_ms": 5, "disagreements": 1})
UNPROVEN = OPEN.model_copy(update={"unproven": True})


def ward(state="running"):
    return SourceHealth(name="ward", state=state, last_frame_age_ms=1.0, frames=9, dropped=0)


@pytest.mark.parametrize(
    ("state", "proof", "told"),
    [
        ("running", None, "running"),
        ("running", OPEN, "running"),
        ("running", LATCHED, "latched"),
        ("finished", LATCHED, "latched"),
        ("running", UNPROVEN, "unproven"),
        ("blind", LATCHED, "blind"),
        ("failed", LATCHED, "failed"),
    ],
)
def test_a_latch_is_the_state_of_a_source_that_could_send(state, proof, told):
    source = with_proof(ward(state), proof)
    assert (source.state, source.proof) == (told, proof)


def test_the_status_says_why_and_what_to_do():
    rows = in_words(with_proof(ward(), LATCHED))
    assert "canaries were missed" in rows["source.ward"]
    assert "edge leak acknowledge ward --by NAME" in rows["source.ward"]
    assert rows["canaries.ward"] == "faces 98 of 100 covered (95 %: at least 0.94), texts none yet"
    assert rows["second_looks.ward"] == "7, leak budget 1 of 3 spent"
    assert in_words(with_proof(ward(), OPEN))["source.ward"] == "running"
    assert what_to_do(with_proof(ward(), OPEN)) is None
    assert "until a canary is covered again" in str(what_to_do(with_proof(ward(), UNPROVEN)))
