"""Signed receipts: they hold by themselves, say nothing of findings, and no attack on them passes. T2, T4."""

from __future__ import annotations

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.anonymize.gate import Evidence, Look, Need, Policy, Where, emit
from edge.imaging.frames import CleanFrame
from edge.messages import Finding, Head, LiveBatch, ObjectResult, Suppressed
from edge.pipeline.receipts import ReceiptMaker
from edge.wire import cbor
from edge.wire.codec import decode, encode
from edge.wire.keys import SigningKey
from edge.wire.manifest import BoxEntry, Manifest
from edge.wire.receipts import CONTEXT, ReceiptError, belongs_to, peek, verify_receipts
from edge.wire.signed import sign_message, verify_message

NOW = 1_700_000_000_000
BOX, OTHER, STRANGER = SigningKey.generate(), SigningKey.generate(), SigningKey.generate()
HEAD = Head(
    site="site", device="box-1", stream="scanner", epoch=bytes(16), seq=7, made_ms=NOW, clock="trusted"
)
BUNDLE = b"b" * 32
POLICY = Policy("scanner-1", (Need("pp-ocrv4-det", 0),), 60_000_000_000)


def manifest(**changes) -> Manifest:
    boxes = [
        BoxEntry(device="box-1", public=BOX.public.raw, since_ms=NOW - 1),
        BoxEntry(device="box-2", public=OTHER.public.raw),
    ]
    fields = {"version": 3, "site": "site", "issued_ms": 0, "expires_ms": NOW, "boxes": boxes}
    return Manifest(**(fields | changes))


def receipt(text_left=0, self_test=None):
    """What the real gate says of a frame."""
    evidence = Evidence(
        arrived_ns=0,
        looks=(Look("pp-ocrv4-det", b"d" * 32, 0, 0, 3), Look("centerface", b"c" * 32, 1_500_000, None, 0)),
        obstacle=None,
        self_test=self_test,
        self_test_ns=0,
        kept_share=0.87654321,
        masked_share=0.05,
        texts=3,
        text_left=text_left,
    )
    import numpy as np

    return emit(np.zeros((4, 4), np.uint8), Where("s", 0, 0, NOW), evidence, POLICY, 2_000_000_000).receipt


def finding(frame=0, **changes) -> Finding:
    fields = {
        "frame": frame, "captured_ms": NOW + frame, "modality": "MR", "body_part": "BRAIN",
        "probabilities": {"glioma": 0.9, "no_tumour": 0.1}, "label": "glioma", "abstained": None,
        "cam": bytes(49), "cam_shape": (7, 7), "model": bytes(32), "bundle": BUNDLE,
        "engine": "onnxruntime-cpu", "receipt": receipt(),
    }  # fmt: skip
    return Finding(**(fields | changes))


def suppressed(frame=1, stage="anonymize", reason="text_left", **changes) -> Suppressed:
    return Suppressed(frame=frame, captured_ms=NOW + frame, stage=stage, reason=reason, **changes)


OUTCOMES = [
    finding(0), suppressed(1, receipt=receipt(text_left=1)), suppressed(2, "quality", "too_dark"),
    suppressed(3, "classify", "classifier_failed", receipt=receipt()),
]  # fmt: skip


def make(outcomes=None, head=HEAD, signer=BOX, dropped=0):
    return ReceiptMaker(signer, "0.1.0", BUNDLE, b"s" * 32).sign(head, outcomes or OUTCOMES, dropped)


def body(outcomes=None, head=HEAD, **changes) -> ObjectResult:
    fields = {
        "head": head, "study": bytes(16), "series": bytes(16), "object": bytes(16), "received_ms": 0,
        "outcomes": outcomes or OUTCOMES, "identity": None, "receipts": make(outcomes, head),
    }  # fmt: skip
    return decode(encode(ObjectResult(**(fields | changes))))


def refused(data, **changes):
    with pytest.raises(ReceiptError) as caught:
        verify_receipts(data, manifest(**changes))
    return caught.value.reason


def test_every_frame_has_its_receipt_those_held_back_too():
    got = verify_receipts(make(), manifest())
    assert (got.head, got.version, got.bundle, got.settings) == (HEAD, "0.1.0", BUNDLE, b"s" * 32)
    assert [(f.frame, f.gate, f.stage, f.reason) for f in got.frames] == [
        (0, "passed", None, None),
        (1, "suppressed", "anonymize", "text_left"),
        (2, "suppressed", "quality", "too_dark"),
        (3, "passed", "classify", "classifier_failed"),
    ]
    first = got.frames[0]
    assert [(got.detectors[n].name, before, after, found) for n, before, after, found in first.looks] == [
        ("pp-ocrv4-det", 0, 0, 3),
        ("centerface", 2, None, 0),  # 1.5 ms, rounded up: an age is never told younger than it was
    ]
    assert (first.kept_share, first.masked_share, first.texts) == (0.8765, 0.05, 3)
    assert (first.self_test, first.self_test_age_ms) == ("passed", 2000)
    assert got.policies[first.policy].name == "scanner-1"
    assert got.frames[2].looks is None


def test_a_policy_or_a_detector_stands_once_and_another_limit_is_another_policy():
    got = verify_receipts(make([finding(n) for n in range(50)]), manifest())
    assert (len(got.policies), len(got.detectors), len(got.frames)) == (1, 2, 50)
    assert Policy("scanner-1", (Need("pp-ocrv4-det", 1),), 60_000_000_000).sha256 != POLICY.sha256


def test_nothing_of_the_finding_stands_in_them_and_nothing_in_process_leaves():
    names = [b"glioma", b"no_tumour", b"probabilities", b"label", b"BRAIN"]
    assert [name for name in names if name in make()] == []
    assert [name for name in names if name in encode(body())] == names  # the control
    assert b"masked_share" not in encode(body(receipts=None))


def test_unknown_fields_are_kept():
    payload = cbor2.loads(verify_message(make(), CONTEXT, [BOX.public]).payload)
    payload["frames"][0]["mood"] = "fine"
    data = sign_message(CONTEXT, cbor.dumps(payload), BOX)
    assert verify_receipts(data, manifest()).frames[0].model_dump()["mood"] == "fine"
    assert peek(data)["frames"][0]["mood"] == "fine"


def altered(**changes):
    """Receipts whose payload was changed, with the signature of the true ones."""
    tag = cbor2.loads(make())
    tag.value[2] = cbor.dumps(cbor2.loads(tag.value[2]) | changes)
    return cbor2.dumps(tag, canonical=True)


def resigned(signer=BOX, name=CONTEXT, **changes):
    payload = cbor2.loads(cbor2.loads(make()).value[2]) | changes
    return sign_message(name, cbor.dumps(payload), signer)


FRAMES = cbor2.loads(cbor2.loads(make()).value[2])["frames"]
ATTACKS = {
    "an altered field": (altered(frames=[FRAMES[0] | {"masked_share": 0.99}]), "forged"),
    "another number": (altered(head=HEAD.model_copy(update={"seq": 8}).model_dump()), "forged"),
    "a frame less": (altered(frames=FRAMES[:-1]), "forged"),
    "cut short": (make()[:-10], "malformed"),
    "a forged key": (make(signer=STRANGER), "unknown_sender"),
    "another box's": (make(signer=OTHER), "other_box"),
    "another site's": (make(head=HEAD.model_copy(update={"site": "elsewhere"})), "other_site"),
    "older than the key": (make(head=HEAD.model_copy(update={"made_ms": NOW - 2})), "too_early"),
    "a newer version": (resigned(v=2), "unknown_version"),
    "a detector out of the table": (resigned(detectors=[]), "malformed"),
    "free text as a reason": (resigned(frames=[FRAMES[1] | {"reason": "Mrs Doe's film"}]), "malformed"),
    "signed for something else": (resigned(name="manifest"), "forged"),
    "no receipt": (b"\xd2\x84", "malformed"),
}  # fmt: skip


@pytest.mark.parametrize("how", ATTACKS)
def test_an_attack_is_refused_with_its_reason(how):
    data, reason = ATTACKS[how]
    assert refused(data) == reason


def test_a_revoked_box_is_refused_and_said_to_be_revoked():
    assert refused(make(), revoked=[BOX.kid]) == "revoked"


def test_an_untrusted_clock_proves_no_date():
    early = HEAD.model_copy(update={"made_ms": 5, "clock": "untrusted"})
    assert verify_receipts(make(head=early), manifest()).head.clock == "untrusted"


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_flipped_byte_is_refused(data):
    bad = bytearray(GOOD)
    bad[data.draw(st.integers(0, len(bad) - 1))] ^= data.draw(st.integers(1, 255))
    refused(bytes(bad))


GOOD = make()


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200))
def test_noise_is_refused_and_nothing_else_is_raised(noise):
    refused(noise)


def test_receipts_belong_to_their_own_result_alone():
    mine = verify_receipts(make(), manifest())
    assert belongs_to(mine, body())
    later = HEAD.model_copy(update={"seq": 8})
    assert not belongs_to(mine, body(head=later))  # swapped, or replayed under another number
    assert not belongs_to(mine, body(OUTCOMES[:-1]))  # a result that hides a frame
    assert not belongs_to(mine, body([finding(0), *OUTCOMES[1:2], finding(2), OUTCOMES[3]]))
    assert not belongs_to(mine, body([finding(0, bundle=b"x" * 32), *OUTCOMES[1:]]))


def test_live_receipts_name_each_frame_held_back_where_the_batch_counts_them():
    fields = {"head": HEAD, "source": "cam", "suppressed": {"text_left": 1, "too_dark": 1}, "dropped": 4}
    batch = LiveBatch(**fields, findings=[finding(0)], receipts=make(dropped=4))
    got = verify_receipts(decode(encode(batch)).receipts, manifest())
    assert belongs_to(got, batch)
    assert (got.dropped, len(got.frames)) == (4, 4)
    assert not belongs_to(got, batch.model_copy(update={"findings": [finding(0), finding(9)]}))


def test_the_gate_gives_a_receipt_to_what_it_holds_back():
    held = receipt(text_left=1)
    assert (held.gate, held.policy, held.texts) == ("suppressed", "scanner-1", 3)
    assert receipt(self_test="self_test_failed").self_test == "failed"
    assert not isinstance(held, CleanFrame)


def test_a_result_of_the_first_version_is_still_read():
    old = cbor2.loads(encode(body(receipts=None))) | {"v": 1}
    old["outcomes"][0]["receipt"] = {
        "policy": "scanner-1", "gate": "passed", "detectors": [], "kept_share": 1.0, "masked_share": 0.0,
        "faces": 0, "texts": 0,
    }  # fmt: skip
    got = decode(cbor.dumps(old))
    assert (got.v, got.outcomes[0].receipt.policy) == (1, "scanner-1")
