"""What runs the network: one protocol, two engines, and no silent step from one to the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from edge.imaging.bundle import Bundle
from edge.settings import Model

Engine = Literal["onnxruntime-cpu", "tensorrt"]
OUTPUTS = ("logits", "features", "cam")
INPUT_SHAPE = (1, 3, 224, 224)


class ModelError(Exception):
    """The network cannot be run, or does not compute what it was released to. Says what to do."""


@dataclass(frozen=True, eq=False)
class Raw:
    """What the network yields for N images, float32."""

    logits: NDArray[np.float32]
    """(N, classes)."""
    features: NDArray[np.float32]
    """(N, F), of unit length."""
    cam: NDArray[np.float32]
    """Class activation maps, (N, classes, h, w)."""


class Classifier(Protocol):
    """A loaded network. ``run`` may be called from any thread; calls take turns."""

    @property
    def engine(self) -> Engine:
        """What runs it; goes into every message."""

    @property
    def model(self) -> bytes:
        """SHA-256 of the ONNX file that it runs or was built from."""

    @property
    def tolerance(self) -> float:
        """Largest difference of a logit from the reference that is still this network."""

    def run(self, batch: NDArray[np.float32]) -> Raw:
        """Run the network on float32 (N, 3, 224, 224), image by image.

        Raises:
            ValueError: the batch has another shape or type.
            RuntimeError: the engine failed; the frame is held back.
        """

    def close(self) -> None:
        """Release what it holds. A second call does nothing."""


def check_batch(batch: NDArray[np.float32]) -> None:
    """Raise ValueError unless the batch is float32 (N, 3, 224, 224)."""
    if batch.dtype != np.float32 or batch.ndim != 4 or batch.shape[1:] != INPUT_SHAPE[1:]:
        raise ValueError(f"expected float32 (N, 3, 224, 224), got {batch.dtype} {batch.shape}")


def load_classifier(settings: Model, bundle: Bundle) -> Classifier:
    """Load what the settings ask for and let it reproduce the bundle's golden outputs.

    Raises:
        ModelError: the engine is not there, or computes something else. There is no fallback.
    """
    from edge.classify.golden import check_golden  # noqa: PLC0415  # golden imports this module

    loaded: Classifier
    if settings.classifier == "tensorrt":
        from edge.classify.tensorrt import TensorRtClassifier  # noqa: PLC0415  # loads what is used

        loaded = TensorRtClassifier.from_cache(settings.engine_cache, bundle)
    else:
        from edge.classify.onnx_cpu import OnnxCpuClassifier  # noqa: PLC0415  # loads what is used

        loaded = OnnxCpuClassifier(bundle, settings.threads)
    try:
        check_golden(loaded, bundle)
    except ModelError:
        loaded.close()
        raise
    return loaded
