"""Fixed features of the published recipes: families, averaged over the mirror image, whitened publicly."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as fn

from trainer.comparison.job import Job
from trainer.comparison.material import Material
from trainer.comparison.networks import resized
from trainer.comparison.plain import batches, standard_input
from trainer.comparison.recipes import Settings
from trainer.comparison.scattering import Scattering
from trainer.comparison.small_prior import drawn_images, path_of, prior

PRIOR_IMAGES = 24_000
NORM_GROUPS = 27
"""Channel groups of the normalisation of Tramer and Boneh 2021, section 2."""
_JUDGED = "judged "
RIDGE = 1.0
"""Share of the mean eigenvalue that is added to each, where no search says another."""


@dataclass(frozen=True)
class Raw:
    """What the families say of images before whitening; no setting that is searched changes it."""

    name: str
    families: tuple[Callable[[Tensor], Tensor], ...]
    device: torch.device
    drawn: tuple[Tensor, Tensor] | None
    """Mean (D,) and covariance (D, D) on procedural images; None: each image is normalised by itself."""

    def __call__(self, images: NDArray[np.uint8], title: str) -> Tensor:
        """(N, D), averaged over the image and its mirror image."""

        def both(x: Tensor) -> Tensor:
            parts = [(family(x) + family(x.flip(-1))) / 2 for family in self.families]
            return torch.cat(parts, 1)

        return batches(both, images, standard_input, self.device, title)


@dataclass(frozen=True)
class Features:
    """Images to rows of length at most one, by a function that depends on no private image."""

    raw: Raw
    centre: Tensor | None
    """(D,): mean on procedural images; None: each image is normalised by itself."""
    project: Tensor | None
    """(D, D): whitening on procedural images."""

    def judged(self, material: Material) -> Tensor:
        """(N, D) of a material's judged images, which are looked at once for all settings of a search."""
        images = material.judged.images
        found, _ = _once(material, _JUDGED + self.raw.name, lambda: self.raw(images, "judged images"))
        return self.finished(found)

    def finished(self, found: Tensor) -> Tensor:
        """(N, D) from what the families say."""
        if self.centre is None or self.project is None:
            whole = found.shape[1] // NORM_GROUPS * NORM_GROUPS
            parts = [found[:, :whole].view(len(found), NORM_GROUPS, -1), found[:, None, whole:]]
            found = torch.cat([_normalised(part).flatten(1) for part in parts if part.shape[2]], 1)
        else:
            found = (found - self.centre) @ self.project
        return fn.normalize(found, dim=1)


def _normalised(values: Tensor) -> Tensor:
    return (values - values.mean(2, keepdim=True)) / (values.std(2, keepdim=True, correction=0) + 1e-5)


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
    """The features that a job's settings name, and those of its training images.

    What the families say of these is computed once for all settings of a search, and all repetitions.

    Returns:
        The function, its values (N, D), and the seconds that features had taken in earlier repetitions.
    """
    settings, material = job.settings, job.material
    names = ("families", "grid", "whiten", "prior_images", "whitening_images")
    name = repr([settings.get(name) for name in names])
    earlier = sum(material.cache[each][1] for each in (name, _JUDGED + name) if each in material.cache)

    def look() -> tuple[Raw, Tensor]:
        raw = _raw(job, name)
        return raw, raw(material.train.images, "features")

    (raw, found), _ = _once(material, name, look)
    function = Features(raw, None, None)
    if raw.drawn is not None:
        mean, covariance = raw.drawn
        project = whitening(covariance, settings.get("ridge", RIDGE))
        function = Features(raw, mean.float(), project.float())
    return function, function.finished(found), earlier


def _once(material: Material, key: str, make: Callable[[], Any]) -> tuple[Any, float]:
    """What was made for a material under a name, and the seconds that it took."""
    if key not in material.cache:
        started = time.monotonic()
        made = make()
        material.cache[key] = made, time.monotonic() - started
    return material.cache[key]  # type: ignore[no-any-return]


def _raw(job: Job, name: str) -> Raw:
    settings, where = job.settings, job.device
    made: list[Callable[[Tensor], Tensor]] = []
    for family in settings["families"]:
        if family == "scattering":
            made.append(Scattering(grid=settings.get("grid", 2)).to(where).eval())
        else:
            net = prior(job.shared, settings.get("prior_images", PRIOR_IMAGES), where).to(where)
            side = int(family.removeprefix("prior"))
            made.append(lambda x, net=net, side=side: net.pooled(resized(x, side)))  # type: ignore[misc]
    found = Raw(name, tuple(made), where, None)
    if not settings["whiten"]:
        return found
    images = drawn_images(settings.get("whitening_images", 2000))
    rows = found(images, "whitening by procedural images").double()
    return replace(found, drawn=(rows.mean(0), torch.cov(rows.T)))
