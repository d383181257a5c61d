"""``trainer evaluate``: judge a signed bundle on a split, through the file that the box would run."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.imaging.bundle import Bundle
from edge.imaging.preprocess import Preprocessing
from trainer.data import dataset, leaks, sources
from trainer.evaluation import (
    faithfulness,
    halves,
    least_likeness,
    others,
    precision,
    reads,
    robustness,
    shortcut,
    subgroups,
    train_split,
)
from trainer.evaluation.judge import figures, judge, scored
from trainer.evaluation.parts import PARTS
from trainer.evaluation.runner import Runner, answers_unknown, own_probabilities
from trainer.evaluation.table import table
from trainer.evaluation.without_copies import without_copies
from trainer.progress import progress

__all__ = ["PARTS", "Others", "evaluate", "judge", "probabilities", "table"]


@dataclass(frozen=True)
class Others:
    """Where the images come from that the model was not made for."""

    data: Path | None = None
    """A folder with ``dicom`` and ``faces``; None for none."""
    own: Path | None = None
    """A user's folder or index."""


def probabilities(bundle: Bundle, images: NDArray[np.uint8], groups: Sequence[str]) -> NDArray[np.float64]:
    """Probabilities (N, classes) by the FP32 network, each image among the classes of its own group."""
    logits = Runner.of(bundle).run(images, title="evaluation")["logits"]
    return own_probabilities(bundle, logits, groups)


def evaluate(
    bundle: Bundle,
    records: Sequence[dataset.Record],
    split: str,
    *,
    whole: Sequence[dataset.Record] | None = None,
    skip: Collection[str] = (),
    strangers: Others | None = None,
    ledgers: Path | None = None,
) -> dict[str, Any]:
    """Read one split of an index and judge the bundle on it. The read is counted before it is made.

    Args:
        bundle: a verified bundle.
        records: what is asked for, of all splits; the shortcut probes are fitted on its split ``train``,
            and near copies looked for in it. Where its files are elsewhere these parts say so.
        split: the split to judge on.
        whole: all records of the index, by which the split is known when reads are counted; None: the same.
        skip: names of `PARTS` to leave out.
        strangers: also show it images that it was not made for.
        ledgers: directory where reads are counted; None takes `default_folder`.

    Raises:
        DataError: the split is empty, holds no class of the bundle, or shares a group, a patient or a file
            with another split.
        EvaluationError: the read cannot be counted.
    """
    there = dataset.of_split(records, split)
    group = {each.name: each.group for each in bundle.classes}
    kept = [record for record in there if record.label in group]
    if not kept:
        raise dataset.DataError(
            f"no image of split {split!r} is of a class that the bundle knows; it knows "
            f"{', '.join(group)}. Judge it on an index with these classes, in the same words"
        )
    leaks.refuse(whole or records)
    key = reads.split_digest(record for record in whole or records if record.split == split)
    number = reads.count_read(key, split, kept, bundle.model_digest("fp32").hex(), ledgers)
    print(f"this is read number {number} of this split")

    # Perspective is corrected at full size, as on the box; denoising is done by the runner.
    how = Preprocessing(perspective=bundle.preprocessing.perspective)
    images = dataset.load_all(kept, how)
    groups = [group[record.label] for record in kept]
    runner = Runner.of(bundle)
    ran = runner.run(images, ("logits", "features", "cam"), "evaluation")
    them = scored(own_probabilities(bundle, ran["logits"], groups), kept, bundle)
    strange = others.unlike(bundle, ran["features"], groups)
    # No probability is enough for a label on an image that does not look like its group.
    them = replace(them, limit=np.where(strange, np.inf, them.limit))
    out = {
        "split": split,
        "split_sha256": key,
        "split_reads": number,
        "left_out": len(there) - len(kept),
        "left_out_classes": sorted({record.label for record in there} - set(group)),
        "modality": "known; each image is judged among the classes of its own group",
        "interval": "95 %, bootstrap over groups, 2,000 resamples",
        "published_sets_only": bool(sources.published(records)),
        "known_faults": _known_faults(kept),
        **_about(bundle),
        **figures(them, answers_unknown(bundle, ran["logits"], ran["features"])),
        "within_source": subgroups.within_sources(them),
        "subgroups": subgroups.subgroups(them),
    }
    if {"shortcut", "without_copies"} - set(skip):
        train = train_split.load(records, split, {record.label for record in kept}, how)
        out |= _beside_train(them, images, train, skip)
    if "degraded" not in skip:
        out["degraded"] = _degraded(bundle, runner, them, images, groups)
    if "faithfulness" not in skip:
        rows = faithfulness.choose(them, np.random.default_rng(0))

        def predict(played: NDArray[np.uint8], of: list[int]) -> NDArray[np.float64]:
            return own_probabilities(bundle, runner.run(played)["logits"], [groups[row] for row in of])

        out["faithfulness"] = faithfulness.faithfulness(them, rows, images[rows], ran["cam"][rows], predict)
    if "precision" not in skip:
        halved = Runner.of(bundle, "fp16").run(images, title="half precision")["logits"]
        out["precision"] = precision.compare(them.probability, own_probabilities(bundle, halved, groups))
    if strangers is not None:
        rest = [record for record in there if record.label not in group]
        held = halves.held_out(split)
        shown = _others(bundle, runner, strangers, held, kept, images, ran["features"], groups, rest)
        out["others"] = {"held_out_from_threshold": held, **shown}
    return out


def _known_faults(records: Sequence[dataset.Record]) -> dict[str, str]:
    there = sorted(set(sources.sets_of(records)) - {""})
    return {name: sources.KNOWN[name]["limits"] for name in there}


def _about(bundle: Bundle) -> dict[str, Any]:
    return {
        "bundle_name": bundle.spec.name,
        "bundle_made": bundle.spec.made,
        "bundle_version": bundle.version,
        "bundle_sha256": bundle.digest.hex(),
        "model_sha256": bundle.model_digest("fp32").hex(),
        "epsilon": bundle.privacy.epsilon,
        "delta": bundle.privacy.delta,
        "unit": bundle.privacy.unit,
        "adjacency": bundle.privacy.adjacency,
        "privacy_mode": bundle.privacy.mode,
        "not_covered": bundle.privacy.not_covered,
        "temperature": dict(bundle.spec.temperature),
        "min_probability": dict(bundle.spec.min_probability),
        "uses": [each.model_dump(mode="json") for each in bundle.intended_use],
        "classes": [each.model_dump(mode="json") for each in bundle.classes],
    }


def _beside_train(
    them: Any, images: NDArray[np.uint8], train: train_split.TrainSplit, skip: Collection[str]
) -> dict[str, Any]:
    from trainer.data.shortcuts import global_statistics, probe

    out = {}
    if "shortcut" not in skip:
        out["shortcut"] = shortcut.margins(them, images, train, global_statistics, probe)
    if "without_copies" not in skip:
        out["without_copies"] = without_copies(them, images, train)
    return out


def _degraded(
    bundle: Bundle, runner: Runner, them: Any, images: NDArray[np.uint8], groups: Sequence[str]
) -> dict[str, Any]:
    out: dict[str, Any] = {}
    with progress("degraded images", len(robustness.CHANGES)) as advance:
        for name in robustness.CHANGES:
            worse = robustness.degraded(images, name)
            ran = runner.run(worse, ("logits", "features"), straight=not name.startswith("perspective"))
            unlike = others.unlike(bundle, ran["features"], groups)
            said = own_probabilities(bundle, ran["logits"], groups)
            out[name] = robustness.compare(them, said, bundle, unlike)
            advance(name)
    return out


def _others(
    bundle: Bundle,
    runner: Runner,
    strangers: Others,
    held: bool,
    records: Sequence[dataset.Record],
    images: NDArray[np.uint8],
    features: NDArray[np.float32],
    groups: Sequence[str],
    rest: Sequence[dataset.Record],
) -> dict[str, Any]:
    from trainer.evaluation import other_images

    abstains = others.by_rules(bundle, runner)
    found = other_images.drawn(held) + other_images.misplaced(records, images, groups)
    known = {record.modality for record in records}
    found += other_images.of_other_modalities([each for each in rest if each.modality not in known])
    found += other_images.stock_photographs(held)
    if strangers.data is not None:
        found += other_images.data_folder(strangers.data, held)
    # An image of the right kind that lies on its side is no stranger; it is told apart from them.
    turned = [each for each in found if other_images.TURNED in each.kind]
    found = [each for each in found if other_images.TURNED not in each.kind]
    uses, looks_like = bundle.intended_use, others.by_looks(bundle, runner)
    out: dict[str, Any] = {"standard": others.judge(found, uses, abstains, looks_like)}
    out["turned"] = others.judge(turned, uses, abstains, looks_like)
    if strangers.own is not None:
        own = other_images.own(strangers.own)
        out["own"] = others.judge(own, uses, abstains, looks_like)
        found += own
    out["least_likeness"] = least_likeness.curve(bundle, runner, features, groups, found)
    out["valid"] = others.valid(images, groups, [record.group for record in records], abstains)
    return out
