"""The CPU classifier: ONNX Runtime on the FP32 reference network."""

from __future__ import annotations

import threading
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edge.classify.classifier import OUTPUTS, ModelError, Raw, check_batch
from edge.imaging.bundle import Bundle


class OnnxCpuClassifier:
    """Runs ``model.fp32.onnx`` on the CPU.

    Args:
        bundle: a verified bundle; the file's digest is checked again.
        threads: threads of one inference.

    Raises:
        ModelError: ONNX Runtime is missing, or does not accept the file.
    """

    engine: Literal["onnxruntime-cpu"] = "onnxruntime-cpu"

    def __init__(self, bundle: Bundle, threads: int = 1) -> None:
        try:
            import onnxruntime  # noqa: PLC0415  # not on every machine that reads bundles
        except ImportError:
            raise ModelError(
                "onnxruntime is not installed; install the package with its extra 'box'"
            ) from None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Waiting threads would burn the CPU that the detectors need.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        data = bundle.read_model("fp32")
        try:
            self._session: Any = onnxruntime.InferenceSession(
                data, options, providers=["CPUExecutionProvider"]
            )
        # ONNX Runtime's errors share no public base but RuntimeError, and not all have that one.
        except Exception as error:  # noqa: BLE001
            raise ModelError(f"ONNX Runtime does not load {bundle.model_fp32.name}: {error}") from None
        names = tuple(each.name for each in self._session.get_outputs())
        if names != OUTPUTS:
            raise ModelError(f"{bundle.model_fp32.name} has outputs {names}, expected {OUTPUTS}")
        self._input = self._session.get_inputs()[0].name
        self._lock = threading.Lock()
        self.model = bundle.model_digest("fp32")
        self.tolerance = bundle.spec.golden_tolerance["fp32"]

    def run(self, batch: NDArray[np.float32]) -> Raw:
        """Run the network image by image; see `Classifier.run`."""
        check_batch(batch)
        with self._lock:
            if self._session is None:
                raise RuntimeError("the classifier is closed")
            rows = [self._run_one(batch[index : index + 1]) for index in range(len(batch))]
        logits, features, cam = (np.concatenate([row[k] for row in rows]) for k in range(len(OUTPUTS)))
        return Raw(logits, features, cam)

    def _run_one(self, image: NDArray[np.float32]) -> Any:
        try:
            return self._session.run(list(OUTPUTS), {self._input: image})
        except Exception as error:  # noqa: BLE001  # as above
            raise RuntimeError(f"ONNX Runtime failed: {type(error).__name__}") from None

    def close(self) -> None:
        """Release the session."""
        with self._lock:
            self._session = None
