"""Images as a bad day makes them: little light, blur, strong compression, a tilted film.

Each change takes (224, 224) gray and a generator, and gives the same shape. Low light is simulated in
linear light: photons are counted (Poisson), the camera adds its read noise, and the picture is brightened
again to what it was, which is what a camera's automatic gain does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from trainer.evaluation import metrics
from trainer.evaluation.judge import Scored, mean_within_modality, scored

Image = NDArray[np.uint8]
Change = Callable[[Image, np.random.Generator], Image]

GAMMA = 2.2
READ_NOISE = 2.0
"""Electrons, deviation."""


def low_light(image: Image, rng: np.random.Generator, photons: float) -> Image:
    """As seen with ``photons`` at white and brightened again."""
    light = (image / 255.0) ** GAMMA
    seen = rng.poisson(light * photons) + rng.normal(0, READ_NOISE, image.shape)
    back = np.clip(seen / photons, 0, 1) ** (1 / GAMMA)
    return np.asarray(np.rint(255 * back), np.uint8)


def dark(image: Image, _: np.random.Generator, share: float) -> Image:
    """As 8 bits of a share of the light, not brightened: tones are lost."""
    return np.asarray(np.rint(image * share), np.uint8)


def gamma(image: Image, _: np.random.Generator, exponent: float) -> Image:
    """Display values raised to a power."""
    return np.asarray(np.rint(255 * (image / 255.0) ** exponent), np.uint8)


def blur(image: Image, _: np.random.Generator, sigma: float) -> Image:
    """Gaussian blur, deviation in px."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8)


def jpeg(image: Image, _: np.random.Generator, quality: int) -> Image:
    """Compressed and opened again."""
    data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), np.uint8)


def rotate(image: Image, rng: np.random.Generator, degrees: float) -> Image:
    """Turned by ``degrees`` to one side or the other."""
    side = image.shape[0]
    turn = cv2.getRotationMatrix2D((side / 2, side / 2), float(rng.choice([-1, 1])) * degrees, 1.0)
    return np.asarray(cv2.warpAffine(image, turn, (side, side), borderMode=cv2.BORDER_REPLICATE), np.uint8)


def perspective(image: Image, rng: np.random.Generator, share: float) -> Image:
    """Each corner moved inwards by up to ``share`` of the side: a film photographed from aside."""
    side = image.shape[0]
    corners = np.array([[0, 0], [side, 0], [side, side], [0, side]], np.float32)
    inward = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]], np.float32)
    moved = corners + inward * rng.uniform(0, share * side, (4, 2)).astype(np.float32)
    matrix = cv2.getPerspectiveTransform(corners, moved)
    return np.asarray(
        cv2.warpPerspective(image, matrix, (side, side), borderMode=cv2.BORDER_REPLICATE), np.uint8
    )


CHANGES: dict[str, Change] = {
    "low light, 200 photons at white": partial(low_light, photons=200),
    "low light, 40 photons at white": partial(low_light, photons=40),
    "an eighth of the light, not brightened": partial(dark, share=1 / 8),
    "gamma 0.6": partial(gamma, exponent=0.6),
    "gamma 1.6": partial(gamma, exponent=1.6),
    "blur, 1 px": partial(blur, sigma=1.0),
    "blur, 2.5 px": partial(blur, sigma=2.5),
    "JPEG quality 30": partial(jpeg, quality=30),
    "JPEG quality 10": partial(jpeg, quality=10),
    "turned by 5 degrees": partial(rotate, degrees=5.0),
    "turned by 10 degrees": partial(rotate, degrees=10.0),
    "perspective, corners up to 8 %": partial(perspective, share=0.08),
}


def degraded(images: NDArray[np.uint8], name: str) -> NDArray[np.uint8]:
    """All images under one change; each image has its own fixed noise."""
    change = CHANGES[name]
    return np.stack([change(each, np.random.default_rng((7, row))) for row, each in enumerate(images)])


def compare(
    clean: Scored, probability: NDArray[np.float64], rules: Any, unlike: NDArray[np.bool_]
) -> dict[str, Any]:
    """Figures under one change, and what it costs against the clean images, resample by resample.

    ``unlike`` (N,) says which of the changed images no longer look like their group, and get no label.
    """
    worse = scored(probability, clean.records, rules)
    worse = replace(worse, limit=np.where(unlike, np.inf, worse.limit))
    boot, hit = clean.bootstrap, worse.best == clean.labels
    out: dict[str, Any] = {}
    boot.estimate(lambda w: metrics.accuracy(w, hit)).put(out, "accuracy")
    key = "mean_within_modality_balanced_accuracy"
    boot.estimate(lambda w: mean_within_modality(w, worse)).put(out, key)
    lost = boot.estimate(
        lambda w: mean_within_modality(w, worse) - mean_within_modality(w, clean), share=False
    )
    lost.put(out, "change")
    out["same_label"] = round(float((worse.best == clean.best).mean()), 4)
    out["abstained"] = round(float((~worse.answered).mean()), 4)
    return out
