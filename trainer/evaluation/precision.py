"""FP32 against FP16: does rounding change what is said?"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

MARGIN = 0.02
"""Lead of the best over the second-best probability from which on a label must not change."""


def compare(reference: NDArray[np.float64], other: NDArray[np.float64]) -> dict[str, Any]:
    """Labels that change and the largest difference of a probability, over (N, classes) of both.

    ONNX Runtime computes half precision in single precision on a CPU: this judges the rounding of weights
    and not that of sums; the box's own engine is judged by the golden outputs when it is built.
    """
    two = np.sort(reference, axis=1)[:, -2:]
    margin = two[:, 1] - two[:, 0]
    changed = reference.argmax(1) != other.argmax(1)
    return {
        "images": len(reference),
        "label_changes": int(changed.sum()),
        "label_changes_at_margin": int((changed & (margin >= MARGIN)).sum()),
        "margin": MARGIN,
        "largest_difference": float(np.float32(np.abs(reference - other).max())),
    }
