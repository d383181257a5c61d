"""The main figures as a short table for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from trainer.evaluation.other_images import FAMILIES

WIDTH = 50


def table(result: dict[str, Any]) -> str:
    """Lines of figures with their intervals; everything else is in the JSON and in the report."""
    return "\n".join(_lines(result))


def _line(name: str, part: dict[str, Any], key: str, note: str = "") -> str:
    value = part.get(key)
    if value is None:
        return f"{name:<{WIDTH}}      -"
    interval = part.get(f"{key}_interval")
    tail = f"  ({interval[0]:.3f} to {interval[1]:.3f})" if interval else ""
    return f"{name:<{WIDTH}}{value:>7.3f}{tail}{'  ' + note if note else ''}".rstrip()


def _lines(result: dict[str, Any]) -> Iterator[str]:
    yield (
        f"split {result['split']}: {result['images']} images, {result['groups']} groups, "
        f"{result['left_out']} left out (class not in the bundle); read number {result['split_reads']}"
    )
    yield _line("accuracy, modality known", result, "accuracy")
    yield _line("accuracy, modality unknown", result, "accuracy_modality_unknown")
    yield _line("mean within-modality balanced accuracy", result, "mean_within_modality_balanced_accuracy")
    yield _line("macro F1", result, "macro_f1")
    probes = result.get("shortcut", {})
    for modality, part in result["per_modality"].items():
        yield _line(f"{modality} balanced accuracy", part, "balanced_accuracy", part["evidence"])
        probe = probes.get(modality, {})
        if isinstance(probe, dict) and "margin" in probe:
            yield _line("  lead over brightness and sharpness alone", probe, "margin")
        for name, each in part["per_class"].items():
            yield _line(f"  sensitivity {name}", each, "sensitivity")
            yield _line("    as the box shows it", each, "sensitivity_as_shown")
    for source, part in result["within_source"].items():
        yield _line(f"AUC {part['negative']} / {part['positive']} within {source}", part, "auc")
    yield _line("expected calibration error", result, "expected_calibration_error")
    yield _line("abstained", result, "abstained")
    for modality, part in result["per_modality"].items():
        yield _line(f"  of {modality}", part, "abstained")
    yield _line("  because it is unsure", result["as_shown"], "no_label_unsure")
    yield _line("  because it does not look like its kind", result["as_shown"], "no_label_unlike_its_kind")
    yield _line("accuracy where labelled", result, "accuracy_where_labelled")
    yield from _without_copies(result)
    yield from _extras(result)


def _without_copies(result: dict[str, Any]) -> Iterator[str]:
    probes = result.get("shortcut", {})
    if "missing" in probes:
        yield f"brightness and sharpness alone: not measured, {probes['missing']}"
    part = result.get("without_copies", {})
    if "with_copy" in part:
        yield f"{part['with_copy']} of {result['images']} images have a near copy in the train split"
    if "missing" in part:
        yield f"images without a copy in the train split: not measured, {part['missing']}"
    if "images" not in part:
        return
    yield _line("without these: accuracy", part, "accuracy")
    mean = "mean_within_modality_balanced_accuracy"
    yield _line("  mean within-modality balanced accuracy", part, mean, _lost(part))
    for modality, each in part["per_modality"].items():
        yield _line(
            f"  {modality} balanced accuracy", each, "balanced_accuracy", f"{each['with_copy']} left out"
        )


def _lost(part: dict[str, Any]) -> str:
    return f"no image of {', '.join(part['classes_lost'])} is left" if part["classes_lost"] else ""


def _extras(result: dict[str, Any]) -> Iterator[str]:
    if "degraded" in result:
        worst = min(result["degraded"], key=lambda name: float(result["degraded"][name]["change"]))
        yield _line(f"worst change of the image: {worst}", result["degraded"][worst], "change")
    if "faithfulness" in result:
        for game in ("deletion", "insertion"):
            yield _line(f"activation map against chance, {game}", result["faithfulness"][game], "gain")
    if "precision" in result:
        half = result["precision"]
        yield (
            f"FP16: {half['label_changes_at_margin']} labels change where the margin is {half['margin']} or "
            f"more, {half['label_changes']} in all; largest difference {half['largest_difference']:.5f}"
        )
    if "others" in result:
        yield from _not_intended(result["others"])
        yield _line("right kind of image, but turned, abstained", result["others"]["turned"], "abstained")
        if "own" in result["others"]:
            yield _line("your own such images, abstained", result["others"]["own"], "abstained")
        yield _line("valid images, abstained", result["others"]["valid"], "abstained")
        for group, part in result["others"]["valid"]["per_group"].items():
            yield _line(f"  of {group}", part, "abstained")


def _not_intended(others: dict[str, Any]) -> Iterator[str]:
    standard = others["standard"]
    note = "" if others["held_out_from_threshold"] else "the threshold was chosen on these"
    yield _line("not intended images, abstained", standard, "abstained", note)
    if "most_alike" in standard:
        count = f"{standard['most_alike_count']} of {standard['most_alike_trials']}"
        yield _line("  each as what it looks most like", standard, "most_alike", count)
    for family, part in standard["per_family"].items():
        if "most_alike" in part:
            count = f"{part['most_alike_count']} of {part['most_alike_trials']}"
            yield _line(f"    {FAMILIES[family]}", part, "most_alike", count)
    yield _line("  mean over kinds of image", standard, "mean_of_kinds")
    for kind in standard["weakest_kinds"]:
        part = standard["per_kind"][kind]
        count = f"{part['abstained_count']} of {part['abstained_trials']}"
        yield _line(f"  weak: {kind}", part, "abstained", count)
