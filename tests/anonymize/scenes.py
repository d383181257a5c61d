"""Drawn pictures with known content."""

from __future__ import annotations

import cv2
import numpy as np


def radiograph(text: str | None = "DOE^JANE 1961", size: tuple[int, int] = (400, 520)) -> np.ndarray:
    """A drawn, smooth 'radiograph' (rows, columns) with text burned in."""
    rows, columns = size
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
    body = 150 * np.exp(-(((x - columns / 2) / (columns / 3)) ** 2 + ((y - rows / 2) / (rows / 3)) ** 2))
    pixels = (20 + body).astype(np.uint8)
    if text:
        cv2.putText(pixels, text, (20, 40), cv2.FONT_HERSHEY_SIMPLEX, 0.8, 240, 2, cv2.LINE_AA)
    return pixels


def film(angle: float = 0.0, size: tuple[int, int] = (720, 1280)) -> np.ndarray:
    """A dark room (rows, columns, 3) with a bright film of 4:3 in it, turned by ``angle`` degrees."""
    rows, columns = size
    scene = np.full((rows, columns, 3), 12, np.uint8)
    picture = cv2.resize(np.maximum(radiograph(None), 90), (640, 480))
    picture = np.repeat(picture[:, :, None], 3, axis=2)
    picture[:200, :200] = (255, 80, 80)  # the top left corner is red
    turn = cv2.getRotationMatrix2D((320, 240), angle, 1.0)
    turn[:, 2] += (columns / 2 - 320, rows / 2 - 240)
    cv2.warpAffine(picture, turn, (columns, rows), dst=scene, borderMode=cv2.BORDER_TRANSPARENT)
    return scene
