"""From logits to probabilities, a label or an abstention, and a small map. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge.imaging.bundle import Bundle
from edge.imaging.intended_use import looks_intended
from edge.messages import AbstainReason


@dataclass(frozen=True)
class Decision:
    """What is said about one image. Either ``label`` or ``abstained`` is set."""

    probabilities: dict[str, float]
    """Of the group's classes alone; they add up to one."""
    label: str | None
    abstained: AbstainReason | None
    cam: bytes
    """Class activation map of the most probable class, row-major uint8, lowest 0 to highest 255."""
    cam_shape: tuple[int, int]


def softmax(logits: NDArray[np.float32], temperature: float) -> NDArray[np.float64]:
    """Probabilities of logits divided by a temperature."""
    scaled = logits.astype(np.float64) / temperature
    exponents = np.exp(scaled - scaled.max())
    return np.asarray(exponents / exponents.sum(), np.float64)


def to_bytes(cam: NDArray[np.float32]) -> bytes:
    """A map (h, w) spread over 0..255; a flat map becomes all zeros."""
    low, high = float(cam.min()), float(cam.max())
    if not high - low > 1e-6:
        return bytes(cam.size)
    return bytes(np.rint((cam - low) * (255.0 / (high - low))).astype(np.uint8).tobytes())


def decide_among(
    logits: NDArray[np.float32],
    cam: NDArray[np.float32],
    indices: Sequence[int],
    names: Sequence[str],
    temperature: float,
    min_probability: float,
) -> Decision:
    """Decide among the classes at ``indices``; the logits of all others are masked.

    Args:
        logits: (classes,).
        cam: (classes, h, w).
        indices: positions of the classes that the kind of image admits.
        names: their names, in the same order.
        temperature: divisor of the logits.
        min_probability: below it the decision is an abstention, "unsure".

    Raises:
        ValueError: there is nothing to decide among, or a logit is not a number.
    """
    if not indices:
        raise ValueError("no class of the model is meant for this kind of image")
    own = logits[list(indices)]
    if not np.isfinite(own).all():
        raise ValueError("a logit is not a number")
    probabilities = softmax(own, temperature)
    best = int(probabilities.argmax())
    sure = float(probabilities[best]) >= min_probability
    chosen = cam[indices[best]]
    return Decision(
        probabilities={name: float(value) for name, value in zip(names, probabilities, strict=True)},
        label=names[best] if sure else None,
        abstained=None if sure else "unsure",
        cam=to_bytes(chosen),
        cam_shape=(int(chosen.shape[0]), int(chosen.shape[1])),
    )


def decide(
    logits: NDArray[np.float32],
    features: NDArray[np.float32],
    cam: NDArray[np.float32],
    group: str,
    bundle: Bundle,
) -> Decision:
    """Decide among the classes of one group of the bundle; see `decide_among`.

    An image whose features (F,) are unlike the group's gets no label: "not_intended_use".
    """
    indices = bundle.class_indices(group)
    names = [bundle.classes[index].name for index in indices]
    if not indices:
        raise ValueError("no class of the model is meant for this kind of image")
    limit = bundle.min_probability[group]
    decision = decide_among(logits, cam, indices, names, bundle.temperature[group], limit)
    alike = bundle.likeness.get(group)
    if alike is None or looks_intended(features, alike):
        return decision
    return replace(decision, label=None, abstained="not_intended_use")
