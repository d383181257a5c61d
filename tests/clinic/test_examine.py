"""What the receiver believes, attack by attack. Cites T2, T4 and T5 of the threat model."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.clinic.examine import (
    AnyBody,
    Refused,
    check_evidence,
    examine_result,
    examine_state,
    read_evidence,
)
from edge.messages import DeviceState, ObjectResult
from edge.wire import cbor, codec, envelope
from edge.wire.keys import PrivateKey, SigningKey
from edge.wire.manifest import BoxEntry, Manifest
from edge.wire.signed import sign_message
from edge.wire.topics import Topics
from tests.clinic.results import NOW_MS, TOPICS, gap, head, result, seal

BOX, OTHER, STRANGER = SigningKey.generate(), SigningKey.generate(), SigningKey.generate()
OURS = PrivateKey.generate()
MANIFEST = Manifest(
    version=1,
    site="demo",
    issued_ms=0,
    expires_ms=NOW_MS * 2,
    boxes=[
        BoxEntry(device="box-1", public=BOX.public.raw),
        BoxEntry(device="box-2", public=OTHER.public.raw),
    ],
)


def refusal(topic: str, data: bytes, manifest: Manifest = MANIFEST) -> str:
    with pytest.raises(Refused) as caught:
        examine_result(topic, data, manifest, [OURS], NOW_MS)
    return str(caught.value.reason)


def test_a_good_result_becomes_a_record_with_its_identity_apart() -> None:
    body = result(7, identity=b"sealed to the custodian", identity_kid=b"k" * 16)
    examined = examine_result(*seal(body, BOX, OURS.recipient), MANIFEST, [OURS], 42)
    record = examined.record
    assert examined.body == body
    assert (record.device, record.stream, record.epoch, record.seq, record.arrived_ms) == (
        "box-1",
        "scanner",
        body.head.epoch,
        7,
        42,
    )
    assert record.identity
    assert record.identity.block == b"sealed to the custodian"
    assert read_evidence(record.payload) == body


def test_the_stored_evidence_still_shows_which_box_signed_it() -> None:
    record = examine_result(*seal(result(), BOX, OURS.recipient), MANIFEST, [OURS], 0).record
    assert check_evidence(record.payload, MANIFEST)
    assert not check_evidence(record.payload, MANIFEST.model_copy(update={"boxes": []}))
    at = record.payload.index(b"glioma")
    altered = record.payload[:at] + b"gliomb" + record.payload[at + 6 :]
    assert not check_evidence(altered, MANIFEST)


TOPIC, GOOD = seal(result(), BOX, OURS.recipient)
ELSEWHERE = Topics("edge", "demo", "box-2").result("scanner")
ATTACKS = {
    "stranger": (*seal(result(), STRANGER, OURS.recipient), "unknown_sender"),
    "another enrolled box": (*seal(result(), OTHER, OURS.recipient), "unknown_sender"),
    "moved to another stream": (TOPICS.result("camera-1"), GOOD, "wrong_topic"),
    "moved to another box": (ELSEWHERE, GOOD, "wrong_topic"),
    "sealed to others": (*seal(result(), BOX, PrivateKey.generate().recipient), "wrong_recipient"),
    "flipped": (TOPIC, GOOD[:2000] + bytes([GOOD[2000] ^ 1]) + GOOD[2001:], "forged"),
    "cut short": (TOPIC, GOOD[:-1], "malformed"),
    "not a topic": ("edge/1/demo/box-1/result", GOOD, "bad_topic"),
    "another box in the head": (*seal(result(head=head(device="box-2")), BOX, OURS.recipient), "other_head"),
    "another site in the head": (*seal(result(head=head(site="x")), BOX, OURS.recipient), "other_head"),
    "another stream in the head": (
        *seal(result(head=head(stream="x")), BOX, OURS.recipient, TOPIC),
        "other_head",
    ),
    "an event under another name": (
        *seal(result(), BOX, OURS.recipient, TOPICS.event("label_change")),
        "other_head",
    ),
    "a number too large": (*seal(result(2**63), BOX, OURS.recipient), "bad_number"),
    "a gap backwards": (*seal(gap(9, 5, 4), BOX, OURS.recipient), "bad_number"),
    "no body": (TOPIC, envelope.seal(b"\xff", TOPIC, BOX, [OURS.recipient]), "malformed"),
    "no head": (
        TOPIC,
        envelope.seal(cbor.dumps({"v": 1, "kind": "object"}), TOPIC, BOX, [OURS.recipient]),
        "invalid",
    ),
}


@pytest.mark.parametrize("how", ATTACKS)
def test_what_is_not_as_it_should_be_is_refused_with_its_reason(how: str) -> None:
    topic, data, reason = ATTACKS[how]
    assert refusal(topic, data) == reason


def test_a_revoked_box_is_a_stranger() -> None:
    assert refusal(TOPIC, GOOD, MANIFEST.model_copy(update={"revoked": [BOX.kid]})) == "unknown_sender"


def test_a_body_of_a_newer_kind_is_kept_whole() -> None:
    fields = {"v": 9, "kind": "hologram", "head": head(3).model_dump(), "depth": [1, 2]}
    topic = TOPICS.result("scanner")
    data = envelope.seal(cbor.dumps(fields), topic, BOX, [OURS.recipient])
    examined = examine_result(topic, data, MANIFEST, [OURS], 0)
    assert isinstance(examined.body, AnyBody)
    assert examined.record.seq == 3
    assert read_evidence(examined.record.payload).model_dump()["depth"] == [1, 2]


def test_unknown_fields_of_a_known_kind_are_kept() -> None:
    body = ObjectResult(**{**result().model_dump(), "mood": "fine"})
    record = examine_result(*seal(body, BOX, OURS.recipient), MANIFEST, [OURS], 0).record
    assert read_evidence(record.payload).model_dump()["mood"] == "fine"


@settings(max_examples=150, deadline=None)
@given(data=st.binary(max_size=300), cut=st.integers(0, 4000), flip=st.integers(0, 255))
def test_whatever_comes_the_receiver_only_ever_refuses(data: bytes, cut: int, flip: int) -> None:
    topic, good = seal(result(), BOX, OURS.recipient)
    cut %= len(good)
    altered = good[:cut] + bytes([good[cut] ^ (flip or 1)]) + good[cut + 1 :]
    for bad in (data, good[:cut], altered):
        with pytest.raises(Refused):
            examine_result(topic, bad, MANIFEST, [OURS], NOW_MS)
        with pytest.raises(Refused):
            examine_state(TOPICS.state, bad, MANIFEST)


def state(**other: Any) -> DeviceState:
    base = {"device": "box-1", "online": True, "boot": b"b" * 16, "session": 1, "version": "0", "made_ms": 5}
    return DeviceState(**{**base, **other})


def test_a_state_is_believed_from_its_own_box_alone() -> None:
    good = codec.encode(state())
    assert examine_state(TOPICS.state, sign_message(TOPICS.state, good, BOX), MANIFEST) == state()
    for topic, body, key, reason in (
        (TOPICS.state, good, OTHER, "unknown_sender"),
        (Topics("edge", "demo", "box-2").state, good, OTHER, "other_head"),
        (TOPICS.state, b"\xa0", BOX, "invalid"),
    ):
        with pytest.raises(Refused, match=reason):
            examine_state(topic, sign_message(topic, body, key), MANIFEST)
    with pytest.raises(Refused, match="forged"):
        examine_state(TOPICS.state, sign_message(TOPICS.caps, good, BOX), MANIFEST)
