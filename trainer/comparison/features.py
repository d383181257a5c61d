"""Fixed features of the published recipes: families, averaged over the mirror image, whitened publicly."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as fn

from trainer.comparison.job import Job
from trainer.comparison.networks import resized
from trainer.comparison.plain import batches, standard_input
from trainer.comparison.recipes import Settings
from trainer.comparison.scattering import Scattering
from trainer.comparison.small_prior import drawn_images, path_of, prior

PRIOR_IMAGES = 24_000
NORM_GROUPS = 27
"""Channel groups of the normalisation of Tramer and Boneh 2021, section 2."""
RIDGE = 0.02
"""Share of the mean eigenvalue that is added to each."""


@dataclass(frozen=True)
class Features:
    """Images to rows of length at most one, by a function that depends on no private image."""

    families: tuple[Callable[[Tensor], Tensor], ...]
    centre: Tensor | None
    """(D,): mean on procedural images; None: each image is normalised by itself."""
    project: Tensor | None
    """(D, D): whitening on procedural images."""
    device: torch.device

    def raw(self, images: NDArray[np.uint8], title: str) -> Tensor:
        """(N, D) before whitening, averaged over the image and its mirror image."""

        def both(x: Tensor) -> Tensor:
            parts = [(family(x) + family(x.flip(-1))) / 2 for family in self.families]
            return torch.cat(parts, 1)

        return batches(both, images, standard_input, self.device, title)

    def __call__(self, images: NDArray[np.uint8], title: str = "features") -> Tensor:
        """(N, D)."""
        found = self.raw(images, title)
        if self.centre is None or self.project is None:
            whole = found.shape[1] // NORM_GROUPS * NORM_GROUPS
            parts = [found[:, :whole].view(len(found), NORM_GROUPS, -1), found[:, None, whole:]]
            found = torch.cat([_normalised(part).flatten(1) for part in parts if part.shape[2]], 1)
        else:
            found = (found - self.centre) @ self.project
        return fn.normalize(found, dim=1)


def _normalised(values: Tensor) -> Tensor:
    return (values - values.mean(2, keepdim=True)) / (values.std(2, keepdim=True, correction=0) + 1e-5)


def features(job: Job) -> Features:
    """The features that a job's settings name: ``families``, ``grid``, ``whiten``."""
    settings, where = job.settings, job.device
    made: list[Callable[[Tensor], Tensor]] = []
    for name in settings["families"]:
        if name == "scattering":
            made.append(Scattering(grid=settings.get("grid", 2)).to(where).eval())
        else:
            net = prior(job.shared, settings.get("prior_images", PRIOR_IMAGES), where).to(where)
            side = int(name.removeprefix("prior"))
            made.append(lambda x, net=net, side=side: net.pooled(resized(x, side)))  # type: ignore[misc]
    found = Features(tuple(made), None, None, where)
    if not settings["whiten"]:
        return found
    rows = found.raw(
        drawn_images(settings.get("whitening_images", 2000)), "whitening by procedural images"
    ).double()
    mean = rows.mean(0)
    project = whitening(torch.cov(rows.T), RIDGE)
    return Features(tuple(made), mean.float(), project.float(), where)


def whitening(covariance: Tensor, ridge: float) -> Tensor:
    """(D, D): inverse square root of a covariance whose eigenvalues are raised by a share of their mean."""
    values, vectors = torch.linalg.eigh(covariance)
    values = values.clamp(min=0)
    scale = 1 / (values + ridge * values.mean()).sqrt()
    return vectors * scale @ vectors.T  # type: ignore[no-any-return]


def warm(job: Job) -> None:
    """Pretrain what the features need, so that it is no part of the time of whichever run is first."""
    if not warm_already(job.settings, job.shared):
        prior(job.shared, job.settings.get("prior_images", PRIOR_IMAGES), job.device)


def warm_already(settings: Settings, shared: Path) -> bool:
    """Whether nothing is left for `warm` to do."""
    if not any(name.startswith("prior") for name in settings.get("families", ())):
        return True
    return path_of(shared, settings.get("prior_images", PRIOR_IMAGES)).exists()


def cached(job: Job) -> tuple[Features, Tensor, float]:
    """Features of a job and those of its training images, made once for all repetitions of a row.

    Returns:
        The function, its values (N, D), and the seconds that an earlier repetition had already spent on them.
    """
    settings = job.settings
    names = ("families", "grid", "whiten", "prior_images", "whitening_images")
    key = repr([settings.get(name) for name in names])
    known = job.material.cache.get(key)
    if known is not None:
        return known  # type: ignore[no-any-return]
    started = time.monotonic()
    function = features(job)
    values = function(job.material.train.images)
    job.material.cache[key] = function, values, time.monotonic() - started
    return function, values, 0.0
