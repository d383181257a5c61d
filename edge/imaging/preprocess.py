"""From display pixels to the network's input; the box and the trainer run this very code.

Three steps, none of which looks at any other image: gray by luma, area resize to 224 x 224 without
keeping the aspect (the training data was made so), and mean 0, spread 1 over the image itself. So no
statistic of a training set, which would have to be paid for in privacy, is needed anywhere.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.imaging.frames import Pixels

SIDE = 224
NAME = "gray-luma/area-224x224/standardise-1"
"""Written into every bundle: a box whose preprocessing differs must refuse the bundle."""


def to_gray(pixels: Pixels) -> Pixels:
    """Display pixels, (H, W) or (H, W, 3) RGB uint8 of any size, as (224, 224) uint8 gray.

    Raises:
        ValueError: the array is not uint8 display pixels, or is empty.
    """
    rgb = pixels.ndim == 3 and pixels.shape[2] == 3
    if pixels.dtype != np.uint8 or not (rgb or pixels.ndim == 2) or 0 in pixels.shape:
        raise ValueError(f"expected uint8 (H, W) or (H, W, 3), got {pixels.dtype} {pixels.shape}")
    if rgb:
        pixels = np.asarray(cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2GRAY), np.uint8)
    if pixels.shape == (SIDE, SIDE):
        return pixels
    shrinks = pixels.shape[0] >= SIDE and pixels.shape[1] >= SIDE
    # Averaging over areas leaves no aliasing, but is nearest-neighbour when it has to enlarge.
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(np.ascontiguousarray(pixels), (SIDE, SIDE), interpolation=how), np.uint8)


def standardise(gray: Pixels) -> NDArray[np.float32]:
    """Mean 0 and spread 1 over the image; a flat image becomes all zeros. Same shape, float32."""
    image = gray.astype(np.float32)
    image -= image.mean(dtype=np.float64).astype(np.float32)
    spread = float(image.std(dtype=np.float64))
    return np.asarray(image / np.float32(max(spread, 1.0)), np.float32)


def to_network_input(pixels: Pixels) -> NDArray[np.float32]:
    """Display pixels as the network's input: float32, (1, 3, 224, 224), the gray in each channel.

    Raises:
        ValueError: the array is not uint8 display pixels, or is empty.
    """
    image = standardise(to_gray(pixels))
    return np.ascontiguousarray(np.broadcast_to(image, (1, 3, SIDE, SIDE)))
