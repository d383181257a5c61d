"""A small CNN pretrained on procedural images, for the rows of published recipes. No private image is read.

The network, the size and the number of images are those of the recipe that is compared with, whatever the
network that ships looks like by now. It is made once and kept in the folder of the comparison.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as fn

from trainer.code_digest import code_digest
from trainer.comparison.small_networks import PRIOR_WIDTHS, SIDE, Residual
from trainer.network.standardise import standardise
from trainer.phantoms import procedural
from trainer.phantoms.drawing import Labels
from trainer.progress import progress

BATCH = 48
SEED = 2024
"""Public: nothing private depends on it."""
STYLE = "detailed"
CODE = ("comparison/small_prior.py", "comparison/small_networks.py", "network/standardise.py", "phantoms")
"""Files and folders of the trainer that decide what it becomes."""


def draw(rng: np.random.Generator, count: int, side: int) -> tuple[Tensor, list[Labels]]:
    """Procedural images (count, 1, side, side), standardised, and their labels."""
    pairs = [procedural.sample(rng, STYLE) for _ in range(count)]
    small = [cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA) for image, _, _ in pairs]
    return standardise(torch.from_numpy(np.stack(small)[:, None]).float()), [labels for _, labels, _ in pairs]


def drawn_images(count: int) -> NDArray[np.uint8]:
    """Further procedural images, (count, 224, 224), to whiten by."""
    rng = np.random.default_rng(SEED + 1)
    return np.stack([procedural.sample(rng, STYLE)[0] for _ in range(count)])


def path_of(folder: Path, images: int) -> Path:
    """Where the network lies, by everything that decides what it is."""
    return folder / f"procedural-{SIDE}px-{images}-{code_digest(CODE)[:16]}.npz"


def prior(folder: Path, images: int, where: torch.device) -> Residual:
    """The pretrained network; trained, in one go, where ``folder`` does not hold it yet."""
    path = path_of(folder, images)
    net = Residual(1, PRIOR_WIDTHS, side=None)
    if path.exists():
        with np.load(path, allow_pickle=False) as arrays:
            net.load_state_dict({name: torch.from_numpy(arrays[name]) for name in arrays.files})
        return net.eval()
    _pretrain(net, images, where)
    folder.mkdir(parents=True, exist_ok=True)
    half = path.with_suffix(".part")
    with half.open("wb") as file:
        np.savez(file, **{name: value.numpy() for name, value in net.state_dict().items()})
    half.replace(path)
    return net.eval()


def _pretrain(net: Residual, images: int, where: torch.device) -> None:
    heads = nn.ModuleDict(
        {name: nn.Linear(4 * PRIOR_WIDTHS[-1], many) for name, many in procedural.TASKS.items()}
    )
    parameters = [*net.trunk.parameters(), *heads.parameters()]
    net.to(where)
    heads.to(where)
    steps = -(-images // BATCH)
    optimizer = torch.optim.AdamW(parameters, lr=2e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    rng = np.random.default_rng(SEED)
    with progress("prior of the published recipes, on procedural images", steps) as advance:
        for _ in range(steps):
            x, labels = draw(rng, BATCH, SIDE)
            pooled = net.pooled(x.to(where))
            loss = pooled.new_zeros(())
            for name, head in heads.items():
                rows = [row for row, each in enumerate(labels) if name in each]
                if rows:
                    target = torch.tensor([labels[row][name] for row in rows], device=where)
                    share = (len(rows) / len(labels)) ** 0.5
                    loss = loss + share * fn.cross_entropy(head(pooled[rows]), target)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(parameters, 5.0)
            optimizer.step()
            schedule.step()
            advance(f"loss {float(loss.detach()):.2f}")
    net.to("cpu")
