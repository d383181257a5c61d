"""From display pixels to the network's input; the box and the trainer run this very code.

Three steps, none of which looks at any other image: gray by luma, area resize to 224 x 224 without
keeping the aspect (the training data was made so), and mean 0, spread 1 over the image itself. So no
statistic of a training set, which would have to be paid for in privacy, is needed anywhere.

Two more steps are off unless a model was trained with them: a photographed film is rectified before
anything else, and noise is taken out of the gray image. A `Preprocessing` says which are on; its name stands
in the bundle, and the box does what the name says.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.imaging import denoise
from edge.imaging.frames import Pixels
from edge.imaging.perspective import find_quad, rectified_size, rectify

SIDE = 224
NAME = "gray-luma/area-224x224/standardise-1"
"""The steps that are always done. A box refuses a bundle that names any other than it knows; see `parse`."""
_INSET = 0.015
"""Corners are found to about one percent: drawn in by more, nothing from beside the film comes in."""
_MIN_FILM = 32
"""Pixels on the shorter side of a rectified region below which it is no film."""


def to_gray(pixels: Pixels) -> Pixels:
    """Display pixels, (H, W) or (H, W, 3) RGB uint8 of any size, as (224, 224) uint8 gray.

    Raises:
        ValueError: the array is not uint8 display pixels, or is empty.
    """
    _check(pixels)
    if pixels.ndim == 3:
        pixels = np.asarray(cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2GRAY), np.uint8)
    if pixels.shape == (SIDE, SIDE):
        return pixels
    shrinks = pixels.shape[0] >= SIDE and pixels.shape[1] >= SIDE
    # Averaging over areas leaves no aliasing, but is nearest-neighbour when it has to enlarge.
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(np.ascontiguousarray(pixels), (SIDE, SIDE), interpolation=how), np.uint8)


def _check(pixels: Pixels) -> None:
    shaped = pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3)
    if pixels.dtype != np.uint8 or not shaped or 0 in pixels.shape:
        raise ValueError(f"expected uint8 (H, W) or (H, W, 3), got {pixels.dtype} {pixels.shape}")


def standardise(gray: Pixels) -> NDArray[np.float32]:
    """Mean 0 and spread 1 over the image; a flat image becomes all zeros. Same shape, float32."""
    image = gray.astype(np.float32)
    image -= image.mean(dtype=np.float64).astype(np.float32)
    spread = float(image.std(dtype=np.float64))
    return np.asarray(image / np.float32(max(spread, 1.0)), np.float32)


def to_network_input(pixels: Pixels) -> NDArray[np.float32]:
    """Display pixels as the network's input: float32, (1, 3, 224, 224), the gray in each channel.

    No optional step is done: what a `Preprocessing` made gray goes in as it is.

    Raises:
        ValueError: the array is not uint8 display pixels, or is empty.
    """
    image = standardise(to_gray(pixels))
    return np.ascontiguousarray(np.broadcast_to(image, (1, 3, SIDE, SIDE)))


def straighten(pixels: Pixels) -> Pixels:
    """A photographed film or monitor seen straight; the pixels themselves if none stands out in them.

    What the box does to a camera that looks at a film, for images that reach it or the trainer as files.
    """
    quad = find_quad(pixels)
    if quad is None:
        return pixels
    quad = quad.inset(_INSET)
    return rectify(pixels, quad) if min(rectified_size(quad)) >= _MIN_FILM else pixels


@dataclass(frozen=True)
class Preprocessing:
    """Which of the optional steps are on. Box and trainer run them by this very class."""

    perspective: bool = False
    """A film that was photographed at an angle is rectified."""
    denoise: bool = False
    """A 3 x 3 median at the network's size; see `edge.imaging.denoise`."""

    @property
    def name(self) -> str:
        """The steps in their order, as the bundle names them; `NAME` if no option is on."""
        gray, resize, standard = NAME.split("/")
        first = ("perspective-1",) if self.perspective else ()
        noise = ("median-3x3",) if self.denoise else ()
        return "/".join((*first, gray, resize, *noise, standard))

    def to_gray(self, pixels: Pixels, *, straight: bool = False) -> Pixels:
        """Display pixels, (H, W) or (H, W, 3) RGB uint8 of any size, as (224, 224) uint8 gray.

        Args:
            pixels: the image.
            straight: True if perspective was already corrected, as the box does with its camera frames. Once
                more would look for a film inside of the film.

        Raises:
            ValueError: the array is not uint8 display pixels, or is empty.
        """
        _check(pixels)
        if self.perspective and not straight:
            pixels = straighten(pixels)
        gray = to_gray(pixels)
        return denoise.median(gray) if self.denoise else gray

    def to_network_input(self, pixels: Pixels, *, straight: bool = False) -> NDArray[np.float32]:
        """Display pixels as the network's input: float32, (1, 3, 224, 224), the gray in each channel.

        Raises:
            ValueError: the array is not uint8 display pixels, or is empty.
        """
        return to_network_input(self.to_gray(pixels, straight=straight))


_KNOWN = {
    each.name: each for each in (Preprocessing(*options) for options in product((False, True), repeat=2))
}


def parse(name: str) -> Preprocessing:
    """The preprocessing that a bundle names.

    Raises:
        ValueError: this software knows no such preprocessing. It must not guess: the network would see other
            images than it was trained on.
    """
    if name not in _KNOWN:
        raise ValueError(f"preprocessing {name!r} is not known here; known: {', '.join(_KNOWN)}")
    return _KNOWN[name]
