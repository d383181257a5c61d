"""The report's tables and plots, one section after the other; a part that was not measured is not shown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from trainer.evaluation import halves, plots
from trainer.evaluation.other_images import FAMILIES
from trainer.evaluation.words import KINDS, kind, name_of
from trainer.pages.parts import figure, paragraph, table, value

READS = (
    "Whoever looks often, and picks what looks best, fools himself: the first read of a split counts most."
)
NOTES = (
    "Intervals: 95 %, the middle of 2,000 drawings of whole patients (groups) of this set, with replacement, "
    "within each kind of image (percentile bootstrap); a figure of exactly 0 or 1 gets an exact interval "
    "that counts each group once. Each image is judged among the classes of its own kind, after the "
    "preprocessing of the device. The figures of this page, those of the brightness probe included, were "
    "read off images without any noise: the privacy statement speaks of the network alone."
)
SURE = 0.03
"""Mean probability above accuracy from which on it is called too sure."""


def sections(result: dict[str, Any]) -> Iterator[str]:
    """All sections after the main figures."""
    yield from _classes(result)
    yield from _sources(result)
    if "without_copies" in result:
        yield from _copies(result)
    yield from _sureness(result)
    if result.get("degraded"):
        yield from _degraded(result)
    if "others" in result:
        yield from _others(result["others"])
    if "faithfulness" in result:
        yield from _maps(result)
    if "cross_validation" in result:
        yield from _folds(result["cross_validation"])
    yield from _method(result)


def _classes(result: dict[str, Any]) -> Iterator[str]:
    yield "<h2>Class by class</h2>"
    yield figure(
        plots.sensitivities(result),
        "Sensitivity and specificity of each class with intervals",
        "Forced to answer each image. Sensitivity: of the images of a class, the share that it names. "
        "Specificity: of all other images of the same kind, the share that it does not call by this class.",
    )
    rows = [
        (kind(result, modality), name_of(label).short, part["images"], part["groups"], *_three(part))
        for modality, each in result["per_modality"].items()
        for label, part in each["per_class"].items()
    ]
    yield table(("kind", "class", "images", "groups", "sensitivity", "specificity", "AUC"), rows)
    rows = [
        (
            name_of(label).short,
            *(value(part["as_shown"], key) for key in ("right", "wrong")),
            *(value(part["as_shown"], f"no_label_{why}") for why in ("unsure", "unlike_its_kind")),
            value(part, "wrongly_shown_for_others"),
        )
        for each in result["per_modality"].values()
        for label, part in each["per_class"].items()
    ]
    head = ("as the device shows it", "right label", "wrong label", "none: unsure", "none: unlike its kind")
    yield table((*head, "others given this label"), rows)
    forced = "What it answers for images of each class, forced to answer."
    yield figure(plots.confusion(result), "Confusion matrices", forced)


def _sources(result: dict[str, Any]) -> Iterator[str]:
    yield "<h2>By source and by patient</h2>"
    yield paragraph(
        "A class that comes from one hospital alone can be told by that hospital's pictures. Within one "
        "source, the source gives nothing away."
    )
    rows = [
        (
            *(
                kind(result, modality),
                source or "not stated",
                part["images"],
                part["groups"],
                part["classes"],
            ),
            *(value(part, "balanced_accuracy") if part["classes"] > 1 else "-", value(part, "auc")),
        )
        for modality, each in result["per_modality"].items()
        for source, part in each["per_source"].items()
    ]
    yield table(("kind", "source", "images", "groups", "classes", "balanced accuracy", "AUC"), rows)
    if result["within_source"]:
        within = [
            (
                *(source, f"{name_of(part['negative']).short} / {name_of(part['positive']).short}"),
                *(part["images"], part["groups"], value(part, "auc")),
            )
            for source, part in result["within_source"].items()
        ]
        yield table(("within source", "classes", "images", "groups", "AUC"), within)
    for what in ("age", "sex"):
        part = result["subgroups"][what]
        known = [
            (name, each["images"], each["groups"], value(each, "balanced_accuracy"), each["evidence"])
            for name, each in part.items()
            if name != "unknown"
        ]
        if known:
            yield table((f"by {what}", "images", "groups", "balanced accuracy", "note"), known)
    unknown = [f"{what} for {result['subgroups'][what]['unknown']}" for what in ("age", "sex")]
    yield paragraph(f"Not known, of {result['images']} images: {', '.join(unknown)}.")


def _copies(result: dict[str, Any]) -> Iterator[str]:
    part, key = result["without_copies"], "mean_within_modality_balanced_accuracy"
    yield "<h2>Pictures that it may have seen before</h2>"
    if "with_copy" in part:
        yield paragraph(
            f"{part['with_copy']} of the {result['images']} images have a near copy in the split train: the "
            "same picture re-encoded, mirrored or upside down, perhaps under another patient's name. What "
            "it says of such a picture tells little about a new patient's."
        )
    if "missing" in part:
        yield paragraph(f"Figures on the images without such a copy: not measured; {part['missing']}.")
        return
    rows = [
        ("accuracy", part["with_copy"], part["images"], value(part, "accuracy"), value(result, "accuracy")),
        (
            *("mean of the balanced accuracies", part["with_copy"], part["images"]),
            *(value(part, key), value(result, key)),
        ),
        *(
            (
                *(f"{kind(result, modality)}: balanced accuracy", each["with_copy"], each["images"]),
                value(each, "balanced_accuracy"),
                value(result["per_modality"][modality], "balanced_accuracy"),
            )
            for modality, each in part["per_modality"].items()
        ),
    ]
    yield table(("forced to answer", "copies left out", "images left", "without copies", "all images"), rows)
    if part["classes_lost"]:
        names = ", ".join(name_of(each).short for each in part["classes_lost"])
        yield paragraph(f"No image without a copy is left of: {names}. The means are of the other classes.")


def _three(part: dict[str, Any]) -> list[str]:
    return [value(part, key) for key in ("sensitivity", "specificity", "auc")]


def _sureness(result: dict[str, Any]) -> Iterator[str]:
    yield "<h2>Does it know when it does not know?</h2>"
    yield figure(
        plots.sureness(result),
        "Calibration plot and abstention curve",
        "Left: a point on the line says that it is right as often as it claims; every point holds a tenth of "
        "the images. Right: the fewer images it answers, the surest first, the more answers are right.",
    )
    gap = result["mean_confidence"] - result["accuracy"]
    yield paragraph(
        f"It claims to be right in {100 * result['mean_confidence']:.0f} of 100 images and is in "
        f"{100 * result['accuracy']:.0f}"
        + (": it is surer than it should be. " if gap > SURE else ". ")
        + "; ".join(
            f"{KINDS.get(group, group)}: temperature {temperature:g}, a label from a probability of "
            f"{result['min_probability'][group]:g} on"
            for group, temperature in result["temperature"].items()
        )
        + ". At temperature 1 the probabilities are as training left them, fitted to no image."
    )


def _degraded(result: dict[str, Any]) -> Iterator[str]:
    yield "<h2>Bad images</h2>"
    yield figure(
        plots.degraded(result),
        "Balanced accuracy under low light, blur, compression, rotation and perspective",
        "The same images made worse by calculation. The dashed line is the figure on the images as they are.",
    )
    key = "mean_within_modality_balanced_accuracy"
    rows = [
        (name, value(part, key), value(part, "change"), part["same_label"], part["abstained"])
        for name, part in result["degraded"].items()
    ]
    yield table(("change", "mean balanced accuracy", "difference", "same answer", "no answer"), rows)


def _others(found: dict[str, Any]) -> Iterator[str]:
    yield "<h2>Images it was not made for</h2>"
    for key, title in (("standard", "the standard set"), ("own", "your own set")):
        if key not in found:
            continue
        part = found[key]
        yield figure(
            plots.others(part, found["valid"]),
            f"Share without an answer by kind of image, {title}",
            f"Each kind of image of {title}, offered as something that the model is for, without its header. "
            "Above the left line too many valid images are refused; every other kind should lie right of the "
            "second.",
        )
        rows = [("all, by pixels alone", part["abstained_trials"], value(part, "abstained"))]
        rows += [
            (
                "all, each as the kind that it looks most like",
                _count(part, "most_alike"),
                value(part, "most_alike"),
            ),
            ("all, each kind counted alike", "-", value(part, "mean_of_kinds")),
        ]
        for family, each in part["per_family"].items():
            rows += [
                (FAMILIES[family], _count(each, "abstained"), value(each, "abstained")),
                (
                    "  each as the kind that it looks most like",
                    _count(each, "most_alike"),
                    value(each, "most_alike"),
                ),
            ]
        weak = [(each, part["per_kind"][each]) for each in part["weakest_kinds"]]
        rows += [
            (
                f"weak: {name}",
                _count(each, "abstained"),
                value(each, "abstained"),
            )
            for name, each in weak
        ]
        header = part.get("with_header")
        if header:
            rows += [
                (
                    *("DICOM files, by header alone", _count(header, "refused_by_header")),
                    value(header, "refused_by_header"),
                ),
                (
                    *("DICOM files, header then pixels", _count(header, "abstained")),
                    value(header, "abstained"),
                ),
            ]
        rows.append(("valid images", found["valid"]["images"], value(found["valid"], "abstained")))
        rows += [
            (f"valid images, {KINDS.get(group, group)}", each["images"], value(each, "abstained"))
            for group, each in found["valid"]["per_group"].items()
        ]
        yield table((title, "trials", "share without an answer"), rows)
    if found.get("least_likeness"):
        rows = [(f"{each['least']:.2f}", each["valid"], each["others"]) for each in found["least_likeness"]]
        yield paragraph(
            "What other thresholds of likeness would hold back, alone and by pixels; a threshold is chosen "
            "on images that are public or paid for, not on this split if it is the one to report:"
        )
        yield table(("least share of the mean image's likeness", "valid images", "others"), rows)
    turned = found["turned"]
    if turned["images"]:
        rows = [
            (name, part["abstained_trials"], value(part, "abstained"))
            for name, part in (("all", turned), *turned["per_kind"].items())
        ]
        yield table(("right kind of image, but turned", "trials", "share without an answer"), rows)
    yield paragraph(halves.about(found["held_out_from_threshold"]))
    yield paragraph(
        "A trial is one image offered as one kind of image; intervals of trials are exact (Clopper and "
        "Pearson) and take trials as independent. As the kind that it looks most like, each image is one "
        "trial, and one that looks most like a kind that it was not offered as is left out. Drawn limbs and "
        "chests from the side are simulations.",
        "small",
    )


def _count(part: dict[str, Any], key: str) -> str:
    """``7 of 8`` trials without an answer."""
    return f"{part[f'{key}_count']} of {part[f'{key}_trials']}" if f"{key}_trials" in part else "-"


def _maps(result: dict[str, Any]) -> Iterator[str]:
    found = result["faithfulness"]
    yield "<h2>Does its heat map show what it looks at?</h2>"
    yield figure(
        plots.faithfulness(result),
        "Deletion and insertion curves",
        f"On {found['images']} images: its certainty when regions are removed (left) or shown (right), the "
        "most important by its map first, against regions in random order. An honest map falls and rises "
        "faster.",
    )
    rows = [
        (game, *(value(found[game], key) for key in ("auc", "auc_random", "gain")))
        for game in ("deletion", "insertion")
    ]
    yield table(("game", "area by its map", "area at random", "gain"), rows)
    yield paragraph("That the map is faithful to the model does not make it right about the disease.")


def _folds(found: dict[str, Any]) -> Iterator[str]:
    yield "<h2>Other splits of the same data</h2>"
    yield paragraph(
        f"{found['recipe']['words']}, trained anew {found['runs']} times on all but one part of the splits "
        f"{', '.join(found['splits'])} and judged on that part (research runs, not this very network)."
    )
    rows = [
        (
            key.replace("_", " "),
            f"{found[key]:.3f} +- {found[f'{key}_deviation']:.3f}",
            value(found["pooled"], key),
        )
        for key in ("accuracy", "mean_within_modality_balanced_accuracy", "macro_f1")
    ]
    yield table(("figure", "mean and deviation over folds", "all held-out answers together"), rows)


def _method(result: dict[str, Any]) -> Iterator[str]:
    yield "<h2>How it was measured</h2>"
    half = result.get("precision")
    left = ", ".join(result["left_out_classes"]) or "none"
    sentences = [
        f"{result['left_out']} images were left out because the model lacks their class ({left}).",
        NOTES,
    ]
    if half:
        sentences.append(
            f"Half-precision file against reference, {half['images']} images: "
            f"{half['label_changes_at_margin']} answers change where the lead is {half['margin']} or more "
            f"({half['label_changes']} in all); the largest difference of a probability is "
            f"{half['largest_difference']:.5f}."
        )
    yield paragraph(f"This is read number {result['split_reads']} of this split on this workstation. {READS}")
    yield "".join(paragraph(text) for text in sentences)
    keys = ("bundle_sha256", "model_sha256", "split_sha256")
    yield paragraph("; ".join(f"{key}: {result[key]}" for key in keys), "small")
