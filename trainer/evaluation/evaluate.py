"""``trainer evaluate``: judge a signed bundle on a split, through the file that the box would run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.imaging import preprocess
from edge.imaging.bundle import Bundle
from trainer.data import dataset
from trainer.network import onnx_graph
from trainer.progress import progress

RESAMPLES = 2000
BINS = 10


def probabilities(bundle: Bundle, images: NDArray[np.uint8], groups: Sequence[str]) -> NDArray[np.float64]:
    """Probabilities (N, classes) by the FP32 network, each image among the classes of its own group."""
    model = bundle.read_model("fp32")
    out = np.zeros((len(images), len(bundle.classes)))
    size = 64
    with progress("evaluation", -(-len(images) // size)) as advance:
        for start in range(0, len(images), size):
            part = images[start : start + size]
            inputs = np.concatenate([preprocess.to_network_input(image) for image in part])
            logits = onnx_graph.run(model, inputs, ("logits",))[0].astype(np.float64)
            for row, values in enumerate(logits):
                group = groups[start + row]
                own = bundle.class_indices(group)
                scaled = values[own] / bundle.temperature[group]
                exponents = np.exp(scaled - scaled.max())
                out[start + row, own] = exponents / exponents.sum()
            advance("")
    return out


def _balanced(weights: NDArray[np.float64], right: NDArray[np.float64], total: NDArray[np.float64]) -> Any:
    """Balanced accuracy for each row of group weights; counts are (groups, classes)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.nanmean((weights @ right) / (weights @ total), axis=1)


def _interval(values: NDArray[np.float64]) -> list[float]:
    low, high = np.nanpercentile(values, (2.5, 97.5))
    return [round(float(low), 4), round(float(high), 4)]


def _counts(
    labels: NDArray[np.intp], hit: NDArray[np.bool_], group: NDArray[np.intp], classes: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    total = np.zeros((group.max() + 1, classes))
    right = np.zeros_like(total)
    np.add.at(total, (group, labels), 1)
    np.add.at(right, (group, labels), hit)
    return right, total


def _recall(labels: NDArray[np.intp], hit: NDArray[np.bool_]) -> dict[int, float]:
    return {int(each): float(hit[labels == each].mean()) for each in np.unique(labels)}


def judge(
    probability: NDArray[np.float64], records: Sequence[dataset.Record], bundle: Bundle
) -> dict[str, Any]:
    """All figures of one split from the probabilities. Group bootstrap, 2,000 resamples, fixed seed."""
    names = [each.name for each in bundle.classes]
    labels = np.array([names.index(record.label) for record in records])
    best = probability.argmax(1)
    hit = best == labels
    modality = np.array([record.modality for record in records])
    source = np.array([record.source for record in records])
    rng = np.random.default_rng(0)  # Resampling for intervals protects nobody; fixed, so that tables repeat.
    resampled: list[NDArray[np.float64]] = []
    hits, sizes = np.zeros(RESAMPLES), np.zeros(RESAMPLES)
    per_modality: dict[str, Any] = {}
    for each in sorted(set(modality)):
        rows: list[int] = np.flatnonzero(modality == each).tolist()
        place = {name: index for index, name in enumerate(sorted({records[row].group for row in rows}))}
        group = np.array([place[records[row].group] for row in rows], np.intp)
        right, total = _counts(labels[rows], hit[rows], group, len(names))
        count = len(right)
        weights = rng.multinomial(count, np.full(count, 1 / count), size=RESAMPLES).astype(float)
        resampled.append(_balanced(weights, right, total))
        hits += weights @ right.sum(1)
        sizes += weights @ total.sum(1)
        recall = _recall(labels[rows], hit[rows])
        per_source = {}
        for name in sorted(set(source[rows])):
            inner = [row for row in rows if source[row] == name]
            within = _recall(labels[inner], hit[inner])
            per_source[name] = {
                "images": len(inner),
                "classes": len(within),
                "balanced_accuracy": round(float(np.mean(list(within.values()))), 4),
            }
        per_modality[each] = {
            "images": len(rows),
            "groups": count,
            "balanced_accuracy": round(float(np.mean(list(recall.values()))), 4),
            "balanced_accuracy_interval": _interval(resampled[-1]),
            "accuracy": round(float(hit[rows].mean()), 4),
            "recall": {names[index]: round(value, 4) for index, value in recall.items()},
            "per_source": per_source,
        }
    mean = np.mean([part["balanced_accuracy"] for part in per_modality.values()])
    top = probability.max(1)
    limit = np.array([bundle.min_probability[bundle.classes[index].group] for index in best])
    labelled = top >= limit
    return {
        "images": len(records),
        "groups": len({record.group for record in records}),
        "accuracy": round(float(hit.mean()), 4),
        "accuracy_interval": _interval(hits / sizes),
        "mean_within_modality_balanced_accuracy": round(float(mean), 4),
        "mean_within_modality_balanced_accuracy_interval": _interval(np.mean(resampled, axis=0)),
        "per_modality": per_modality,
        "abstained": round(float(1 - labelled.mean()), 4),
        "accuracy_where_labelled": round(float(hit[labelled].mean()), 4) if labelled.any() else 0.0,
        "expected_calibration_error": round(_calibration_error(top, hit), 4),
    }


def _calibration_error(top: NDArray[np.float64], hit: NDArray[np.bool_]) -> float:
    """Mean distance of confidence from accuracy over ten equal bins, weighted by their images."""
    bins = np.minimum((top * BINS).astype(int), BINS - 1)
    return sum(
        abs(float(top[bins == b].mean()) - float(hit[bins == b].mean())) * float((bins == b).mean())
        for b in np.unique(bins)
    )


def evaluate(bundle: Bundle, records: Sequence[dataset.Record], split: str) -> dict[str, Any]:
    """Read one split of an index and judge the bundle on it.

    Raises:
        DataError: the split is empty, or holds no class of the bundle.
    """
    there = [record for record in records if record.split == split]
    if not there:
        known = ", ".join(sorted({record.split for record in records}))
        raise dataset.DataError(f"no image is in split {split!r}; the data has {known}")
    group = {each.name: each.group for each in bundle.classes}
    kept = [record for record in there if record.label in group]
    if not kept:
        raise dataset.DataError("no image of the split is of a class that the bundle knows")
    images = dataset.load_all(kept)
    result = judge(probabilities(bundle, images, [group[r.label] for r in kept]), kept, bundle)
    return {
        "split": split,
        "left_out": len(there) - len(kept),
        "modality": "known; each image is judged among the classes of its own group",
        "interval": "95 %, bootstrap over groups",
        "bundle_version": bundle.version,
        "bundle_sha256": bundle.digest.hex(),
        "model_sha256": bundle.model_digest("fp32").hex(),
        "epsilon": bundle.privacy.epsilon,
        "delta": bundle.privacy.delta,
        "unit": bundle.privacy.unit,
        **result,
    }


def table(result: dict[str, Any]) -> str:
    """The main figures as a plain table."""

    def line(name: str, value: float, interval: list[float] | None = None) -> str:
        tail = f"  ({interval[0]:.3f} to {interval[1]:.3f})" if interval else ""
        return f"{name:<52}{value:>7.3f}{tail}"

    mean = "mean_within_modality_balanced_accuracy"
    rows = [
        (
            f"split {result['split']}: {result['images']} images, {result['groups']} groups, "
            f"{result['left_out']} left out (class not in the bundle)"
        ),
        line("accuracy, modality known", result["accuracy"], result["accuracy_interval"]),
        line("mean within-modality balanced accuracy", result[mean], result[f"{mean}_interval"]),
    ]
    for modality, part in result["per_modality"].items():
        interval = part["balanced_accuracy_interval"]
        rows.append(line(f"{modality} balanced accuracy", part["balanced_accuracy"], interval))
        rows += [line(f"  recall {name}", value) for name, value in part["recall"].items()]
        rows += [
            line(f"  within {name} ({each['images']} images)", each["balanced_accuracy"])
            for name, each in part["per_source"].items()
            if each["classes"] > 1
        ]
    rows += [
        line("abstained", result["abstained"]),
        line("accuracy where labelled", result["accuracy_where_labelled"]),
        line("expected calibration error", result["expected_calibration_error"]),
    ]
    return "\n".join(rows)
