"""From a run directory to a signed bundle."""

from __future__ import annotations

import io
import json
import secrets
import shutil
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.imaging import bundle as layout
from edge.imaging import preprocess
from trainer.data.record import Record
from trainer.network import onnx_graph
from trainer.phantoms import procedural
from trainer.privacy import on_record
from trainer.privacy.ledger import default_folder
from trainer.release import evidence, likeness
from trainer.release.judged import figures as judge_now
from trainer.release.model_card import model_card
from trainer.release.signing import sign_bundle, signers
from trainer.training import audit_note, run_record

GOLDEN_SEED = 7
MAX_ACTIVATION = 30_000.0
"""Half precision ends at 65,504; beyond this bound a slightly different input could overflow."""
MAX_BYTES = 8_000_000
GOLDEN_TOLERANCE = {"fp32": 1e-3, "fp16": 5e-2}
"""Largest difference of a logit from the reference that an engine of that precision may show."""


class ExportError(ValueError):
    """The network cannot be shipped; the message says why."""


def golden_images() -> NDArray[np.uint8]:
    """Procedural images (N, 224, 224): every known kind, no patient."""
    rng = np.random.default_rng(GOLDEN_SEED)
    kinds = [(family, style) for style in procedural.STYLES for family in range(procedural.FAMILIES)]
    return np.stack([procedural.draw(rng, family, style)[0] for family, style in kinds])


def export(
    run: Path,
    keys: Path,
    out: Path,
    figures: Path | None = None,
    *,
    ledgers: Path | None = None,
    research: bool = False,
    judged: Sequence[Record] | None = None,
    split: str = "test",
    least: float = likeness.LEAST,
) -> dict[str, Any]:
    """Write both networks, golden data, statements and signatures to ``out``; return a summary.

    Args:
        run: directory that ``trainer fit`` wrote.
        keys: the releaser's key directory; made on first use.
        out: directory of the bundle. One that is there is replaced when the new one is signed.
        figures: JSON of ``trainer evaluate`` on a bundle of the same network, for the model card.
        ledgers: directory of the ledgers, where a release run must stand; left out, the user's own.
        research: allow a research run. Its bundle is marked, and no box loads it.
        judged: all records of the index that the figures were read from; see `evidence.figures`. Without
            ``figures``: the bundle is judged on them now.
        split: without ``figures``: which split of ``judged`` is judged on.
        least: threshold of likeness, of what the mean image of a group scores.

    Raises:
        ExportError: the run was made for research; an audit contradicts its claim; the network could
            overflow, disagrees with itself, or is too large; there is something at ``out`` that is no bundle.
        EvidenceError: the figures are of another network, or of images that it was trained on.
        DataError: the images to judge on cannot be used.
        NoteError: what audits left beside the run is damaged.
        LedgerError: a run that says it is a release is not on record as one, or wrote other files.
    """
    _refuse_foreign(out)
    kept = run_record.read(run)
    record, net = kept.record, kept.net
    likeness.check(net, least)
    rule = record.threshold_rule + likeness.rule(record, net, least)
    record = record.model_copy(
        update={"threshold_rule": rule, "privacy": likeness.told(record.privacy, least)}
    )
    if record.privacy.mode != "release" and not research:
        raise ExportError(
            f"{run} is a research run, which no ledger limited: nothing is released of it. Train with --mode "
            "release, or give --research for a marked bundle that trainer evaluate reads and boxes refuse"
        )
    audits = audit_note.read(run, kept.files)
    if any(each.contradicted for each in audits) and not research:
        raise ExportError(
            f"trainer audit contradicts the privacy that {run} claims, so nothing is released of it; look "
            "for the error in the mechanism or in its accounting"
        )
    ledgers = ledgers or default_folder()
    account = None
    if record.privacy.mode == "release":
        account = on_record.confirm(kept.record.privacy, kept.files, ledgers, run_record.voucher(run))
        record = record.model_copy(update={"privacy": on_record.by_now(record.privacy, ledgers)})
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
    known = evidence.Trained(tuple(record.data.get("splits", ())), account, ledgers)
    evaluated = None
    if figures is not None:
        evaluated = evidence.figures(figures, models["fp32"], known, judged)
    spec = {
        "format": layout.FORMAT,
        "name": record.name,
        "made": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "preprocess": record.preprocess,
        "classes": [each.model_dump() for each in record.classes],
        "intended_use": [each.model_dump() for each in record.intended_use],
        "temperature": record.temperature,
        "min_probability": record.min_probability,
        "threshold_rule": record.threshold_rule,
        "golden_tolerance": GOLDEN_TOLERANCE,
        "likeness": likeness.block(record, net, least),
    }
    layout.Spec.model_validate(spec)
    preprocess.parse(record.preprocess)
    files = {
        layout.SPEC: _json(spec),
        layout.PRIVACY: _json(record.privacy.model_dump(mode="json")),
        layout.FP32: models["fp32"],
        layout.FP16: models["fp16"],
        layout.GOLDEN: _golden(images, reference),
        layout.CARD: model_card(record, evaluated, audits).encode(),
    }
    if figures is None and judged is not None:
        signers(keys)  # what cannot be signed is not judged: a read of the split is counted
        evaluated = judge_now(files, judged, split, known)
        files[layout.CARD] = model_card(record, evaluated, audits).encode()
    version = _install(out, files, keys)
    return {
        "version": version,
        "bytes": {which: len(data) for which, data in models.items()},
        "least_likeness": least if bool(net.likeness.any()) else None,
        "largest_activation": round(largest, 2),
        "fp16_largest_logit_difference": round(difference, 5),
        "evaluated": evaluated is not None,
        "audits": len(audits),
    }


def _refuse_foreign(out: Path) -> None:
    """Refuse to replace anything but a bundle that was made here before."""
    if not out.exists() and not out.is_symlink():
        return
    if out.is_symlink() or not out.is_dir():
        raise ExportError(f"{out} is no directory of its own; give another --out")
    there = {each.name for each in out.iterdir()}
    ours = there == {"metadata", "targets"} and (out / "targets" / layout.SPEC).is_file()
    if there and not ours:
        raise ExportError(f"{out} is not empty and no bundle, so it is not replaced; give another --out")


def _install(out: Path, files: dict[str, bytes], keys: Path) -> int:
    """Write and sign a bundle beside ``out``, then put it there. Until then what was there stays.

    Returns:
        The release's version.
    """
    out = out.absolute()
    lot = secrets.token_hex(4)
    made, old = (out.with_name(f".{out.name}.{what}-{lot}") for what in ("new", "old"))
    try:
        (made / "targets").mkdir(parents=True)
        for name, data in files.items():
            (made / "targets" / name).write_bytes(data)
        version = sign_bundle(made, keys)
        if not out.exists():
            made.rename(out)
            return version
        out.rename(old)
        try:
            made.rename(out)
        except OSError:
            old.rename(out)
            raise
        shutil.rmtree(old, ignore_errors=True)
        return version
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _golden(images: NDArray[np.uint8], logits: NDArray[np.float32]) -> bytes:
    packed = io.BytesIO()
    np.savez_compressed(packed, images=images, logits=logits)
    return packed.getvalue()


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=2) + "\n").encode()
