"""Temperature and abstention threshold, from what may be looked at.

Both end in a bundle that leaves the house, so each is a release. Two ways are open, and each function
serves one of them:

- **public**: on images that nobody was ever in, or on a set that is public. `fit_temperature`,
  `threshold_for_coverage`. The caller says so by ``origin``; private images are refused, not read quietly.
- **paid**: on private images through a Gaussian mechanism whose noise the caller took from the run's spend.
  `private_temperature`, `private_quantile`. Each is one ``Release(what, noise)`` of `trainer.privacy.spend`
  (add or remove one image; with a larger unit, cap its images first and scale the noise by the cap).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from trainer.evaluation.errors import EvaluationError
from trainer.privacy import noise as draw

Origin = Literal["public", "private"]
"""Where the images come from. ``public``: procedural, or published with consent to any use."""

BOUND = 3.0
"""Temperatures are looked for between e^-3 and e^3."""
GRID = tuple(float(each) for each in np.exp(np.linspace(np.log(0.35), np.log(2.8), 7)))
"""Temperatures that `private_temperature` chooses among; public."""
CLIP = 0.25
"""Largest change of one record's loss against temperature 1 that counts, in nats."""
BINS = 40


class CalibrationError(EvaluationError):
    """The calibration would look at images that nobody paid for, or at none."""


def _public(origin: Origin) -> None:
    if origin != "public":
        raise CalibrationError(
            "this rule looks at its images without noise, so they must be public or procedural; "
            "for private images use private_temperature or private_quantile and pay for them"
        )


def loss(logits: NDArray[np.float64], labels: NDArray[np.intp], temperature: float) -> NDArray[np.float64]:
    """Cross-entropy of each record, (N,), of logits (N, classes) divided by a temperature.

    Classes outside of the record's own group hold -inf.
    """
    scaled = logits / temperature
    rows = np.arange(len(labels))
    return np.asarray(special.logsumexp(scaled, axis=1) - scaled[rows, labels], np.float64)


def fit_temperature(
    logits: NDArray[np.float64], labels: NDArray[np.intp], groups: Sequence[str], *, origin: Origin
) -> dict[str, float]:
    """Temperature of each group of classes with the least cross-entropy (Guo et al. 2017).

    Args:
        logits: (N, classes), -inf outside of each record's own group of classes.
        labels: (N,) positions of the true classes.
        groups: group of classes of each record.
        origin: ``public`` if every image may be looked at freely.

    Raises:
        CalibrationError: the images are private, or there are none.
    """
    _public(origin)
    names = np.array(groups)
    if not len(names):
        raise CalibrationError("no image to calibrate on; leave the temperature at 1")
    out: dict[str, float] = {}
    for group in sorted(set(groups)):
        rows = names == group
        x, y = np.asarray(logits, np.float64)[rows], labels[rows]
        found = optimize.minimize_scalar(
            lambda log_t, x=x, y=y: loss(x, y, float(np.exp(log_t))).mean(),
            bounds=(-BOUND, BOUND),
            method="bounded",
        )
        out[group] = float(np.exp(found.x))
    return out


def threshold_for_coverage(confidence: NDArray[np.float64], coverage: float, *, origin: Origin) -> float:
    """Probability below which to abstain so that ``coverage`` of the images are answered.

    Args:
        confidence: (N,) probabilities of the best class.
        coverage: wanted share of answered images, above 0 and at most 1.
        origin: ``public`` if every image may be looked at freely.

    Raises:
        CalibrationError: the images are private, there are none, or the share makes no sense.
    """
    _public(origin)
    _check_share(coverage)
    if not len(confidence):
        raise CalibrationError("no image to set a threshold on; keep the fixed one")
    return float(np.quantile(confidence, 1 - coverage, method="lower"))


def private_quantile(values: NDArray[np.float64], share: float, *, noise: float, bins: int = BINS) -> float:
    """Value below which about ``share`` of private values in [0, 1] lie; one Gaussian release.

    A histogram over public bins: one record moves one count by one, so the L2 sensitivity is 1.

    Args:
        values: (N,) private values in [0, 1].
        share: wanted share below, for example 0.1 to abstain on a tenth.
        noise: standard deviation of the noise over the sensitivity, as it stands in the run's spend.
        bins: how many bins; a public choice.

    Raises:
        CalibrationError: the share or the noise makes no sense.
    """
    _check_share(share)
    _check_noise(noise)
    # A value that is not a number must cost no more than any other.
    clean = np.clip(np.nan_to_num(values, nan=0.0), 0.0, 1.0)
    counts, edges = np.histogram(clean, bins=bins, range=(0.0, 1.0))
    noisy = np.maximum(counts + noise * draw.normal(bins), 0.0)
    total = noisy.sum()
    if total <= 0:
        return float(share)
    below = np.cumsum(noisy) / total
    return float(edges[min(int(np.searchsorted(below, share)), bins - 1)])


def private_temperature(logits: NDArray[np.float64], labels: NDArray[np.intp], *, noise: float) -> float:
    """Temperature of one group of classes, chosen on private images; one Gaussian release.

    What is released is the total change of the loss against temperature 1 for each temperature of `GRID`,
    each record's change clipped to +-`CLIP`: L2 sensitivity ``CLIP * sqrt(len(GRID))``. The choice itself is
    post-processing. Temperature 1 is kept unless another one lowers the noisy loss.

    Args:
        logits: (N, classes), -inf outside of the group.
        labels: (N,) positions of the true classes.
        noise: standard deviation of the noise over the sensitivity, as it stands in the run's spend.

    Raises:
        CalibrationError: the noise makes no sense.
    """
    _check_noise(noise)
    x = np.asarray(logits, np.float64)
    base = loss(x, labels, 1.0)
    change = np.stack([loss(x, labels, each) - base for each in GRID])
    total = np.clip(np.nan_to_num(change, nan=0.0), -CLIP, CLIP).sum(1)
    noisy = total + noise * CLIP * np.sqrt(len(GRID)) * draw.normal(len(GRID))
    best = int(noisy.argmin())
    return GRID[best] if noisy[best] < 0 else 1.0


def _check_share(share: float) -> None:
    if not 0 < share <= 1:
        raise CalibrationError(f"expected a share above 0 and at most 1, got {share}")


def _check_noise(noise: float) -> None:
    if not (np.isfinite(noise) and noise > 0):
        raise CalibrationError(
            f"expected a finite noise above 0, got {noise}; without noise nothing is paid for"
        )
