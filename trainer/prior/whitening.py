"""Whitening of the features by the statistics of held-out procedural images.

A direction in which anatomy hardly varies would drown in the noise of private training, and one that
varies for reasons of no interest would fill the features' bounded length. So they are projected on their
own directions and scaled, by a covariance that no patient had a part in. Each trunk's on their own: whitened
together, the two would share directions that either sees better alone.
"""

from __future__ import annotations

import torch
from torch import Tensor

from trainer.network.edge_net import TRUNKS, EdgeNet
from trainer.network.standardise import standardise
from trainer.phantoms import procedural
from trainer.prior import chunks
from trainer.progress import progress

FIRST_CHUNK = 9_000
"""Chunks from this number on are never trained on."""
BATCH = 50
RIDGE = 0.5
"""Share of the mean eigenvalue that is added to each, so that directions of mere noise stay small."""


def projection(pooled: Tensor) -> tuple[Tensor, Tensor]:
    """Whitening projection (D, D) and centre (D,) from pooled maps (N, D).

    Scaled so that squared lengths are near one: half precision cannot overflow.
    """
    pooled = pooled.double()
    values, vectors = torch.linalg.eigh(torch.cov(pooled.T))
    project = (vectors / torch.sqrt((values + RIDGE * values.mean()) * len(values))).T
    return project.float(), pooled.mean(0).float()


@torch.no_grad()
def whiten(net: EdgeNet, seed: int, images: int) -> None:
    """Set the network's projections from ``images`` procedural images that it was not trained on."""
    pooled: list[Tensor] = []
    each = -(-images // len(procedural.STYLES))
    starts = [(style, start) for style in procedural.STYLES for start in range(0, each, BATCH)]
    with progress("whitening", len(starts)) as advance:
        for style, start in starts:
            drawn = chunks.draw(style, seed, FIRST_CHUNK + start // BATCH, min(BATCH, each - start))
            pooled.append(net.pooled(net.maps(standardise(torch.from_numpy(drawn.images[:, None]).float()))))
            advance("")
    every = torch.cat(pooled)
    found = [projection(every[:, trunk]) for trunk in range(TRUNKS)]
    net.set_whitening(*(torch.stack(part) for part in zip(*found, strict=True)))
