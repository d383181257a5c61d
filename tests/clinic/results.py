"""Bodies as a box makes them, for the clinic's tests."""

from __future__ import annotations

import os
from typing import Any

from edge.messages import (
    Finding,
    Gap,
    Head,
    LiveBatch,
    Message,
    ObjectResult,
    SeriesResult,
    Suppressed,
)
from edge.wire import codec, envelope
from edge.wire.keys import Recipient, SigningKey
from edge.wire.topics import Topics

NOW_MS = 1_700_000_000_000
EPOCH = b"e" * 16
TOPICS = Topics("edge", "demo", "box-1")


def head(seq: int = 1, **other: Any) -> Head:
    base = {"site": "demo", "device": "box-1", "stream": "scanner", "epoch": EPOCH, "seq": seq}
    return Head(**{**base, "made_ms": NOW_MS, "clock": "trusted", **other})


def finding(label: str | None = "glioma", probability: float = 0.9, **other: Any) -> Finding:
    base: dict[str, Any] = {
        "frame": 0,
        "captured_ms": NOW_MS,
        "modality": "MR",
        "body_part": "BRAIN",
        "probabilities": {"glioma": probability, "no_tumour": 1 - probability},
        "label": label,
        "abstained": None if label else "unsure",
        "cam": b"\x01" * 49,
        "cam_shape": (7, 7),
        "model": b"m" * 32,
        "bundle": b"b" * 32,
        "engine": "onnxruntime-cpu",
    }
    return Finding(**{**base, **other})


def held_back(reason: Any = "text_left") -> Suppressed:
    return Suppressed(frame=0, captured_ms=NOW_MS, stage="anonymize", reason=reason)


def result(seq: int = 1, *outcomes: Finding | Suppressed, **other: Any) -> ObjectResult:
    base: dict[str, Any] = {
        "head": head(seq),
        "study": b"s" * 16,
        "series": b"r" * 16,
        "object": os.urandom(16),
        "received_ms": NOW_MS,
        "outcomes": list(outcomes or [finding()]),
        "identity": None,
    }
    return ObjectResult(**{**base, **other})


def series(**other: Any) -> SeriesResult:
    base: dict[str, Any] = {
        "head": head(1000),
        "study": b"s" * 16,
        "series": b"r" * 16,
        "closed_by": "count",
        "rule": "mean",
        "modality": "MR",
        "body_part": "BRAIN",
        "probabilities": {"glioma": 0.93, "no_tumour": 0.07},
        "label": "glioma",
        "abstained_whole": None,
        "objects": 9,
        "frames_used": 8,
        "frames_abstained": 0,
        "frames_suppressed": 1,
    }
    return SeriesResult(**{**base, **other})


def batch(seq: int, *findings: Finding, **other: Any) -> LiveBatch:
    base: dict[str, Any] = {
        "head": head(seq, stream="camera-1"),
        "source": "camera-1",
        "findings": list(findings),
        "suppressed": {},
        "dropped": 0,
    }
    return LiveBatch(**{**base, **other})


def gap(seq: int, first: int, last: int) -> Gap:
    return Gap(head=head(seq), first=first, last=last, why="bytes")


def seal(
    body: Message, signer: SigningKey, recipient: Recipient, topic: str | None = None
) -> tuple[str, bytes]:
    topic = topic or TOPICS.result(body.head.stream)  # type: ignore[attr-defined]
    return topic, envelope.seal(codec.encode(body), topic, signer, [recipient])
