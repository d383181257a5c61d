"""The figures of a model card, from the JSON of ``trainer evaluate``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from trainer.evaluation import halves
from trainer.evaluation.other_images import FAMILIES

MEAN = "mean_within_modality_balanced_accuracy"


def figure_lines(figures: dict[str, Any]) -> Iterator[str]:
    """Markdown lines: figures with their intervals, then what they do not show.

    Raises:
        ValueError: an older trainer wrote the figures.
    """
    if "split_reads" not in figures:
        raise ValueError("the figures are of an older trainer; run trainer evaluate again")
    yield (
        f"Split `{figures['split']}`, {figures['images']} images of {figures['groups']} groups, modality "
        f"known; 95 % intervals by bootstrap over groups. {figures['left_out']} images were left out: "
        f"the model lacks their class. This was read number {figures['split_reads']} of the split."
    )
    yield ""
    yield "| figure | value (95 % interval) |"
    yield "|---|---|"
    yield from (f"| {name} | {value} |" for name, value in _rows(figures))
    yield ""
    yield from (f"- {text}" for text in _cautions(figures))


def _rows(figures: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield "accuracy", _value(figures, "accuracy")
    yield "mean of the within-modality balanced accuracies", _value(figures, MEAN)
    yield "macro F1", _value(figures, "macro_f1")
    yield "accuracy among all classes, modality unknown", _value(figures, "accuracy_modality_unknown")
    for modality, part in figures["per_modality"].items():
        note = f" ({part['evidence']})" if part["evidence"] else ""
        yield f"{modality}: balanced accuracy{note}", _value(part, "balanced_accuracy")
        yield f"{modality}: abstained", _value(part, "abstained")
        for name, each in part["per_class"].items():
            yield f"sensitivity of {name}", _value(each, "sensitivity")
            yield f"specificity of {name}", _value(each, "specificity")
        # Sources of private images are wards or patients by name: these stay on the workstation.
        for source, each in part["per_source"].items() if figures.get("published_sets_only") else ():
            if each["classes"] > 1:
                yield f"{modality}: balanced accuracy within {source}", _value(each, "balanced_accuracy")
    for source, part in figures["within_source"].items():
        yield f"AUC of {part['negative']} against {part['positive']} within {source}", _value(part, "auc")
    for modality, probe in _probes(figures).items():
        yield f"{modality}: brightness and sharpness alone", _value(probe, "balanced_accuracy")
        yield f"{modality}: lead of the model over them", _value(probe, "margin")
    yield from _without_copies(figures)
    yield "abstained", _value(figures, "abstained")
    yield "accuracy where it gave a label", _value(figures, "accuracy_where_labelled")
    yield "expected calibration error", _value(figures, "expected_calibration_error")
    if "precision" in figures:
        half = figures["precision"]
        yield "largest change of a probability by half precision", f"{half['largest_difference']:.4f}"
        yield (
            f"labels changed by half precision; of these at a margin of {half['margin']} or more",
            f"{half['label_changes']}; {half['label_changes_at_margin']}",
        )
    if "others" in figures:
        yield from _not_intended(figures["others"])
        yield (
            "images of the right kind, turned by 90 or 180 degrees, that got no label",
            _value(figures["others"].get("turned", {}), "abstained"),
        )


def _not_intended(others: dict[str, Any]) -> Iterator[tuple[str, str]]:
    standard = others["standard"]
    yield "images it was not made for that got no label", _value(standard, "abstained")
    if "per_family" not in standard:  # an older trainer wrote the figures
        return
    yield (
        "was the threshold for that chosen on these very images",
        ("no, but it was not all unseen: see below" if others["held_out_from_threshold"] else "yes"),
    )
    yield "the same, each image once, as what it looks most like", _counted(standard, "most_alike")
    yield "the same, mean over their kinds", f"{standard['mean_of_kinds']:.3f}"
    for family, part in standard["per_family"].items():
        yield f"the same, {FAMILIES[family]}", _counted(part, "abstained")
        yield f"{FAMILIES[family]}, each as what it looks most like", _counted(part, "most_alike")
    for kind in standard["weakest_kinds"]:
        yield f"the same, a weak kind: {kind}", _counted(standard["per_kind"][kind], "abstained")
    if "with_header" in standard:
        header = _counted(standard["with_header"], "abstained")
        yield "DICOM files it was not made for that got no label, header then pixels", header


def _without_copies(figures: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Of published images alone: which image has a copy in the train split is told without noise."""
    part = figures.get("without_copies", {})
    if not figures.get("published_sets_only") or "images" not in part:
        return
    yield "images with a near copy in the train split", f"{part['with_copy']} of {figures['images']}"
    yield "without these: accuracy", _value(part, "accuracy")
    yield "without these: mean of the within-modality balanced accuracies", _value(part, MEAN)
    for modality, each in part["per_modality"].items():
        yield f"without these: {modality}, balanced accuracy", _value(each, "balanced_accuracy")


def _probes(figures: dict[str, Any]) -> dict[str, Any]:
    """Shortcut probes, of published images alone: they are fitted on the train split without noise."""
    if not figures.get("published_sets_only"):
        return {}
    probes = figures.get("shortcut", {}).items()
    return {name: each for name, each in probes if isinstance(each, dict) and "margin" in each}


def _cautions(figures: dict[str, Any]) -> Iterator[str]:
    worst = figures["worst_class"]
    yield f"Weakest class: {worst['class']}, sensitivity {_value(worst, 'sensitivity')}."
    lost = [name for name, probe in _probes(figures).items() if not probe["beaten"]]
    if lost:
        yield (
            f"{', '.join(lost)}: not shown to be better than brightness and sharpness alone, so these "
            "figures do not show that the model has learned the disease."
        )
    if "per_family" in figures.get("others", {}).get("standard", {}):
        yield (
            "Images it was not made for were taken by pixels alone. "
            f"{halves.about(figures['others']['held_out_from_threshold'])}"
        )
    if "missing" in figures.get("shortcut", {}):
        yield "Whether brightness and sharpness alone do as well was not measured."
    if "missing" in figures.get("without_copies", {}):
        yield "Figures on the images without a near copy in the train split were not measured."
    few = [name for name, part in figures["per_modality"].items() if part["evidence"]]
    if few:
        yield f"{', '.join(few)}: too few groups; the figures are no evidence."
    yield (
        "These figures were read off the images of this split without noise. The privacy statement covers "
        "the images that the network was trained on, through the network alone."
    )


def _counted(part: dict[str, Any], name: str) -> str:
    """A share with its interval and the counts that it is made of."""
    if name not in part:
        return "not measured"
    return f"{_value(part, name)}, {part[f'{name}_count']} of {part[f'{name}_trials']}"


def _value(part: dict[str, Any], name: str) -> str:
    value = part.get(name)
    if value is None:
        return "not measured"
    low, high = part[f"{name}_interval"]
    return f"{value:.3f} ({low:.3f} to {high:.3f})"
