"""scripts/bench wire: size of results, and how many are made and opened a second on one core."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from edge.imaging.frames import Identity
from edge.messages import DetectorUse, Finding, Head, LiveBatch, ObjectResult, Receipt
from edge.pipeline.receipts import ReceiptMaker
from edge.wire import codec
from edge.wire.envelope import open_, seal
from edge.wire.identity import IdentityContext, seal_identity
from edge.wire.keys import Kem, PrivateKey, SigningKey

_TOPIC = "edge/1/clinic/box/result/scanner"
_SECONDS = 3.0
_HEAD = Head(
    site="clinic", device="box", stream="scanner", epoch=os.urandom(16), seq=1000, made_ms=1, clock="trusted"
)
_DIGESTS = {name: os.urandom(32) for name in ("centerface", "pp-ocrv4-det", "model", "bundle")}
_IDENTITY_BLOCK = seal_identity(
    Identity("1", "", "", "1.2", "1.3", "1.4"),
    PrivateKey.generate(Kem.XWING).recipient,
    IdentityContext("clinic", "box", bytes(16), bytes(16)),
)


def _finding(frame: int) -> Finding:
    detectors = [
        DetectorUse(name=name, sha256=_DIGESTS[name], before_ms=33.127, after_ms=100.311, found=1)
        for name in ("centerface", "pp-ocrv4-det")
    ]
    receipt = Receipt(
        policy="camera-2/film", policy_sha256=_DIGESTS["model"], detectors=detectors, kept_share=0.8123,
        masked_share=0.1371, faces=1, texts=1, self_test="passed", self_test_age_ms=123_456.7,
    )  # fmt: skip
    return Finding(
        frame=frame, captured_ms=1_700_000_000_000 + 33 * frame, modality="CR", body_part="CHEST",
        probabilities={"normal": 0.1312, "bacterial_pneumonia": 0.5518, "viral_pneumonia": 0.317},
        label="bacterial_pneumonia", abstained=None, cam=os.urandom(49), cam_shape=(7, 7),
        model=_DIGESTS["model"], bundle=_DIGESTS["bundle"], engine="onnxruntime-cpu", receipt=receipt,
    )  # fmt: skip


_ONE, _SECOND = [_finding(0)], [_finding(frame) for frame in range(30)]


def _object(maker: ReceiptMaker) -> ObjectResult:
    return ObjectResult(
        head=_HEAD, study=bytes(16), series=bytes(16), object=bytes(16), received_ms=1_700_000_000_000,
        outcomes=_ONE, identity=_IDENTITY_BLOCK, identity_kid=bytes(16), receipts=maker.sign(_HEAD, _ONE),
    )  # fmt: skip


def _live(maker: ReceiptMaker) -> LiveBatch:
    return LiveBatch(
        head=_HEAD, source="camera-1", findings=_SECOND, suppressed={}, dropped=0,
        receipts=maker.sign(_HEAD, _SECOND),
    )  # fmt: skip


def _rate(work: Callable[[], object]) -> float:
    """Calls a second of CPU time, so that other load does not count."""
    work()
    count, start = 0, time.process_time()
    while time.process_time() - start < _SECONDS:
        work()
        count += 1
    return count / (time.process_time() - start)


def main() -> int:
    """Measure and print."""
    signer = SigningKey.generate()
    maker = ReceiptMaker(signer, "0.1.0", _DIGESTS["bundle"], _DIGESTS["bundle"])
    for what, make in (("a scanner object's result", _object), ("a live second of 30", _live)):
        body, receipts = codec.encode(make(maker)), make(maker).receipts or b""
        making = _rate(lambda build=make: codec.encode(build(maker)))
        for number in (1, 3):
            keys = [PrivateKey.generate(Kem.XWING) for _ in range(number)]
            to = [key.recipient for key in keys]
            sealed = seal(body, _TOPIC, signer, to)
            sealing = _rate(lambda body=body, to=to: seal(body, _TOPIC, signer, to))
            opening = _rate(lambda key=keys[0], data=sealed: open_(data, _TOPIC, [key], [signer.public]))
            print(
                f"{what}, {number} recipient(s): body {len(body)} bytes, {len(receipts)} of them receipts, "
                f"sealed {len(sealed)}; a second: "
                f"{making:,.0f} made, {sealing:,.0f} sealed, {opening:,.0f} opened"
            )
    return 0
