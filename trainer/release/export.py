"""From a run directory to a signed bundle."""

from __future__ import annotations

import io
import json
import shutil
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.imaging import bundle as layout
from edge.imaging import preprocess
from trainer.network import onnx_graph
from trainer.network.edge_net import EdgeNet
from trainer.prior import procedural
from trainer.release.model_card import model_card
from trainer.release.signing import sign_bundle
from trainer.training import run_record

GOLDEN_SEED = 7
GOLDEN_IMAGES = 8
MAX_ACTIVATION = 30_000.0
"""Half precision ends at 65,504; beyond this bound a slightly different input could overflow."""
LEAST_LIKENESS = 0.35
"""Of what the mean image of a group scores, by the run's released means. Fixed: chosen on the public
benchmark, where 1 to 2 % of valid images of the validation split score less, and 97 % of others do."""
MAX_BYTES = 8_000_000
GOLDEN_TOLERANCE = {"fp32": 1e-3, "fp16": 5e-2}
"""Largest difference of a logit from the reference that an engine of that precision may show."""


LIKENESS_RULE = (
    f"; no label for an image whose features reach less than {LEAST_LIKENESS} of what the mean image of its "
    "group reaches, a number chosen on the public benchmark's validation split"
)


class ExportError(ValueError):
    """The network cannot be shipped; the message says why."""


def golden_images() -> NDArray[np.uint8]:
    """Procedural images (N, 224, 224): every known kind, no patient."""
    rng = np.random.default_rng(GOLDEN_SEED)
    kinds = len(procedural.GENERATORS)
    return np.stack([procedural.draw(rng, number % kinds)[0] for number in range(GOLDEN_IMAGES)])


def export(
    run: Path, keys: Path, out: Path, figures: Path | None = None, *, research: bool = False
) -> dict[str, Any]:
    """Write both networks, golden data, statements and signatures to ``out``; return a summary.

    Args:
        run: directory that ``trainer fit`` wrote.
        keys: the releaser's key directory; made on first use.
        out: directory of the bundle; its former content is replaced.
        figures: JSON of ``trainer evaluate`` on a bundle of the same network, for the model card.
        research: allow a research run. Its bundle is marked, and no box loads it.

    Raises:
        ExportError: the run was made for research; the network could overflow, disagrees with itself, or
            is too large.
    """
    record, net = run_record.load(run)
    if bool(net.likeness.any()):
        record = record.model_copy(update={"threshold_rule": record.threshold_rule + LIKENESS_RULE})
    if record.privacy.mode != "release" and not research:
        raise ExportError(
            f"{run} is a research run, which no ledger limited: nothing is released of it. Train with --mode "
            "release, or give --research for a marked bundle that trainer evaluate reads and boxes refuse"
        )
    models = {which: onnx_graph.build(net, which).SerializeToString() for which in ("fp32", "fp16")}
    if sum(map(len, models.values())) > MAX_BYTES:
        raise ExportError(f"both networks together exceed {MAX_BYTES} bytes")
    images = golden_images()
    inputs = np.concatenate([preprocess.to_network_input(image) for image in images])
    largest = onnx_graph.largest_activation(net, inputs)
    if not largest < MAX_ACTIVATION:
        raise ExportError(f"an activation reaches {largest:.0f}, which half precision may not hold")
    reference = onnx_graph.run(models["fp32"], inputs, ("logits",))[0]
    halved = onnx_graph.run(models["fp16"], inputs, ("logits",))[0]
    difference = float(np.abs(reference - halved).max())
    if not difference < GOLDEN_TOLERANCE["fp16"] / 2:
        raise ExportError(f"rounding to half precision moves a logit by {difference:.3f}")
    evaluated = _figures(figures, models["fp32"])
    spec = {
        "format": layout.FORMAT,
        "name": record.name,
        "made": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "preprocess": preprocess.NAME,
        "classes": [each.model_dump() for each in record.classes],
        "intended_use": [each.model_dump() for each in record.intended_use],
        "temperature": record.temperature,
        "min_probability": record.min_probability,
        "threshold_rule": record.threshold_rule,
        "golden_tolerance": GOLDEN_TOLERANCE,
        "likeness": _likeness(record, net),
    }
    layout.Spec.model_validate(spec)
    if out.exists():
        shutil.rmtree(out)
    targets = out / "targets"
    targets.mkdir(parents=True)
    _write_json(targets / layout.SPEC, spec)
    _write_json(targets / layout.PRIVACY, record.privacy.model_dump(mode="json"))
    (targets / layout.FP32).write_bytes(models["fp32"])
    (targets / layout.FP16).write_bytes(models["fp16"])
    packed = io.BytesIO()
    np.savez_compressed(packed, images=images, logits=reference)
    (targets / layout.GOLDEN).write_bytes(packed.getvalue())
    (targets / layout.CARD).write_text(model_card(record, evaluated), "utf-8")
    version = sign_bundle(out, keys)
    return {
        "version": version,
        "bytes": {which: len(data) for which, data in models.items()},
        "largest_activation": round(largest, 2),
        "fp16_largest_logit_difference": round(difference, 5),
    }


def _likeness(record: run_record.RunRecord, net: EdgeNet) -> dict[str, Any]:
    """What images of each group look like, if the run knows."""
    if not bool(net.likeness.any()):
        return {}
    rows = {each.group: row for each, row in zip(record.classes, net.likeness.tolist(), strict=True)}
    return {
        group: {"direction": [round(value, 6) for value in row], "least": LEAST_LIKENESS}
        for group, row in rows.items()
    }


def _figures(path: Path | None, fp32: bytes) -> dict[str, Any] | None:
    """Read an evaluation and make sure that it judged this very network."""
    if path is None:
        return None
    from hashlib import sha256

    evaluated: dict[str, Any] = json.loads(path.read_text("utf-8"))
    if evaluated.get("model_sha256") != sha256(fp32).hexdigest():
        raise ExportError(f"{path} judged another network; run trainer evaluate on a bundle of this one")
    return evaluated


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", "utf-8")
