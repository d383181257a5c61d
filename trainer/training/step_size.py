"""How large steps may be under noise: with fewer units, or a smaller epsilon, smaller ones.

A step moves weights by what the data say and by noise. Twice the noise on the mean gradient wants little more
than half the learning rate: by cross-validation on the public benchmark, at epsilon 1, 2 and 8 with 500 to
3,900 images as units, every one in every step (docs/dp-sgd.md). Noise, clip, sampling rate and number of
units are public, so this asks nothing of the data.
"""

from __future__ import annotations

import math

RATE = 25.0
"""The best learning rate, momentum 0.9, under `NOISE`."""
NOISE = 0.00155
"""Standard deviation of the noise on each number of the mean gradient, at epsilon 2 with 4,200 units."""
POWER = 0.8
LEAST = NOISE / 4
"""Below this the rate grows no further: rates up to 100 were tried, and no image count above 3,900."""


def learning_rate(noise: float) -> float:
    """The learning rate of the head, to two digits: more were never told apart.

    Args:
        noise: standard deviation of the noise on each number of the mean gradient; not negative.
    """
    return float(f"{RATE * math.pow(NOISE / max(noise, LEAST), POWER):.2g}")
