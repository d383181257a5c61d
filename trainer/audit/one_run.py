"""The audit in one run: canaries on coins of their own, one training, guesses (Steinke et al. 2023).

Each canary is put among the records with probability one half, on its own coin; the mechanism runs
once; the auditor guesses of some canaries whether they were in and abstains on the rest. Kinds:

- *Dirac canaries* (white box) in the released means, in the steps, in the head: each pulls with all that
  the clip allows along a direction of its own, where nobody else is. What comes out along it is signal and
  noise alone, so the audit sees the noise's scale and the clip as they are in the running code.
- *Image canaries* (black box): procedural images under random labels among the real ones; what is read
  is the model's confidence alone.

A target is a callable from the coins (M,) to scores (M,). Sabotaged targets are the control: too little
noise, or no clip, at the same claim. An audit that lets those pass proves nothing.

The count of right guesses bounds any mechanism (Steinke et al. 2023). More holds for some. In the means and
the steps each canary has a direction of its own, so that, if the mechanism is the one that is claimed, its
score is a sum of its own draws and its own noise: trials are independent, and an attacker's error rates may
be judged by Clopper-Pearson limits. In the head canaries meet in the softmax, and may not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trainer.audit.roc import CHOOSING, Attack, judge
from trainer.audit.subjects import Cached, HeadTrainer, PrivateHead, quiet
from trainer.privacy import noise
from trainer.privacy.composition import takes_all
from trainer.privacy.spend import Release
from trainer.training.fixed_features import private_means
from trainer.training.steps import run_steps

Coins = NDArray[np.bool_]


class Target(Protocol):
    """A mechanism with canaries."""

    @property
    def gaussian(self) -> bool:
        """Whether each of its releases takes all units: then its trade-off curve is Gaussian DP's."""

    @property
    def independent(self) -> bool:
        """Whether scores are independent of each other if the mechanism is the one that is claimed."""

    def __call__(self, inserted: Coins) -> NDArray[np.float64]:
        """Scores (M,) of the canaries after one run with those whose coin (M,) says so."""


STRETCH = 10.0
"""Length of a Dirac canary before clipping, over the clip: it must be cut to be harmless."""
FEATURE_STRETCH = 3.0
"""The same of a canary's features: enough to stand above the noise of the means that they are centred by,
not so much that the softmax is sure of them after a few steps."""


@dataclass(frozen=True)
class Sabotage:
    """A way to break a mechanism while its claim stays."""

    name: str
    noise_factor: float = 1.0
    unclipped: float = 1.0
    """Factor on the clip at the same absolute noise."""


INTACT = Sabotage("intact")
CONTROLS = (Sabotage("noise halved", noise_factor=0.5), Sabotage("clip removed", unclipped=STRETCH))
"""Of the means and of the steps."""
HEAD_CONTROLS = (Sabotage("noise quartered", noise_factor=0.25),)
"""Of the whole head. What guesses in one run prove does not reach as far as to noise that was halved, or,
as the softmax is sure of long features after a few steps, to a clip that was removed."""


def coins(canaries: int) -> Coins:
    """One fair coin for each canary, from the operating system: no seed may tie them to anything else."""
    return noise.uniform(canaries) < 0.5


def audit(target: Target, canaries: int, delta: float) -> Attack:
    """Run ``target`` once and judge guesses on its canaries.

    What is guessed on is chosen on a random part of the canaries, and judged on the rest: given the first
    part's coins the mechanism is as private towards the others, so the bound holds.
    """
    inserted = coins(canaries)
    scores = target(inserted)
    order = np.argsort(noise.uniform(canaries))
    first, second = np.split(order, [int(CHOOSING * canaries)])
    return judge(
        (scores[first], inserted[first]),
        (scores[second], inserted[second]),
        delta,
        gaussian=target.gaussian,
        independent=target.independent,
    )


@dataclass(frozen=True)
class MeansTarget:
    """The release of mean features. Canary j is the unit vector of direction j, all in one group."""

    release: Release
    sabotage: Sabotage = INTACT
    means: Callable[..., Tensor] = private_means
    gaussian: ClassVar[bool] = True
    independent: ClassVar[bool] = True

    def __call__(self, inserted: Coins) -> NDArray[np.float64]:
        """Score of canary j: component j of what was released."""
        rows = np.flatnonzero(inserted)
        features = torch.zeros(len(rows), 1, len(inserted))
        features[torch.arange(len(rows)), 0, torch.from_numpy(rows)] = STRETCH
        release = unclipped_means if self.sabotage.unclipped > 1 else self.means
        spread = self.release.noise * self.sabotage.noise_factor
        released = release(features, np.zeros(len(rows), np.intp), 1, spread)
        return np.asarray(released[0].numpy(), np.float64)


def unclipped_means(features: Tensor, groups: NDArray[np.intp], count: int, multiplier: float) -> Tensor:
    """A double of `private_means` that forgot to clip, for controls alone; one group."""
    del groups, count
    total = features.double().mean(1).sum(0)
    return (total + noise.gaussian(total.shape, multiplier))[None]


@dataclass(frozen=True)
class StepsTarget:
    """Steps of DP-SGD. The gradient of canary j always is a multiple of the unit vector of direction j."""

    release: Release
    clip: float
    sabotage: Sabotage = INTACT
    independent: ClassVar[bool] = True

    @property
    def gaussian(self) -> bool:
        """Whether each step takes all units."""
        return takes_all((self.release,))

    def __call__(self, inserted: Coins) -> NDArray[np.float64]:
        """Score of canary j: the sum of all steps along its gradient, from the weights after the last."""
        rows = np.flatnonzero(inserted)
        gradients = torch.zeros(len(rows), len(inserted))
        gradients[torch.arange(len(rows)), torch.from_numpy(rows)] = STRETCH * self.clip
        model = nn.Linear(len(inserted), 1, bias=False)
        nn.init.zeros_(model.weight)
        with quiet():
            run_steps(
                model,
                lambda net, drawn: net(gradients[drawn])[:, 0],
                len(rows),
                replace(
                    self.release,
                    noise=self.release.noise * self.sabotage.noise_factor / self.sabotage.unclipped,
                ),
                rate=1.0,
                clip=self.clip * self.sabotage.unclipped,
                averaging=0.0,
                physical=512,
            )
        return np.asarray(-model.weight.detach()[0].numpy(), np.float64)


@dataclass(frozen=True)
class HeadTarget:
    """The whole private head among the real records; canaries have features of their own directions.

    Read from the final weights alone, as they are released.
    """

    train: PrivateHead
    records: Cached
    sabotage: Sabotage = INTACT
    independent: ClassVar[bool] = False

    @property
    def gaussian(self) -> bool:
        """Whether each release takes all units."""
        return takes_all(self.train.spend)

    def __call__(self, inserted: Coins) -> NDArray[np.float64]:
        """Score of canary j: its class's weight in direction j over the mean of its group's others."""
        count, views = len(inserted), self.records.features.shape[1]
        real = self.records.features.shape[2]
        wide = torch.nn.functional.pad(self.records.features, (0, count))
        classes = len(self.records.group_of_class)
        labels = torch.arange(count) % classes
        own = torch.zeros(count, views, real + count)
        own[torch.arange(count), :, real + torch.arange(count)] = FEATURE_STRETCH * self.sabotage.unclipped
        canaries = Cached(own, labels, self.records.group_of_class, np.arange(count))
        everybody = replace(self.records, features=wide).join(canaries.take(np.flatnonzero(inserted)))
        broken = replace(
            self.train, noise_factor=self.sabotage.noise_factor, unclipped=self.sabotage.unclipped
        )
        weight = broken(everybody).weight[:, real:].double().numpy()
        allowed = np.isfinite(canaries.mask.numpy())
        place = np.arange(count)
        mine = weight[labels.numpy(), place]
        rest = (np.where(allowed, weight.T, 0).sum(1) - mine) / np.maximum(allowed.sum(1) - 1, 1)
        return np.asarray(mine - rest, np.float64)


@dataclass(frozen=True)
class ImageTarget:
    """Any head's training among the real records, with canary images of random labels added."""

    train: HeadTrainer
    records: Cached
    canaries: Cached
    independent: ClassVar[bool] = False

    @property
    def gaussian(self) -> bool:
        """Whether it is private and each release takes all units."""
        return isinstance(self.train, PrivateHead) and takes_all(self.train.spend)

    def __call__(self, inserted: Coins) -> NDArray[np.float64]:
        """Score: confidence of the trained model in the canary's label."""
        return self.train(self.records.join(self.canaries.take(np.flatnonzero(inserted)))).score(
            self.canaries
        )
