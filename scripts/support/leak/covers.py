"""What lies over a face at a bedside, drawn on the upright portrait, and which pixels it hides."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from trainer.detectors.faces.portraits import Portrait

Picture = NDArray[np.uint8]


def covered(portrait: Portrait, cover: str, rng: np.random.Generator) -> tuple[Picture, NDArray[np.uint8]]:
    """The portrait with its cover, and a mask of what is hidden (255)."""
    image = portrait.pixels.copy()
    hidden = np.zeros(image.shape[:2], np.uint8)
    x, y = portrait.centre
    unit = portrait.distance
    eye, mouth = y - unit / 2, y + unit / 2
    if cover == "mask":
        top = eye + rng.uniform(0.3, 0.5) * unit
        shape = [(-1.0, 0), (-0.4, -0.06), (0, -0.1), (0.4, -0.06), (1.0, 0), (0.85, 1.1), (0.3, 1.4),
                 (-0.3, 1.4), (-0.85, 1.1)]  # fmt: skip
        corners = np.array([(x + a * unit, top + b * unit) for a, b in shape], np.int32)
        cv2.fillPoly(hidden, [corners], 255)
        _cloth(
            image, hidden, np.array(((150, 190, 215), (230, 235, 240), (120, 180, 160))[rng.integers(3)]), rng
        )
        for side in (-1, 1):
            ear = (int(x + side * 1.5 * unit), int(eye + 0.1 * unit))
            cv2.line(
                image,
                (int(x + side * unit), int(top)),
                ear,
                (225, 225, 225),
                max(1, int(unit / 20)),
                cv2.LINE_AA,
            )
    elif cover == "oxygen":
        centre, axes = (int(x), int(mouth - 0.15 * unit)), (int(0.55 * unit), int(0.62 * unit))
        glass = image.copy()
        cv2.ellipse(glass, centre, axes, 0, 0, 360, (205, 225, 215), -1, cv2.LINE_AA)
        cv2.addWeighted(glass, rng.uniform(0.25, 0.5), image, 0.6, 0, dst=image)
        cv2.ellipse(image, centre, axes, 0, 0, 360, (120, 190, 150), max(1, int(unit / 14)), cv2.LINE_AA)
        tube = (centre[0], centre[1] + axes[1]), (int(x + unit), int(mouth + 2 * unit))
        cv2.line(image, *tube, (110, 200, 150), max(2, int(unit / 9)), cv2.LINE_AA)
    elif cover == "hand":
        side = (-1, 1)[int(rng.integers(2))]
        skin = image[int(eye + 0.4 * unit), int(x + 0.35 * unit)].astype(float) * rng.uniform(0.8, 1.1)
        for finger in range(4):
            tip = np.array([x + side * 0.05 * unit, eye + (0.35 + 0.3 * finger) * unit])
            base = tip + np.array([side * 1.9, 0.5]) * unit
            for target, value in (
                (image, np.clip(skin * (0.92 + 0.04 * finger), 0, 255).tolist()),
                (hidden, 255),
            ):
                cv2.line(
                    target,
                    tip.astype(int).tolist(),
                    base.astype(int).tolist(),
                    value,
                    int(0.25 * unit),
                    cv2.LINE_AA,
                )
    elif cover == "pillow":
        side, reach = (-1, 1)[int(rng.integers(2))], rng.uniform(0.15, 0.6)
        edge = x + side * reach * unit
        wave = [(edge + side * 0.15 * unit * np.sin(t / 2), y + (t - 10) * 0.4 * unit) for t in range(20)]
        far = x + side * 6 * unit
        cv2.fillPoly(hidden, [np.array([*wave, (far, wave[-1][1]), (far, wave[0][1])], np.int32)], 255)
        _cloth(image, hidden, rng.uniform(170, 245, 3), rng)
    elif cover == "bandage":
        low = eye - rng.uniform(0.25, 0.5) * unit
        slant = rng.uniform(-0.3, 0.3) * unit
        shape = np.array([(0, low - slant), (image.shape[1], low + slant), (image.shape[1], low - 1.1 * unit),
                          (0, low - 1.1 * unit)], np.int32)  # fmt: skip
        cv2.fillPoly(hidden, [shape], 255)
        _cloth(image, hidden, rng.uniform(200, 250, 3), rng)
    return image, hidden


def _cloth(
    image: Picture, where: NDArray[np.uint8], colour: NDArray[np.float64], rng: np.random.Generator
) -> None:
    rows, columns = where.shape
    y, x = np.mgrid[0:rows, 0:columns]
    angle = rng.uniform(0, np.pi)
    folds = 1 + 0.12 * np.sin((x * np.cos(angle) + y * np.sin(angle)) / rng.uniform(4, 15))
    cloth = np.clip(colour * folds[:, :, None], 0, 255)
    image[where > 0] = cloth[where > 0].astype(np.uint8)
