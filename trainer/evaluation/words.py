"""Figures in words that a doctor reads without a statistics book: natural frequencies, what it cannot do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from edge.messages import NOTICE
from trainer.evaluation import halves
from trainer.evaluation.other_images import FAMILIES

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


def of_hundred(*shares: float) -> list[int]:
    """Whole numbers that add up to 100 of shares that add up to 1, by the largest remainders."""
    exact = [100 * each for each in shares]
    out = [int(each) for each in exact]
    for place in sorted(range(len(out)), key=lambda at: out[at] - exact[at])[: 100 - sum(out)]:
        out[place] += 1
    return out


def shown(part: dict[str, Any]) -> str:
    """What the device shows for 100 images: right, wrong, none; and why none."""
    names = ("right", "wrong", "no_label")
    right, wrong, none = of_hundred(*(part[name] for name in names))
    spans = [
        f"{100 * low:.0f} to {100 * high:.0f}" for low, high in (part[f"{name}_interval"] for name in names)
    ]
    said = (
        f"the right label for {right} ({spans[0]}), a wrong one for {wrong} ({spans[1]}) and no label for "
        f"{none} ({spans[2]})"
    )
    if not none:
        return said
    share = part["no_label_unsure"] / part["no_label"]
    unsure = min(none, round(none * share))
    return f"{said}: it is unsure of {unsure}, and {none - unsure} do not look like their kind of image"


def classes(result: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """For each class: its modality, its label and some sentences."""
    for modality, part in result["per_modality"].items():
        for label, each in part["per_class"].items():
            name = name_of(label)
            verb = "find" if name.finding else "recognise"
            sentences = (
                f"Of 100 {name.images} the device gives {shown(each['as_shown'])}. Forced to answer each "
                f"time, it would {verb} {hundred(each, 'sensitivity')}. Of 100 others it wrongly shows "
                f"{name.answer} for {hundred(each, 'wrongly_shown_for_others')}."
            )
            yield modality, label, sentences


def summary(result: dict[str, Any]) -> Iterator[str]:
    """What matters most, one sentence each."""
    seen = ", WHICH IT WAS TRAINED ON" if result["split"] == "train" else ", which it was not trained on"
    yield (
        f"It was tried on {result['images']} images of {result['groups']} patients or groups (split "
        f"{result['split']!r}{seen}). Figures in brackets are 95 % intervals: whole patients of this very "
        "set were drawn again and again, and 95 in 100 such drawings gave a figure between the two. They say "
        "how much a figure owes to who happens to be in the set; they do not say what another hospital gets."
    )
    yield (
        "Told what kind of image it sees, the device gives, of 100 images of this set, "
        f"{shown(result['as_shown'])}. Where it gives a label, "
        f"{hundred(result, 'accuracy_where_labelled')} of 100 are right."
    )
    yield (
        "To be compared with other models it is also judged as if it had to answer each time: then it names "
        f"the right class for {hundred(result, 'accuracy')} of 100 images. Averaged over classes and kinds "
        "of image, so that frequent classes count no more than rare ones, for "
        f"{hundred(result, 'mean_within_modality_balanced_accuracy')}."
    )
    worst = result["worst_class"]
    yield (
        f"Its weakest class is {name_of(worst['class']).short}: forced to answer, it recognises "
        f"{hundred(worst, 'sensitivity')} of 100; the device shows so for "
        f"{hundred(worst, 'sensitivity_as_shown')}."
    )


def limits(result: dict[str, Any]) -> Iterator[str]:
    """What it cannot do, and what these figures do not show."""
    yield (
        f"It is for {NOTICE}. It knows the classes on the cards above and nothing else: an image with any "
        "other disease gets one of these names, or no label."
    )
    for name, text in result["known_faults"].items():
        yield f"What is known to be wrong with the images of {name.replace('_', ' ')}: {text}."
    for modality, part in result["per_modality"].items():
        if part["evidence"]:
            yield (
                f"{kind(result, modality)}: {part['groups']} patients or groups are too few. Its figures are "
                "shown, but they are no evidence."
            )
    yield from _shortcuts(result)
    yield from _copies(result)
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
    held = ", ".join(
        f"{hundred(part, 'abstained')} of {kind(result, modality)}"
        for modality, part in result["per_modality"].items()
    )
    yield f"Of 100 images that it is made for it gives no label to {held}."
    if "others" in result:
        standard = result["others"]["standard"]
        yield (
            "Shown images that it was not made for, with nothing but their pixels to go by, it withholds a "
            f"label for {hundred(standard, 'abstained')} of 100; each kind of such image counted alike, for "
            f"{100 * standard['mean_of_kinds']:.0f}. Those that it takes for its own most often: "
            f"{weakest(standard)}. {halves.about(result['others']['held_out_from_threshold'])}"
        )
        yield from _families(standard)
        turned = result["others"]["turned"]
        if turned["images"]:
            yield (
                "Shown images of the right kind that lie on their side or upside down, it withholds a label "
                f"for {hundred(turned, 'abstained')} of 100. Whether its other answers are right was not "
                "looked at."
            )
    yield (
        "How often a positive answer is right depends on how common the disease is where it is used. The "
        "shares of the classes here were chosen by whoever made the data, so that figure is not given."
    )


def _families(standard: dict[str, Any]) -> Iterator[str]:
    """What was taken of patients apart from what was drawn, each image offered where it is hardest."""
    parts = [(name, part) for name, part in standard["per_family"].items() if "most_alike" in part]
    if parts:
        yield (
            "The same, each image shown once, as the kind that it looks most like: no label for "
            + "; ".join(
                f"{part['most_alike_count']} of {part['most_alike_trials']} {FAMILIES[name]}"
                for name, part in parts
            )
            + ". Few real scans were at hand, so their share is known least, and it is the one that counts."
        )


def weakest(standard: dict[str, Any]) -> str:
    """The kinds of images that it was not made for and labels most often, with counts."""
    parts = [(name, standard["per_kind"][name]) for name in standard["weakest_kinds"]]
    return "; ".join(
        f"{name}, no label for {part['abstained_count']} of {part['abstained_trials']}"
        for name, part in parts
    )


def _copies(result: dict[str, Any]) -> Iterator[str]:
    part = result.get("without_copies", {})
    if part.get("with_copy"):
        rest = (
            "Without these it names, forced to answer, the right class for "
            f"{hundred(part, 'accuracy')} of 100."
            if "images" in part
            else "None is left without one."
        )
        yield (
            f"{part['with_copy']} of the {result['images']} images have a near copy among those that it was "
            f"trained on, for example mirrored, so figures on all of them are too good. {rest}"
        )
    elif "missing" in part:
        yield (
            "Whether it was trained on near copies of these images was not looked at: "
            f"{part['missing']}. If it was, the figures are too good."
        )


def _shortcuts(result: dict[str, Any]) -> Iterator[str]:
    if "missing" in result.get("shortcut", {}):
        yield (
            "Whether brightness and sharpness alone do as well was not measured: "
            f"{result['shortcut']['missing']}."
        )
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
