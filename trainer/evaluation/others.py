"""Images that the model was not made for: how many get an abstention, against how many valid ones do.

Two checks stand before a label. The header check (`edge.imaging.intended_use`) knows modality, body part
and view, and sees no pixel. The pixel check is what the bundle brings: it is tried with every header taken
away, as behind a camera, or as if somebody had set the box to the wrong kind of image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.imaging.bundle import Bundle
from edge.imaging.intended_use import Use, group_of, looks_intended
from trainer.evaluation.intervals import clopper_pearson
from trainer.evaluation.other_images import FAMILIES, Other
from trainer.evaluation.runner import Runner, answers_unknown, own_probabilities

Abstains = Callable[[NDArray[np.uint8], str], NDArray[np.bool_]]
"""Gray images (N, 224, 224), all taken for images of one group of classes, to (N,): is a label withheld?"""

LooksLike = Callable[[NDArray[np.uint8]], Sequence[str]]
"""Gray images (N, 224, 224) to the group of classes that each looks most like."""

WEAKEST = 3
"""How many kinds are named as those that get a label most often."""


def unlike(bundle: Bundle, features: NDArray[np.float32], groups: Sequence[str]) -> NDArray[np.bool_]:
    """Which of the images (N, F) do not look like their group to the network; the box's own rule."""
    known = bundle.likeness
    return np.array(
        [
            group in known and not looks_intended(each, known[group])
            for each, group in zip(features, groups, strict=True)
        ],
        np.bool_,
    )


def by_rules(bundle: Bundle, runner: Runner) -> Abstains:
    """The box's rules for pixels: unlike the group, or less probable than the bundle demands."""

    def abstains(images: NDArray[np.uint8], group: str) -> NDArray[np.bool_]:
        ran, groups = runner.run(images, ("logits", "features")), [group] * len(images)
        top = own_probabilities(bundle, ran["logits"], groups).max(1)
        unsure = np.asarray(top < bundle.min_probability[group], np.bool_)
        return unsure | unlike(bundle, ran["features"], groups)

    return abstains


def by_looks(bundle: Bundle, runner: Runner) -> LooksLike:
    """By the bundle's means, as where nobody says what kind of image it is."""

    def looks_like(images: NDArray[np.uint8]) -> list[str]:
        ran = runner.run(images, ("logits", "features"))
        best = answers_unknown(bundle, ran["logits"], ran["features"])
        return [bundle.classes[int(each)].group for each in best]

    return looks_like


def judge(
    others: Sequence[Other], uses: Iterable[Use], abstains: Abstains, looks_like: LooksLike
) -> dict[str, Any]:
    """Shares that get an abstention, by kind, by family and by check, with Clopper and Pearson's intervals.

    A trial is one image offered to one group of classes, whatever its header says. Most offers are easy: a
    photograph that looks like no chest looks like a brain still less. So ``most_alike`` counts each image
    once, offered to the group that it looks most like, and leaves out those that are not offered to that one.
    ``mean_of_kinds`` weighs each kind alike, since how many noise images are drawn is our choice; a pooled
    share hides the kinds that ``weakest_kinds`` names, and ``per_family`` tells what was taken of patients
    from what was drawn. ``with_header`` is the way through the box: the header check first, and only what
    passes it meets the pixel check.
    """
    uses = tuple(uses)
    out: dict[str, Any] = {"images": len(others)}
    if not others:
        return out
    caught = _pixel_check(others, tuple(use.group for use in uses), abstains)
    alike = looks_like(np.stack([each.image for each in others]))
    rows = range(len(others))
    kinds, families = [each.kind for each in others], [each.family for each in others]
    out |= _figures(rows, caught, alike)
    per_kind = {
        kind: _figures([row for row in rows if kinds[row] == kind], caught, alike)
        for kind in sorted(set(kinds))
    }
    out["per_family"] = {
        family: _figures([row for row in rows if families[row] == family], caught, alike)
        for family in FAMILIES
        if family in families
    }
    out["mean_of_kinds"] = round(float(np.mean([part["abstained"] for part in per_kind.values()])), 4)
    out["weakest_kinds"] = sorted(per_kind, key=lambda kind: float(per_kind[kind]["abstained"]))[:WEAKEST]
    out["per_kind"] = per_kind
    told = [(each, found) for each, found in zip(others, caught, strict=True) if each.acquisition is not None]
    if told:
        named = [
            (group_of(each.acquisition, uses) if each.acquisition else None, found) for each, found in told
        ]
        header: dict[str, Any] = {"images": len(told)}
        _share(header, "refused_by_header", [group is None for group, _ in named])
        _share(header, "abstained", [group is None or found.get(group, False) for group, found in named])
        _share(header, "abstained_without_header", [hit for _, found in told for hit in found.values()])
        out["with_header"] = header
    return out


def _figures(rows: Sequence[int], caught: Sequence[dict[str, bool]], alike: Sequence[str]) -> dict[str, Any]:
    """Of some of the images: over all offers, and over those to the group that an image looks most like."""
    out: dict[str, Any] = {"images": len(rows)}
    _share(out, "abstained", [hit for row in rows for hit in caught[row].values()])
    hardest = [caught[row][alike[row]] for row in rows if alike[row] in caught[row]]
    if hardest:
        _share(out, "most_alike", hardest)
    return out


def _share(into: dict[str, Any], key: str, hits: Sequence[bool]) -> None:
    into[f"{key}_trials"], into[f"{key}_count"] = len(hits), sum(hits)
    clopper_pearson(sum(hits), len(hits)).put(into, key)


def _pixel_check(others: Sequence[Other], every: Sequence[str], abstains: Abstains) -> list[dict[str, bool]]:
    """For each image its answer in each group that it is offered to; runs are grouped for speed."""
    answers: list[dict[str, bool]] = [{} for _ in others]
    for group in every:
        rows = [row for row, each in enumerate(others) if group in (each.groups or every)]
        if not rows:
            continue
        hits = abstains(np.stack([others[row].image for row in rows]), group)
        for row, hit in zip(rows, hits, strict=True):
            answers[row][group] = bool(hit)
    return answers


def valid(
    images: NDArray[np.uint8], groups: Sequence[str], patients: Sequence[str], abstains: Abstains
) -> dict[str, Any]:
    """Share of the valid images that get an abstention, overall and by group, bootstrap over patients."""
    from trainer.evaluation.intervals import Bootstrap
    from trainer.evaluation.metrics import accuracy

    names = np.array(groups)
    held = np.zeros(len(images), np.bool_)
    for group in sorted(set(groups)):
        held[names == group] = abstains(images[names == group], group)
    boot = Bootstrap(patients, groups)
    out: dict[str, Any] = {"images": len(images)}
    boot.estimate(lambda w: accuracy(w, held)).put(out, "abstained")
    out["per_group"] = {}
    for group in sorted(set(groups)):
        rows, part = np.flatnonzero(names == group), {"images": int((names == group).sum())}
        boot.estimate(lambda w, h=held[rows]: accuracy(w, h), rows).put(part, "abstained")  # type: ignore[misc]
        out["per_group"][group] = part
    return out
