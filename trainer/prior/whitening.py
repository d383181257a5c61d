"""Whitening of the features by the statistics of held-out procedural images.

A direction in which anatomy hardly varies would drown in the noise of private training, and one that
varies for reasons of no interest would fill the features' bounded length. So they are projected on their
leading directions and scaled, by a covariance that no patient had a part in.
"""

from __future__ import annotations

import torch
from torch import Tensor

from trainer.network.edge_net import FEATURES, EdgeNet
from trainer.network.standardise import standardise
from trainer.prior import chunks
from trainer.progress import progress

FIRST_CHUNK = 9_000
"""Chunks from this number on are never trained on."""
RIDGE = 0.5
"""Share of the mean eigenvalue that is added to each, so that directions of mere noise stay small."""


def projection(pooled: Tensor, kept: int) -> tuple[Tensor, Tensor]:
    """Whitening projection (kept, D) and centre (D,) from pooled maps (N, D).

    Scaled so that squared lengths are near one: half precision cannot overflow.
    """
    pooled = pooled.double()
    values, vectors = torch.linalg.eigh(torch.cov(pooled.T))
    values, vectors = values.flip(0)[:kept], vectors.flip(1)[:, :kept]
    project = (vectors / torch.sqrt((values + RIDGE * values.mean()) * kept)).T
    return project.float(), pooled.mean(0).float()


@torch.no_grad()
def whiten(net: EdgeNet, seed: int, images: int) -> None:
    """Set the network's projection from ``images`` procedural images that it was not trained on."""
    pooled: list[Tensor] = []
    size = 50
    with progress("whitening", -(-images // size)) as advance:
        for number in range(-(-images // size)):
            drawn = chunks.draw(seed, FIRST_CHUNK + number, min(size, images - number * size))
            pooled.append(net.pooled(net.maps(standardise(torch.from_numpy(drawn.images[:, None]).float()))))
            advance("")
    net.set_whitening(*projection(torch.cat(pooled), FEATURES))
