"""Run one network of a bundle over many images, on all cores that this process may use."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edge.imaging.bundle import Bundle, ClassInfo, Which
from edge.imaging.preprocess import Preprocessing
from trainer.network.onnx_graph import INPUT
from trainer.progress import progress

CHUNK = 64
PLAIN = Preprocessing()

Outputs = Mapping[str, NDArray[np.float32]]


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Runner:
    """ONNX Runtime on the CPU, image by image as on the box, several images at a time.

    Args:
        model: an ONNX file of this trainer.
        preprocessing: what the bundle names (denoising, perspective); images come as plain gray.
    """

    def __init__(self, model: bytes, preprocessing: Preprocessing = PLAIN) -> None:
        import onnxruntime

        self._preprocessing = preprocessing
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    @classmethod
    def of(cls, bundle: Bundle, which: Which = "fp32") -> Runner:
        """A network of a bundle.

        Raises:
            BundleError: the file changed since the bundle was verified.
        """
        return cls(bundle.read_model(which), bundle.preprocessing)

    def run(
        self,
        images: NDArray[np.uint8],
        outputs: Sequence[str] = ("logits",),
        title: str = "",
        *,
        straight: bool = True,
    ) -> Outputs:
        """Outputs, stacked, of (N, 224, 224) gray images; N > 0. A title shows progress.

        ``straight`` says that perspective was corrected when the images were read, or is meant to stay.
        """
        rows: list[list[NDArray[np.float32]]] = []

        def one(image: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
            feed = {INPUT: self._preprocessing.to_network_input(image, straight=straight)}
            return list(self._session.run(list(outputs), feed))

        with ThreadPoolExecutor(_cores()) as pool:
            for chunk in _chunks(images, title):
                rows += pool.map(one, chunk)
        return {name: np.concatenate([row[k] for row in rows]) for k, name in enumerate(outputs)}


def _chunks(images: NDArray[np.uint8], title: str) -> Iterator[NDArray[np.uint8]]:
    starts = range(0, len(images), CHUNK)
    if not title:
        yield from (images[start : start + CHUNK] for start in starts)
        return
    with progress(title, len(starts)) as advance:
        for start in starts:
            yield images[start : start + CHUNK]
            advance("")


class Temperatures(Protocol):
    """What is needed of a bundle, or of a run, to turn logits into probabilities."""

    @property
    def classes(self) -> tuple[ClassInfo, ...]:
        """Classes in the order of the logits."""

    @property
    def temperature(self) -> dict[str, float]:
        """By group of classes."""


def own_probabilities(
    rules: Temperatures, logits: NDArray[np.float32], groups: Sequence[str]
) -> NDArray[np.float64]:
    """Probabilities (N, classes), each image among the classes of its own group, zero elsewhere.

    The same rule as on the box: the other groups' logits are masked, the rest divided by the temperature.
    """
    out = np.zeros(logits.shape)
    names = np.array(groups)
    for group in sorted(set(groups)):
        rows, own = names == group, [i for i, each in enumerate(rules.classes) if each.group == group]
        scaled = logits[np.ix_(rows, own)].astype(np.float64) / rules.temperature[group]
        exponents = np.exp(scaled - scaled.max(1, keepdims=True))
        out[np.ix_(rows, own)] = exponents / exponents.sum(1, keepdims=True)
    return out


def answers_unknown(
    bundle: Bundle, logits: NDArray[np.float32], features: NDArray[np.float32]
) -> NDArray[np.intp]:
    """Class of each image, (N,), when nobody says what kind of image it is.

    Heads are trained within their group, so the logits of two groups cannot be compared. The group is the one
    that the image looks most like; a bundle that does not know groups apart is asked for the largest logit.
    """
    known = bundle.likeness
    if not known:
        return np.asarray(logits.argmax(1), np.intp)
    names = sorted(known)
    alike = features.astype(np.float64) @ np.array([known[name].direction for name in names]).T
    groups = [names[row] for row in alike.argmax(1)]
    return np.asarray(own_probabilities(bundle, logits, groups).argmax(1), np.intp)
