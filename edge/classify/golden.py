"""The golden check: an engine is what the bundle says only if it computes what the bundle says."""

from __future__ import annotations

import numpy as np

from edge.classify.classifier import Classifier, ModelError, Raw
from edge.imaging.bundle import Bundle


def check_golden(classifier: Classifier, bundle: Bundle) -> float:
    """Run the golden inputs and return the largest difference of a logit from the reference.

    Raises:
        ModelError: it is above the tolerance of the engine, or not a number.
    """
    try:
        raw = classifier.run(bundle.golden.inputs)
    except RuntimeError as error:
        raise ModelError(f"{classifier.engine} failed on the golden inputs: {error}") from None
    return compare(raw, bundle, classifier.tolerance, classifier.engine)


def compare(raw: Raw, bundle: Bundle, tolerance: float, engine: str) -> float:
    """The rule of the golden check on outputs at hand; see `check_golden`."""
    if raw.logits.shape != bundle.golden.logits.shape:
        raise ModelError(f"{engine} yields logits of shape {raw.logits.shape}; the bundle is damaged")
    if not all(np.isfinite(each).all() for each in (raw.logits, raw.features, raw.cam)):
        raise ModelError(f"{engine} yields values that are not numbers on the golden inputs; refused")
    difference = float(np.abs(raw.logits - bundle.golden.logits).max())
    if not difference <= tolerance:
        raise ModelError(
            f"{engine} does not reproduce the golden outputs (off by {difference:.4f}, allowed {tolerance}); "
            "build the engine again with: edge build-engine"
        )
    return difference
