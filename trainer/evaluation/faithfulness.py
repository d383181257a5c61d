"""Does the activation map show what the network looks at? Deletion and insertion curves.

Petsiuk, Das and Saenko 2018 (arXiv 1806.07421): remove the image's regions in the order of the map, most
important first, and the probability of the class must fall fast (deletion); lay them into a blurred copy,
and it must rise fast (insertion). The control is the same map with its cells shuffled, so that regions of
the same size and smoothness are taken in an order that knows nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from trainer.evaluation import metrics
from trainer.evaluation.judge import Scored

STEPS = 14
SAMPLE = 60
SHUFFLES = 3
BLUR = 12.0
"""Deviation in px of the blur that hides a region's content in the insertion game."""

Predict = Callable[[NDArray[np.uint8], list[int]], NDArray[np.float64]]
"""Images (M, 224, 224) and for each the row that it was made of, to (M, classes) probabilities."""


def ranks(cam: NDArray[np.float32], side: int) -> NDArray[np.intp]:
    """Place of each pixel, 0 the most important, in a map (h, w) enlarged to (side, side)."""
    large = cv2.resize(np.asarray(cam, np.float32), (side, side), interpolation=cv2.INTER_LINEAR).ravel()
    place = np.empty(large.size, np.intp)
    place[np.argsort(-large, kind="stable")] = np.arange(large.size)
    return place.reshape(side, side)


def games(image: NDArray[np.uint8], cam: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Both games of one image (S, S) as (2, STEPS + 1, S, S): deletion, then insertion."""
    place = ranks(cam, image.shape[0])
    flat = np.full_like(image, round(float(image.mean())))
    soft = np.asarray(cv2.GaussianBlur(image, (0, 0), BLUR), np.uint8)
    cuts = [place < place.size * step // STEPS for step in range(STEPS + 1)]
    deletion = [np.where(cut, flat, image) for cut in cuts]
    insertion = [np.where(cut, image, soft) for cut in cuts]
    return np.asarray([deletion, insertion], np.uint8)


def choose(them: Scored, rng: np.random.Generator, size: int = SAMPLE) -> NDArray[np.intp]:
    """A sample of rows with about the same number of each class, one of a group where there are enough."""
    chosen: list[int] = []
    classes = np.unique(them.labels)
    for each in classes:
        rows = rng.permutation(np.flatnonzero(them.labels == each))
        first = {int(them.bootstrap.group[row]): int(row) for row in rows[::-1]}
        order = [*first.values(), *(int(row) for row in rows if int(row) not in set(first.values()))]
        chosen += order[: max(1, size // len(classes))]
    return np.array(sorted(chosen), np.intp)


def faithfulness(
    them: Scored,
    rows: NDArray[np.intp],
    images: NDArray[np.uint8],
    cams: NDArray[np.float32],
    predict: Predict,
) -> dict[str, Any]:
    """Areas under both curves, by the map and by shuffled maps, and the map's gain over them.

    Args:
        them: the split and the network's answers on it.
        rows: the sample.
        images: its images (M, 224, 224).
        cams: its maps (M, classes, h, w).
        predict: the network.
    """
    rng = np.random.default_rng(0)
    size = images.shape[1]
    curves = np.zeros((1 + SHUFFLES, 2, len(rows), STEPS + 1))
    for index, row in enumerate(rows):
        best = int(them.best[row])
        cam = cams[index, best]
        maps = [cam, *(rng.permutation(cam.ravel()).reshape(cam.shape) for _ in range(SHUFFLES))]
        played = np.stack([games(images[index], each) for each in maps]).reshape(-1, size, size)
        answer = predict(played, [int(row)] * len(played))[:, best]
        curves[:, :, index] = answer.reshape(1 + SHUFFLES, 2, STEPS + 1)
    by_map, by_chance = curves[0], curves[1:].mean(0)
    out: dict[str, Any] = {
        "images": len(rows),
        "method": "deletion to the image's mean and insertion into a blurred copy; control: shuffled maps",
        "fraction": [round(step / STEPS, 4) for step in range(STEPS + 1)],
    }
    for game, name, sign in ((0, "deletion", -1.0), (1, "insertion", 1.0)):
        own, chance = metrics.area(by_map[game]), metrics.area(by_chance[game])
        part: dict[str, Any] = {
            "curve": by_map[game].mean(0).round(4).tolist(),
            "curve_random": by_chance[game].mean(0).round(4).tolist(),
        }
        for key, values in (("auc", own), ("auc_random", chance), ("gain", sign * (own - chance))):
            them.bootstrap.estimate(partial(_mean, values=values), rows, share=False).put(part, key)
        part["better_than_random"] = bool(part["gain_interval"][0] > 0)
        out[name] = part
    return out


def _mean(w: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(w @ values / w.sum(1), np.float64)
