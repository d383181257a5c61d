"""The gate's rules, each way to fail; and that nobody else makes a CleanFrame."""

from __future__ import annotations

import ast
from dataclasses import replace

import numpy as np
import pytest

from edge.anonymize.gate import Evidence, Held, Look, Need, Pass, Policy, Where, decide, emit
from edge.imaging.frames import CleanFrame
from tests.conftest import ROOT

S = 1_000_000_000
POLICY = Policy("test-1", (Need("face", S // 2), Need("text", 3 * S, sides="one")), 60 * S, max_wait_ns=S)
GOOD = Evidence(
    arrived_ns=100 * S,
    looks=(Look("face", b"f" * 32, S // 10, S // 10), Look("text", b"t" * 32, 2 * S, None)),
    obstacle=None,
    self_test=None,
    self_test_ns=90 * S,
    kept_share=1.0,
    masked_share=0.1,
)
NOW = 100 * S + S // 5


def with_face(**change) -> Evidence:
    return replace(GOOD, looks=(replace(GOOD.looks[0], **change), GOOD.looks[1]))


def test_complete_evidence_passes():
    assert decide(GOOD, POLICY, NOW) == Pass()


@pytest.mark.parametrize(
    ("evidence", "reason"),
    [
        (replace(GOOD, self_test="self_test_failed"), "self_test_failed"),
        (replace(GOOD, self_test_ns=None), "self_test_failed"),
        (replace(GOOD, self_test_ns=30 * S), "self_test_failed"),
        (replace(GOOD, obstacle="blind"), "blind"),
        (replace(GOOD, obstacle="unknown_layout"), "unknown_layout"),
        (replace(GOOD, looks=()), "detector_failed"),
        (replace(GOOD, looks=GOOD.looks[:1]), "detector_failed"),
        (replace(GOOD, looks=GOOD.looks * 2), "detector_failed"),
        (with_face(sha256=b""), "detector_failed"),
        (with_face(before_ns=-1), "detector_failed"),
        (with_face(before_ns=None), "no_bracket"),
        (with_face(after_ns=None), "no_bracket"),
        (with_face(before_ns=S), "detector_late"),
        (with_face(after_ns=S), "detector_late"),
        (replace(GOOD, looks=(GOOD.looks[0], replace(GOOD.looks[1], before_ns=4 * S))), "detector_late"),
        (replace(GOOD, looks=(GOOD.looks[0], replace(GOOD.looks[1], before_ns=None))), "detector_late"),
        (replace(GOOD, arrived_ns=98 * S), "detector_late"),
        (replace(GOOD, text_left=1), "text_left"),
        (replace(GOOD, masked_share=0.9), "over_masked"),
        (replace(GOOD, masked_share=1.1), "unknown_layout"),
        (replace(GOOD, kept_share=0.0), "unknown_layout"),
        (replace(GOOD, masked_share=float("nan")), "unknown_layout"),
    ],
)
def test_any_doubt_holds_the_frame(evidence, reason):
    assert decide(evidence, POLICY, NOW) == Held(reason)


def test_a_policy_without_needs_passes_nothing():
    assert isinstance(decide(GOOD, replace(POLICY, needs=()), NOW), Held)


def test_emitted_frame_has_a_complete_receipt_and_cannot_be_changed():
    frame = emit(np.zeros((4, 4), np.uint8), Where("cam", 7, 1, 2), GOOD, POLICY, NOW)
    assert isinstance(frame, CleanFrame)
    assert (frame.source, frame.index, frame.receipt.policy) == ("cam", 7, "test-1")
    assert [(d.name, d.before_ms, d.after_ms) for d in frame.receipt.detectors] == [
        ("face", 100.0, 100.0),
        ("text", 2000.0, None),
    ]
    with pytest.raises(ValueError, match="read-only"):
        frame.pixels[0, 0] = 1


def makes_clean_frames(tree: ast.AST) -> bool:
    """Whether a module calls CleanFrame, copies one with `replace`, or names the gate's key."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name == "CleanFrame":
                return True
        names = [getattr(node, "id", ""), getattr(node, "attr", "")]
        names += [alias.name for alias in getattr(node, "names", []) if isinstance(alias, ast.alias)]
        if "_GATE_KEY" in names or (isinstance(node, ast.Constant) and node.value == "_GATE_KEY"):
            return True
    return False


def test_only_the_gate_makes_clean_frames():
    makers = {
        str(path.relative_to(ROOT))
        for room in ("edge", "trainer")
        for path in (ROOT / room).rglob("*.py")
        if makes_clean_frames(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert makers == {"edge/anonymize/gate.py", "edge/imaging/frames.py"}  # the gate, and the definition


@pytest.mark.parametrize(
    "code",
    [
        "import edge.imaging.frames as f\nf.CleanFrame(1, _key=2)",
        "from edge.imaging.frames import _GATE_KEY as k",
        "import edge.imaging.frames as f\nk = getattr(f, '_GATE_KEY')",
        "import edge.imaging.frames as f\nk = f._GATE_KEY",
    ],
)
def test_control_the_walk_sees_each_way_round(code):
    assert makes_clean_frames(ast.parse(code))
