"""The envelope: what it keeps secret, what it binds, what it refuses (docs/threat-model.md, broker)."""

from __future__ import annotations

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.wire import cose
from edge.wire.envelope import MAX_BYTES, EnvelopeError, open_, seal, verify_inner
from edge.wire.keys import Kem, PrivateKey, SigningKey
from edge.wire.padding import STEP, pad, unpad

TOPIC = "edge/1/site/box-1/result/scanner"
SIGNER = SigningKey.generate()
A, B, C = (PrivateKey.generate() for _ in range(3))
CLASSICAL = PrivateKey.generate(Kem.X25519)
SEALED = seal(b"a finding", TOPIC, SIGNER, [A.recipient, B.recipient])


def reason(data: bytes, topic: str = TOPIC, keys=(A,), senders=(SIGNER.public,), **how) -> str:
    with pytest.raises(EnvelopeError) as caught:
        open_(data, topic, list(keys), senders, **how)
    return caught.value.reason


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=5000), st.sets(st.sampled_from([0, 1, 2]), min_size=1))
def test_every_recipient_reads_what_was_sealed(payload, who):
    keys = [(A, B, C)[i] for i in who]
    data = seal(payload, TOPIC, SIGNER, [k.recipient for k in keys])
    for key in keys:
        opened = open_(data, TOPIC, [key], [SIGNER.public])
        assert opened.payload == payload
        assert opened.sender_kid == SIGNER.kid
        assert opened.recipients == tuple(sorted(k.kid for k in keys))
        assert verify_inner(opened.signed, TOPIC, SIGNER.public, opened.recipients) == payload


def test_content_is_not_in_the_bytes_and_no_two_are_alike():
    secret = b"meningioma" * 8
    first, second = (seal(secret, TOPIC, SIGNER, [A.recipient]) for _ in range(2))
    assert b"meningioma" not in first
    # the control: the same search finds the word where it is
    assert b"meningioma" in open_(first, TOPIC, [A], [SIGNER.public]).payload
    assert first != second


def _opens(data: bytes, key: PrivateKey) -> bool:
    try:
        return open_(data, TOPIC, [key], [SIGNER.public]).payload == b"a finding"
    except EnvelopeError:
        return False


def test_any_flipped_byte_is_refused():
    single = seal(b"a finding", TOPIC, SIGNER, [A.recipient])
    assert _opens(single, A)
    for at in range(len(single)):
        bad = bytearray(single)
        bad[at] ^= 1 << at % 8
        assert not _opens(bytes(bad), A)


def test_a_flipped_byte_can_at_most_take_the_message_from_one_recipient():
    """Each wrapped key is its recipient's own; the rest is common to all."""
    for at in range(0, len(SEALED), 7):
        bad = bytearray(SEALED)
        bad[at] ^= 0x01
        assert not (_opens(bytes(bad), A) and _opens(bytes(bad), B))


def test_every_truncation_and_extension_is_refused():
    for end in range(len(SEALED)):
        assert reason(SEALED[:end]) == "malformed"
    assert reason(SEALED + b"\x00") == "malformed"


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_noise_is_refused(noise):
    reason(noise)


_tree = st.recursive(
    st.none() | st.integers(-(2**40), 2**40) | st.binary(max_size=40) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.integers(-6, 6) | st.sampled_from([-70001, -70002]), inner, max_size=4)
    ),
    max_leaves=20,
)


@settings(max_examples=150, deadline=None)
@given(_tree, st.sampled_from([96, 18, 16, 28]))
def test_any_cbor_is_refused_and_nothing_else_is_raised(tree, tag):
    reason(cbor2.dumps(cbor2.CBORTag(tag, tree), canonical=True))


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_an_envelope_with_a_part_replaced_is_refused(data):
    """Structure-aware: any node of a true envelope is exchanged for anything."""
    parts = cbor2.loads(SEALED).value
    replacement = data.draw(_tree)
    which = data.draw(st.integers(0, 5))
    if which < 4:
        if parts[which] == replacement:
            return
        parts[which] = replacement
    else:
        parts[3][0][data.draw(st.integers(0, 2))] = replacement
    reason(cbor2.dumps(cbor2.CBORTag(96, parts), canonical=True), keys=(A, B))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=3 * STEP))
def test_padding_is_undone_and_fills_steps(data):
    padded = pad(data)
    assert len(padded) % STEP == 0
    assert len(padded) - len(data) <= STEP
    assert unpad(padded) == data


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=2500), st.binary(max_size=2500))
def test_length_tells_only_the_step(one, two):
    """Two bodies whose signed form fills the same number of steps cannot be told apart by length."""
    sealed = [seal(body, TOPIC, SIGNER, [A.recipient]) for body in (one, two)]
    steps = []
    for data in sealed:
        parts = cbor2.loads(data).value
        assert (len(parts[2]) - cose.TAG_BYTES) % STEP == 0
        steps.append((len(parts[2]) - cose.TAG_BYTES) // STEP)
    if steps[0] == steps[1]:
        assert len(sealed[0]) == len(sealed[1])


def test_another_topic_is_refused():
    assert reason(SEALED, topic="edge/1/site/box-2/result/scanner") == "wrong_topic"


def test_a_rewritten_topic_is_refused():
    """The topic in the header is believed only because the aad holds it."""
    other = "edge/1/site/box-2/result/scanner"
    parts = cbor2.loads(SEALED).value
    header = cbor2.loads(parts[0])
    header[-70002] = other
    parts[0] = cbor2.dumps(header, canonical=True)
    assert reason(cbor2.dumps(cbor2.CBORTag(96, parts), canonical=True), topic=other) == "forged"


def test_strangers_cannot_open():
    assert reason(SEALED, keys=(C,)) == "wrong_recipient"


def test_an_unknown_signer_is_refused():
    assert reason(SEALED, senders=(SigningKey.generate().public,)) == "unknown_sender"


def test_a_stripped_recipient_is_noticed():
    """A broker that removes one recipient breaks the message for the other."""
    parts = cbor2.loads(SEALED).value
    for keep in (0, 1):
        cut = [*parts[:3], [parts[3][keep]]]
        assert reason(cbor2.dumps(cbor2.CBORTag(96, cut), canonical=True), keys=(A, B)) == "forged"


def test_surreptitious_forwarding_is_refused():
    """Receiver A encrypts the box's signed body anew to C, so that C believes the box wrote to it."""
    inner = open_(SEALED, TOPIC, [A], [SIGNER.public]).signed
    aad = cbor2.dumps(["edge envelope 1", TOPIC, SIGNER.kid, [C.kid]], canonical=True)
    forwarded = cose.encrypt(pad(inner), {-70001: SIGNER.kid, -70002: TOPIC}, aad, [C.recipient])
    assert reason(forwarded, keys=(C,)) == "forged"


def test_a_forger_who_knows_only_public_keys_is_refused():
    mallory = SigningKey.generate()
    kids = [A.kid]
    aad = cbor2.dumps(["edge envelope 1", TOPIC, SIGNER.kid, kids], canonical=True)
    header = {-70001: SIGNER.kid, -70002: TOPIC}
    signed_by_other = cose.sign(b"lie", {}, aad, mallory)
    assert reason(cose.encrypt(pad(signed_by_other), header, aad, [A.recipient])) == "unknown_sender"
    protected = cbor2.dumps({1: -19, 4: SIGNER.kid}, canonical=True)
    unsigned = cbor2.dumps(cbor2.CBORTag(18, [protected, {}, b"lie", bytes(64)]), canonical=True)
    assert reason(cose.encrypt(pad(unsigned), header, aad, [A.recipient])) == "forged"


@pytest.mark.parametrize(
    ("layer", "algorithm"), [("content", 1), ("content", 24), ("key", 49), ("key", -6), ("sign", -8)]
)
def test_algorithms_off_the_list_are_refused(layer, algorithm):
    parts = cbor2.loads(SEALED).value
    if layer == "content":
        parts[0] = cbor2.dumps({**cbor2.loads(parts[0]), 1: algorithm}, canonical=True)
    elif layer == "key":
        parts[3][0][0] = cbor2.dumps({1: algorithm}, canonical=True)
    else:
        aad = cbor2.dumps(["edge envelope 1", TOPIC, SIGNER.kid, [A.kid]], canonical=True)
        protected = cbor2.dumps({1: algorithm, 4: SIGNER.kid}, canonical=True)
        to_sign = cbor2.dumps(["Signature1", protected, aad, b"x"], canonical=True)
        inner = cbor2.dumps(cbor2.CBORTag(18, [protected, {}, b"x", SIGNER.sign(to_sign)]), canonical=True)
        data = cose.encrypt(pad(inner), {-70001: SIGNER.kid, -70002: TOPIC}, aad, [A.recipient])
        assert reason(data) == "downgraded"
        return
    assert reason(cbor2.dumps(cbor2.CBORTag(96, parts), canonical=True)) == "downgraded"


def test_classical_recipients_are_refused_unless_allowed():
    with pytest.raises(EnvelopeError, match="downgraded"):
        seal(b"x", TOPIC, SIGNER, [A.recipient, CLASSICAL.recipient])
    mixed = seal(b"x", TOPIC, SIGNER, [A.recipient, CLASSICAL.recipient], allow_classical=True)
    assert reason(mixed) == "downgraded"
    assert open_(mixed, TOPIC, [CLASSICAL], [SIGNER.public], allow_classical=True).payload == b"x"


def test_nobody_to_seal_to_publishes_nothing():
    with pytest.raises(EnvelopeError, match="no_recipient"):
        seal(b"x", TOPIC, SIGNER, [])


def test_size_is_judged_before_anything_is_parsed():
    assert reason(bytes(MAX_BYTES + 1)) == "too_large"
    with pytest.raises(EnvelopeError, match="too_large"):
        seal(bytes(MAX_BYTES), TOPIC, SIGNER, [A.recipient])


def test_another_encoding_of_the_same_envelope_is_refused():
    parts = cbor2.loads(SEALED).value
    iv = parts[1][5]
    longer = SEALED.replace(b"\xa1\x05\x4c" + iv, b"\xa1\x18\x05\x4c" + iv)  # 5 in two bytes
    assert longer != SEALED
    assert reason(longer) == "malformed"
