"""What masking costs: the shipped classifier's labels on real images, before and after, must be the same.

The images go through the room of live scanner frames, without a label planted: what is masked in them is what
the text detectors take for text, rightly or not.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from edge.anonymize.detectors import load_detectors
from edge.anonymize.gate import Held
from edge.anonymize.scanner.anonymizer import ScannerAnonymizer
from edge.classify.decide import decide
from edge.classify.onnx_cpu import OnnxCpuClassifier
from edge.imaging.bundle import Bundle
from edge.imaging.frames import Acquisition, Identity, Pixels, RawFrame
from edge.settings import Anonymize
from support.leak import judge, sources
from support.leak.grid import grid
from support.leak.parallel import in_order

COUNT = 600
_MODEL = Path(__file__).resolve().parents[3] / "firmware_config"
_KINDS = {"chest_xray/": ("DX", "xr_chest"), "brain_mri/": ("MR", "mri_brain")}
"""Modality, and group of classes of the shipped bundle, of the images below a folder."""
_NOBODY = Identity("", "", "", "", "", "")
"""Every DICOM object has one, if an empty one; what has none is a photograph to this room."""


@dataclass(frozen=True)
class Image:
    """One real image, and whose it is."""

    file: str
    patient: str


@dataclass(frozen=True)
class Compared:
    """Labels of one image; None for an abstention."""

    kind: str
    patient: str
    held: str | None
    masked: float
    before: str | None
    after: str | None

    @property
    def changed(self) -> bool:
        """Whether it left with another label."""
        return self.held is None and self.before != self.after


def images(data: Path, count: int = COUNT) -> list[Image]:
    """Images of the test split, the kinds in turn."""
    with (data / "index.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "test"]
    rng = np.random.default_rng(3)
    kinds = [[row for row in rows if row["file"].startswith(kind)] for kind in _KINDS]
    turns = [[kind[i] for i in rng.permutation(len(kind))] for kind in kinds]
    mixed = [turn[n] for n in range(max(map(len, turns))) for turn in turns if n < len(turn)]
    return [Image(row["file"], row["group_id"]) for row in mixed[:count]]


@cache
def _stage() -> tuple[ScannerAnonymizer, Bundle, OnnxCpuClassifier]:
    bundle = Bundle.load(_MODEL / "model", _MODEL / "model-root.json")
    return ScannerAnonymizer(Anonymize(), load_detectors(Anonymize())), bundle, OnnxCpuClassifier(bundle)


def compare(image: Image, data: str) -> Compared:
    """One image with and without masks."""
    scanner, _, _ = _stage()
    kind = next(kind for kind in _KINDS if image.file.startswith(kind))
    modality, group = _KINDS[kind]
    pixels = sources.image(Path(data), image.file)
    raw = RawFrame(pixels, "utility", 0, 0, 0, Acquisition(modality=modality), _NOBODY)
    outcome = scanner.clean(raw)
    if isinstance(outcome, Held):
        return Compared(kind, image.patient, outcome.reason, 0.0, None, None)
    masked = outcome.receipt.masked_share
    return Compared(kind, image.patient, None, masked, _label(pixels, group), _label(outcome.pixels, group))


def _label(pixels: Pixels, group: str) -> str | None:
    _, bundle, classifier = _stage()
    raw = classifier.run(bundle.preprocessing.to_network_input(pixels))
    return decide(raw.logits[0], raw.features[0], raw.cam[0], group, bundle).label


def run_all(chosen: Sequence[Image], data: Path, jobs: int | None = None) -> Iterator[Compared]:
    """All images, in order, with a line of progress now and then."""
    return in_order(compare, [(each, str(data)) for each in chosen], "utility", jobs or os.cpu_count() or 1)


def markdown(found: Sequence[Compared]) -> str:
    """Changed labels by kind of image, by patient the bound that counts."""
    head = ["images", "held", "masked at all", "masked share", "labels changed (95 % bound)",
            "patients with a change (95 % bound)"]  # fmt: skip
    lines = []
    for kind in ("all", *_KINDS):
        some = [each for each in found if kind in {"all", each.kind}]
        left = [each for each in some if each.held is None]
        changed = sum(each.changed for each in left)
        bad, patients = judge.by_cluster((each.patient, each.changed) for each in left)
        lines.append(
            [f"{kind.rstrip('/')}: {len(some)}", str(len(some) - len(left)),
             str(sum(each.masked > 0 for each in left)),
             f"{np.mean([each.masked for each in left] or [0.0]):.2%}",
             f"{changed}: {changed / max(1, len(left)):.2%} ({judge.upper(changed, len(left)):.2%})",
             f"{bad} of {patients} ({judge.upper(bad, patients):.2%})"]
        )  # fmt: skip
    return grid(head, lines)
