"""A person cut out of a portrait: which pixels are the person, which the head, which all of it.

The matte is found by GrabCut (Rother et al., 2004) from the studio's even background.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from trainer.detectors.faces.portraits import REACH, Portrait

Matte = NDArray[np.float32]
"""(rows, columns), 1 where the portrait shows, 0 where the scene does."""


def person(portrait: Portrait, rounds: int = 2) -> Matte:
    """Head, hair and shoulders, without the background."""
    rows, columns = portrait.pixels.shape[:2]
    mask = np.full((rows, columns), cv2.GC_PR_BGD, np.uint8)
    x, y = portrait.centre
    radius = REACH * portrait.distance
    cv2.ellipse(mask, ((x, y), (3.0 * radius, 3.4 * radius), 0.0), cv2.GC_PR_FGD, -1)
    mask[min(rows - 1, int(y + 1.2 * radius)) :, :] = cv2.GC_PR_FGD
    mask[:6] = cv2.GC_BGD
    cv2.ellipse(mask, ((x, y), (1.5 * radius, 2.0 * radius), 0.0), cv2.GC_FGD, -1)
    cv2.setRNGSeed(0)
    whole = (0, 0, columns, rows)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(portrait.pixels, mask, whole, *models, rounds, cv2.GC_INIT_WITH_MASK)
    inside = np.isin(mask, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    clean = cv2.morphologyEx(inside, cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    return np.asarray(cv2.GaussianBlur(clean.astype(np.float32), (0, 0), 1.2), np.float32)


def head(portrait: Portrait, reach: float = 1.35) -> Matte:
    """An oval around the face, ``reach`` face radii high."""
    x, y = portrait.centre
    radius = REACH * portrait.distance
    mask = np.zeros(portrait.pixels.shape[:2], np.float32)
    cv2.ellipse(mask, ((x, y), (1.7 * radius * reach, 2 * radius * reach), 0.0), 1.0, -1)
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), 2.0), np.float32)


def picture(portrait: Portrait) -> Matte:
    """All of it, as a photograph on a wall."""
    return np.ones(portrait.pixels.shape[:2], np.float32)
