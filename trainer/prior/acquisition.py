"""What scanners, films and file formats add to a picture, with labels for how much of each.

A network that can tell blur, noise and compression apart from anatomy has less to learn of them later.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from trainer.prior.drawing import SIDE, Gray, Labels, Rng

BLUR = ((0.0, 0.3), (0.5, 0.9), (1.0, 1.5), (1.7, 2.6))
"""Spread in pixels, by class; the third and fourth are also made by shrinking and enlarging."""
GRAIN = ((0.0, 0.004), (0.008, 0.016), (0.02, 0.035), (0.045, 0.08))
"""Spread of added noise as a share of the range, by class."""
QUALITY = ((100, 100), (75, 95), (45, 65), (20, 35))
"""JPEG quality, by class; the first is not compressed."""
EXPOSURE = ((0.45, 0.7), (0.8, 1.2), (1.4, 2.0))
"""Exponent of the gray levels, by class."""
TASKS = {"blur": 4, "grain": 4, "compression": 4, "exposure": 3, "clipping": 3}


def acquire(image: Gray, rng: Rng) -> tuple[NDArray[np.uint8], Labels]:
    """Gray levels of any range as an 8-bit picture, (224, 224), and the labels of what was done to it."""
    labels = {
        "blur": int(rng.choice(4, p=(0.4, 0.25, 0.2, 0.15))),
        "grain": int(rng.choice(4, p=(0.4, 0.25, 0.2, 0.15))),
        "compression": int(rng.choice(4, p=(0.4, 0.25, 0.2, 0.15))),
        "exposure": int(rng.choice(3, p=(0.25, 0.5, 0.25))),
        "clipping": int(rng.choice(3, p=(0.5, 0.3, 0.2))),
    }
    spread = rng.uniform(*BLUR[labels["blur"]])
    if labels["blur"] >= 2 and rng.uniform() < 0.4:
        small = round(SIDE / (1.2 * spread))
        image = np.asarray(cv2.resize(image, (small, small), interpolation=cv2.INTER_AREA), np.float32)
        image = np.asarray(cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC), np.float32)
    elif labels["blur"]:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), spread), np.float32)
    cut = (0.05, 1.0, 4.0)[labels["clipping"]]
    low, high = np.percentile(image[::2, ::2], (cut, 100 - cut))
    image = np.clip((image - low) / (high - low + 1e-6), 0, 1) ** rng.uniform(*EXPOSURE[labels["exposure"]])
    image = image * rng.uniform(0.65, 1.0) + rng.uniform(0, 0.1)
    image = image + rng.standard_normal(image.shape, np.float32) * rng.uniform(*GRAIN[labels["grain"]])
    out = np.asarray(np.clip(image, 0, 1) * 255, np.uint8)
    if labels["compression"]:
        quality = int(rng.uniform(*QUALITY[labels["compression"]]))
        _, packed = cv2.imencode(".jpg", out, [cv2.IMWRITE_JPEG_QUALITY, quality])
        out = np.asarray(cv2.imdecode(packed, cv2.IMREAD_GRAYSCALE), np.uint8)
    return out, labels
