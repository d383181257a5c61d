from __future__ import annotations

import os
import time

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.messages import (
    Acknowledgement,
    DetectorUse,
    Finding,
    Gap,
    Head,
    LiveBatch,
    ObjectResult,
    Receipt,
    SeriesResult,
)
from edge.pipeline.receipts import ReceiptMaker
from edge.wire import cbor, envelope
from edge.wire.codec import CodecError, decode, decode_as, encode
from edge.wire.keys import PrivateKey, SigningKey

HEAD = Head(site="s", device="d", stream="x", epoch=bytes(16), seq=1, made_ms=0, clock="trusted")
GAP = Gap(head=HEAD, first=1, last=2, why="age")


def test_a_body_comes_back():
    batch = LiveBatch(head=HEAD, source="cam", findings=[], suppressed={"blurred": 3}, dropped=0)
    for body in (GAP, batch):
        assert decode(encode(body)) == body


def test_unknown_fields_are_kept():
    newer = cbor2.loads(encode(GAP)) | {"added_later": [1, {"x": b"y"}]}
    newer["head"]["also"] = "here"
    again = encode(decode(cbor2.dumps(newer, canonical=True)))
    assert cbor2.loads(again) == newer


def test_an_unknown_kind_or_version_is_told_from_rubbish():
    base = cbor2.loads(encode(GAP))
    cases = {
        "unknown_kind": [base | {"kind": "later"}, base | {"v": 2}],
        "invalid": [
            base | {"first": 0},
            base | {"why": "other"},
            {k: v for k, v in base.items() if k != "head"},
        ],
    }
    for reason, values in cases.items():
        for value in values:
            with pytest.raises(CodecError) as caught:
                decode(cbor2.dumps(value, canonical=True))
            assert caught.value.reason == reason


def test_errors_hold_no_content():
    value = cbor2.loads(encode(GAP)) | {"first": "Jane Doe"}
    with pytest.raises(CodecError) as caught:
        decode(cbor2.dumps(value, canonical=True))
    assert "Jane" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200))
def test_noise_raises_codec_errors_only(noise):
    for read in (decode, lambda data: decode_as(Acknowledgement, data)):
        with pytest.raises(CodecError):
            read(noise)


_plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False)
    | st.binary(max_size=20)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=5),
    max_leaves=30,
)


@settings(max_examples=150, deadline=None)
@given(_plain)
def test_what_we_write_we_read(value):
    assert cbor.loads(cbor.dumps(value), cbor.Limits(depth=40)) == value


@settings(max_examples=150, deadline=None)
@given(_plain, st.data())
def test_no_altered_byte_gives_two_encodings_of_one_value(value, data):
    good = cbor.dumps(value)
    bad = bytearray(good)
    at = data.draw(st.integers(0, len(good) - 1))
    bad[at] ^= data.draw(st.integers(1, 255))
    try:
        other = cbor.loads(bytes(bad), cbor.Limits(depth=40))
    except cbor.CborError:
        return
    assert cbor.dumps(other) == bytes(bad)


@pytest.mark.parametrize(
    ("bomb", "reason"),
    [
        (b"\x81" * 200_000, "too_deep"),
        (b"\xa1\x00" * 200_000, "too_deep"),
        (b"\x9b" + b"\xff" * 8, "malformed"),
        (b"\x5b" + b"\x7f" + b"\xff" * 7, "malformed"),
        (b"\xbb" + b"\x40" + bytes(7), "malformed"),
        (b"\x9f" * 50, "malformed"),
        (b"\xd8\x1c\x81\xd8\x1d\x00", "malformed"),
        (b"\xc2\x5a\x00\x0f\xff\xff" + b"\xff" * 0xFFFFF, "malformed"),
        (b"\x9a\x00\x06\xdd\xd0" + bytes(450_000), "too_many"),
        (bytes((1 << 22) + 1), "too_large"),
    ],
)
def test_bombs_cost_nothing(bomb, reason):
    began = time.process_time()
    with pytest.raises(CodecError) as caught:
        decode(bomb)
    assert caught.value.reason == reason
    assert time.process_time() - began < 0.5


def _finding(frame: int) -> Finding:
    detectors = [
        DetectorUse(name=name, sha256=os.urandom(32), before_ms=1.1, after_ms=2.2, found=3)
        for name in ("centerface", "ch_PP-OCRv4_det")
    ]
    return Finding(
        frame=frame,
        captured_ms=1_700_000_000_000,
        modality="DX",
        body_part="CHEST",
        probabilities={f"Pleural_Thickening_{n:02}": 1 / (3 + n) for n in range(14)},
        label="Pleural_Thickening_01",
        abstained=None,
        cam=os.urandom(49),
        cam_shape=(7, 7),
        model=os.urandom(32),
        bundle=os.urandom(32),
        engine="onnxruntime-cpu",
        receipt=Receipt(policy="scanner-1", detectors=detectors, kept_share=0.9, masked_share=0.1, texts=3),
    )


def _object(frames: int, signer: SigningKey) -> ObjectResult:
    outcomes = [_finding(n) for n in range(frames)]
    return ObjectResult(
        head=HEAD,
        study=bytes(16),
        series=bytes(16),
        object=bytes(16),
        received_ms=0,
        outcomes=[outcome.model_copy(update={"receipt": None}) for outcome in outcomes],
        identity=bytes(2048),
        identity_kid=bytes(16),
        receipts=ReceiptMaker(signer, "1.0", bytes(32), bytes(32)).sign(HEAD, outcomes),
    )


def test_the_largest_object_passes_codec_and_envelope():
    signer, receiver = SigningKey.generate(), PrivateKey.generate()
    body = _object(2000, signer)  # decode.max_frames
    sealed = envelope.seal(encode(body), "edge/v1/s/d/result/x", signer, [receiver.recipient])
    opened = envelope.open_(sealed, "edge/v1/s/d/result/x", [receiver], [signer.public])
    assert decode(opened.payload) == body


def test_what_a_reader_would_refuse_is_not_sent():
    deep: list[object] = []
    for _ in range(20):
        deep = [deep]
    cases = {
        "too_many": GAP.model_copy(update={"added_later": [0] * 400_001}),
        "too_large": GAP.model_copy(update={"added_later": bytes(1 << 22)}),
        "too_deep": GAP.model_copy(update={"added_later": deep}),
        "malformed": GAP.model_copy(update={"added_later": 1 << 70}),
    }
    for reason, body in cases.items():
        with pytest.raises(CodecError) as caught:
            encode(body)
        assert caught.value.reason == reason
    with pytest.raises(CodecError, match="malformed"):
        encode(GAP.model_copy(update={"added_later": "\udcff"}))
    assert decode(encode(GAP.model_copy(update={"added_later": [0] * 399_000})))  # the control


def test_series_result_with_many_classes():
    body = SeriesResult(
        head=HEAD,
        study=os.urandom(16),
        series=os.urandom(16),
        closed_by="time",
        rule="mean",
        modality="MR",
        body_part="BRAIN",
        probabilities={f"c{i}": i / 10 for i in range(10)},
        label=None,
        abstained_whole="unsure",
        objects=3,
        frames_used=1,
        frames_abstained=1,
        frames_suppressed=1,
    )
    assert decode(encode(body)) == body


@pytest.mark.parametrize(
    "twin",
    [
        b"\xa2\x61b\x01\x61a\x02",  # keys out of order
        b"\xa2\x61a\x01\x61a\x02",  # one key twice
        b"\xfb\x3f\xf8" + bytes(6),  # 1.5 in eight bytes
        b"\xf9\x7e\x01",  # a NaN with something hidden in it
    ],
)
def test_a_second_encoding_of_a_value_is_refused(twin):
    with pytest.raises(cbor.CborError, match="not_canonical"):
        cbor.loads(twin, cbor.Limits())
