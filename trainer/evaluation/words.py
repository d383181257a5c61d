"""Figures in words that a doctor reads without a statistics book: natural frequencies, what it cannot do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from edge.messages import NOTICE

GOOD_AUC = 0.9
"""Below it, telling two classes apart within one source is a limit worth a sentence."""


@dataclass(frozen=True)
class Name:
    """A class in words."""

    short: str
    images: str
    """What its images are, plural."""
    answer: str
    """What a false answer would say."""
    finding: bool = True
    """Something is found, rather than nothing."""


NAMES: dict[str, Name] = {
    "mri_glioma": Name("Glioma", "brain MRI images with a glioma", "glioma"),
    "mri_meningioma": Name("Meningioma", "brain MRI images with a meningioma", "meningioma"),
    "mri_pituitary": Name("Pituitary tumour", "brain MRI images with a pituitary tumour", "pituitary tumour"),
    "mri_notumor": Name("No tumour", "brain MRI images without a tumour", "no tumour", finding=False),
    "xr_normal": Name("Normal chest", "normal chest X-rays", "normal", finding=False),
    "xr_pneumonia": Name("Pneumonia", "chest X-rays with pneumonia", "pneumonia"),
    "xr_covid": Name("COVID-19 (X-ray)", "chest X-rays of COVID-19 patients", "COVID-19"),
    "ct_covid": Name("COVID-19 (CT)", "chest CT slices of COVID-19 patients", "COVID-19"),
    "ct_noncovid": Name(
        "No COVID-19 (CT)", "chest CT slices of other patients", "no COVID-19", finding=False
    ),
}
KINDS = {"mri_brain": "Brain MRI", "xr_chest": "Chest X-ray", "ct_chest": "Chest CT"}
SOURCES = {"kermany": "children (set Kermany)", "nih-cxr14": "adults (set NIH)"}


def name_of(label: str) -> Name:
    """A class in words; an unknown one by its own label."""
    plain = label.replace("_", " ")
    return NAMES.get(label) or Name(plain, f"images of class {plain}", plain)


def kind(result: dict[str, Any], modality: str) -> str:
    """What the images of a modality are, in words, by the group of classes that they belong to."""
    first = next(iter(result["per_modality"][modality]["per_class"]))
    group = next(each["group"] for each in result["classes"] if each["name"] == first)
    return KINDS.get(group, modality)


def hundred(part: dict[str, Any], key: str, *, rest: bool = False) -> str:
    """``71 (64 to 78)`` of a share with its interval; ``rest`` speaks of the others."""
    value = part.get(key)
    if value is None:
        return "an unknown number"
    low, high = part[f"{key}_interval"]
    if rest:
        value, low, high = 1 - value, 1 - high, 1 - low
    return f"{100 * value:.0f} ({100 * low:.0f} to {100 * high:.0f})"


def classes(result: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """For each class: its modality, its label and one or two sentences."""
    for modality, part in result["per_modality"].items():
        for label, each in part["per_class"].items():
            name = name_of(label)
            verb = "finds" if name.finding else "recognises"
            found = f"Of 100 {name.images} it {verb} {hundred(each, 'sensitivity')}."
            wrong = hundred(each, "specificity", rest=True)
            yield modality, label, f"{found} Of 100 others it wrongly says {name.answer} for {wrong}."


def summary(result: dict[str, Any]) -> Iterator[str]:
    """What matters most, one sentence each."""
    seen = ", WHICH IT WAS TRAINED ON" if result["split"] == "train" else ", which it was not trained on"
    yield (
        f"It was tried on {result['images']} images of {result['groups']} patients or groups (split "
        f"{result['split']!r}{seen}). Figures in brackets are 95 % intervals: with other "
        "patients of the same kind, the figure would mostly lie between them."
    )
    yield (
        f"Told what kind of image it sees, it names the right class for {hundred(result, 'accuracy')} of 100 "
        f"images. Averaged over classes and kinds of image, so that frequent classes count no more than rare "
        f"ones, for {hundred(result, 'mean_within_modality_balanced_accuracy')}."
    )
    worst = result["worst_class"]
    yield (
        f"Its weakest class is {name_of(worst['class']).short}: it recognises "
        f"{hundred(worst, 'sensitivity')} of 100."
    )
    yield (
        f"It gives no answer for {hundred(result, 'abstained')} of 100 valid images because it is unsure; "
        f"where it answers, {hundred(result, 'accuracy_where_labelled')} of 100 answers are right."
    )


def limits(result: dict[str, Any]) -> Iterator[str]:
    """What it cannot do, and what these figures do not show."""
    yield (
        f"It is for {NOTICE}. It knows the classes below and nothing else: an image with any other disease "
        "gets one of these names, or no answer."
    )
    for modality, part in result["per_modality"].items():
        if part["evidence"]:
            yield (
                f"{kind(result, modality)}: {part['groups']} patients or groups are too few. Its figures are "
                "shown, but they are no evidence."
            )
    yield from _shortcuts(result)
    for source, part in result["within_source"].items():
        if part["auc"] >= GOOD_AUC:
            continue
        who = SOURCES.get(source, f"the set {source}")
        yield (
            f"Within {who}, shown one chest X-ray of each kind, it tells "
            f"{name_of(part['positive']).short.lower()} from normal in {hundred(part, 'auc')} of 100 pairs; "
            "guessing gives 50."
        )
    unknown = [what for what in ("age", "sex") if len(result["subgroups"][what]) == 1]
    if unknown:
        yield (
            f"The data does not say the {' or the '.join(unknown)} of the patients, so nobody knows whether "
            "it serves some of them worse."
        )
    if result.get("degraded"):
        worst = min(result["degraded"], key=lambda name: float(result["degraded"][name]["change"]))
        yield (
            f"Bad images make it worse. The worst that was tried ({worst}): "
            f"{hundred(result['degraded'][worst], 'mean_within_modality_balanced_accuracy')} instead of "
            f"{hundred(result, 'mean_within_modality_balanced_accuracy')} of 100."
        )
    if "others" in result:
        standard = result["others"]["standard"]
        yield (
            "Shown images that it was not made for, with nothing but their pixels to go by, it withholds an "
            f"answer for {hundred(standard, 'abstained')} of 100."
        )
    yield (
        "How often a positive answer is right depends on how common the disease is where it is used. The "
        "shares of the classes here were chosen by whoever made the data, so that figure is not given."
    )


def _shortcuts(result: dict[str, Any]) -> Iterator[str]:
    for modality, probe in result.get("shortcut", {}).items():
        if not isinstance(probe, dict) or "margin" not in probe:
            continue
        own = hundred(result["per_modality"][modality], "balanced_accuracy")
        other = hundred(probe, "balanced_accuracy")
        if not probe["beaten"]:
            yield (
                f"{kind(result, modality)}: a simple program that sees only brightness and sharpness reaches "
                f"{other} of 100, this model {own}. So the figure does not show that it has learned "
                "the disease."
            )


def privacy(result: dict[str, Any]) -> str:
    """The privacy statement in one sentence."""
    if result["epsilon"] is None:
        return "It was trained without any privacy guarantee."
    return (
        f"It was trained under differential privacy, epsilon {result['epsilon']:.2f} at delta "
        f"{result['delta']:g} for each {result['unit']} ({result['adjacency']}): whatever anyone does with "
        f"the model, it hardly depends on whether any one {result['unit']} was used for training."
    )
