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
from trainer.evaluation.other_images import Other
from trainer.evaluation.runner import Runner, own_probabilities

Abstains = Callable[[NDArray[np.uint8], str], NDArray[np.bool_]]
"""Gray images (N, 224, 224), all taken for images of one group of classes, to (N,): is a label withheld?"""

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


def judge(others: Sequence[Other], uses: Iterable[Use], abstains: Abstains) -> dict[str, Any]:
    """Shares that get an abstention, by kind and by check, with Clopper and Pearson's intervals.

    A trial is one image offered to one group of classes, whatever its header says. ``mean_of_kinds`` weighs
    each kind alike, since how many noise images are drawn is our choice; a pooled share hides the kinds that
    ``weakest_kinds`` names. ``with_header`` is the way through
    the box: the header check first, and only what passes it meets the pixel check.
    """
    uses = tuple(uses)
    caught = _pixel_check(others, tuple(use.group for use in uses), abstains)
    per_kind: dict[str, Any] = {}
    for kind in sorted({each.kind for each in others}):
        hits = [
            hit
            for each, found in zip(others, caught, strict=True)
            if each.kind == kind
            for hit in found.values()
        ]
        part: dict[str, Any] = {"images": sum(each.kind == kind for each in others)}
        _share(part, "abstained", hits)
        per_kind[kind] = part
    out: dict[str, Any] = {"images": len(others)}
    if not others:
        return out
    _share(out, "abstained", [hit for found in caught for hit in found.values()])
    out["mean_of_kinds"] = round(float(np.mean([part["abstained"] for part in per_kind.values()])), 4)
    out["weakest_kinds"] = sorted(per_kind, key=lambda kind: float(per_kind[kind]["abstained"]))[:WEAKEST]
    out["per_kind"] = per_kind
    rows = [(each, found) for each, found in zip(others, caught, strict=True) if each.acquisition is not None]
    if rows:
        named = [
            (group_of(each.acquisition, uses) if each.acquisition else None, found) for each, found in rows
        ]
        header: dict[str, Any] = {"images": len(rows)}
        _share(header, "refused_by_header", [group is None for group, _ in named])
        _share(header, "abstained", [group is None or found.get(group, False) for group, found in named])
        _share(header, "abstained_without_header", [hit for _, found in rows for hit in found.values()])
        out["with_header"] = header
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
