"""What an examined data set means, in sentences: what is wrong, what to be careful about, what is well."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from trainer.data import splits
from trainer.data.examine import FEW_LEVELS, Examined
from trainer.data.shortcuts import Figure

Level = Literal["problem", "care", "well"]
FEW_GROUPS = 10
UNEVEN = 3.0
PRIVATE = (
    "This is a look at private data. It stays on this workstation. Whatever is chosen because of it - an "
    "image left out, a class merged, a threshold, a model - is not covered by the epsilon of a later "
    "training."
)


@dataclass(frozen=True)
class Finding:
    """One sentence or two, and how bad it is."""

    level: Level
    text: str


def findings(data: Examined) -> list[Finding]:
    """All findings, the worst first."""
    every = [
        *_files(data),
        *_splits(data),
        *_copies(data),
        *_balance(data),
        *_shortcuts(data),
        *_sources(data),
    ]
    order: list[Level] = ["problem", "care", "well"]
    return sorted(every, key=lambda finding: order.index(finding.level))


def _files(data: Examined) -> Iterator[Finding]:
    reasons = Counter(fault.reason for fault in data.faults)
    remedy = {fault.reason: fault.remedy for fault in data.faults}
    for reason, count in reasons.items():
        yield Finding(
            "problem",
            f"Images that cannot be used: {count} ({reason}). Training refuses them: {remedy[reason]}.",
        )
    if not reasons:
        yield Finding("well", f"All {len(data.usable)} images can be read.")
    if data.flat:
        yield Finding(
            "care",
            f"Images with fewer than {FEW_LEVELS} gray levels between their darkest and brightest hundredth: "
            f"{len(data.flat)}, the first {data.flat[0].file}. Was a 12- or 16-bit image written wrongly?",
        )
    if data.changed:
        yield Finding(
            "problem",
            f"Files that are not those the index was made of (column sha256): {len(data.changed)}.",
        )


def _splits(data: Examined) -> Iterator[Finding]:
    for what, which in data.leaks.items():
        yield Finding(
            "problem",
            f"{what.capitalize()}: {len(which)}. Any figure is too good. Make new splits with trainer split.",
        )
    names = {record.split for record in data.records}
    if len(names) == 1:
        yield Finding("care", "There is one split. trainer split makes splits that keep groups together.")
    elif not data.leaks:
        yield Finding("well", "No group, known patient or identical file stands in two splits.")
    if all(count == 1 for count in Counter(record.group for record in data.records).values()):
        yield Finding(
            "care",
            "Every image is a group of its own. If patients have several images, say so in a column "
            "group_id or patient_id: otherwise splits leak and intervals are too narrow.",
        )
    if not any(record.patient_known for record in data.records):
        yield Finding(
            "care",
            "No patient is known for certain (patient_id_kind is not source): privacy can be promised per "
            "image alone, and a patient with several images is protected less.",
        )
    missing = splits.lacking(data.records, [record.split for record in data.records])
    if missing:
        yield Finding("care", f"No image of {', '.join(missing)}.")


def _copies(data: Examined) -> Iterator[Finding]:
    identical = sum(map(len, data.copies))
    if identical:
        yield Finding(
            "care",
            f"Images that share their content with another: {identical}. A copy counts as a record of its "
            "own: privacy per image protects such a picture less. Keep one of each.",
        )
    relation = Counter(data.relation(pair) for pair in data.pairs)
    if relation["across splits"]:
        yield Finding(
            "problem",
            f"Pairs of near copies in different splits: {relation['across splits']}; {_outside(data)} images "
            "outside of train have a copy in train. Figures on them are too good. trainer split keeps near "
            "copies together.",
        )
    if relation["across groups"]:
        yield Finding(
            "care",
            f"Pairs of near copies in different groups of one split: {relation['across groups']}. The groups "
            "are probably one patient, intervals are too narrow, and privacy per image protects a picture "
            "less that is there twice.",
        )
    two = sum(data.labels_differ(pair) for pair in data.pairs)
    two += sum(len({record.label for record in copies}) > 1 for copies in data.copies)
    if two:
        yield Finding(
            "care", f"Pictures that have a copy under another class: {two}. One of the labels is wrong."
        )
    found, planted = (sum(each) for each in zip(*data.control.values(), strict=True))
    if found < 0.9 * planted:
        yield Finding(
            "problem",
            f"Of {planted} planted copies {found} were found: the search for copies does not work on these "
            "images.",
        )
    elif not data.pairs:
        yield Finding(
            "well", f"No near copies. The search works: it found {found} of {planted} planted ones."
        )
    elif set(relation) == {"within a group"}:
        yield Finding("well", f"All {len(data.pairs)} pairs of near copies lie within a group.")


def _outside(data: Examined) -> int:
    """Images that are not in train but have a near copy there."""
    ends = [(data.usable[pair.first], data.usable[pair.second]) for pair in data.pairs]
    both = [*ends, *((b, a) for a, b in ends)]
    return len({(a.file, a.frame) for a, b in both if a.split != "train" and b.split == "train"})


def _balance(data: Examined) -> Iterator[Finding]:
    images: dict[str, Counter[str]] = defaultdict(Counter)
    groups: dict[str, set[str]] = defaultdict(set)
    for record in data.records:
        if record.split == "train" or len({each.split for each in data.records}) == 1:
            images[record.modality][record.label] += 1
            groups[record.label].add(record.group)
    for modality, counts in images.items():
        (most, many), (least, few) = counts.most_common()[0], counts.most_common()[-1]
        if many >= UNEVEN * few:
            yield Finding(
                "care",
                f"{modality}: {most} has {many / few:.1f} times the training images of {least} ({few}).",
            )
    scarce = [f"{label} ({len(each)})" for label, each in sorted(groups.items()) if len(each) < FEW_GROUPS]
    if scarce:
        yield Finding(
            "care", f"Few groups to train on: {', '.join(scarce)}. A figure for them is no evidence."
        )


def _shortcuts(data: Examined) -> Iterator[Finding]:
    for modality, probes in data.probes.items():
        if probes.label is not None:
            yield Finding(
                "well" if probes.label.strength == "none" else "care", shortcut(modality, probes.label)
            )


def shortcut(modality: str, figure: Figure) -> str:
    """What the shortcut probe of a modality says."""
    reached = (
        f"{modality}: global brightness, border and sharpness alone reach a balanced accuracy of "
        f"{figure.value:.2f} ({figure.low:.2f} to {figure.high:.2f}; chance {figure.chance:.2f})."
    )
    if figure.strength == "strong":
        return f"{reached} Brightness alone tells these classes apart: a high accuracy proves little."
    if figure.strength == "some":
        return f"{reached} A network has to do clearly better than that to have learnt the disease."
    return f"{reached} No better than guessing: brightness is no shortcut here."


def _sources(data: Examined) -> Iterator[Finding]:
    for modality, probes in data.probes.items():
        of_class: dict[str, set[str]] = defaultdict(set)
        for record in data.records:
            if record.modality == modality:
                of_class[record.label].add(record.source)
        if len(set().union(*of_class.values())) < 2:
            continue
        alone = sorted(label for label, sources in of_class.items() if len(sources) == 1)
        if alone:
            yield Finding(
                "care",
                f"{modality}: {', '.join(alone)} comes from one source alone, so whoever recognises the "
                "source knows the class. Judge within a source.",
            )
        if probes.source is not None and probes.source.strength != "none":
            yield Finding(
                "care",
                f"{modality}: the source is recognised from brightness and sharpness alone with a balanced "
                f"accuracy of {probes.source.value:.2f} ({probes.source.low:.2f} to "
                f"{probes.source.high:.2f}).",
            )
