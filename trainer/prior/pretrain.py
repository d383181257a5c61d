"""Procedural pretraining: the network learns to see before any private image is opened.

Costs no privacy budget, since no private image is read. The result is the *prior*: the CNN's
weights and a whitening computed on further procedural images, in one npz file.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as fn

from trainer.network.edge_net import FEATURES, EdgeNet, Trunk
from trainer.prior import procedural
from trainer.prior.shapes import Labels
from trainer.progress import progress

DEFAULT_IMAGES = 56_000
BATCH = 48
WHITENING_IMAGES = 3_000
RIDGE = 0.02
"""Share of the mean eigenvalue that is added to each, so that directions of mere noise stay small."""


def standardise(gray: Tensor) -> Tensor:
    """Per-image mean 0 and spread 1, as `edge.imaging.preprocess` does it. (B, 1, H, W)."""
    mean = gray.mean(dim=(1, 2, 3), keepdim=True)
    spread = gray.std(dim=(1, 2, 3), keepdim=True, correction=0)
    return (gray - mean) / spread.clamp(min=1.0)


def _batches(seed: int, count: int, size: int) -> Iterator[tuple[Tensor, list[Labels]]]:
    rng = np.random.default_rng(seed)
    for start in range(0, count, size):
        pairs = [procedural.sample(rng) for _ in range(min(size, count - start))]
        stack = np.stack([image for image, _ in pairs])[:, None]
        yield standardise(torch.from_numpy(stack).float()), [labels for _, labels in pairs]


class Tasks(nn.Module):
    """One linear head per procedural task, on the pooled maps of the CNN."""

    def __init__(self) -> None:
        super().__init__()
        self.heads = nn.ModuleDict(
            {name: nn.Linear(4 * Trunk.CHANNELS, classes) for name, classes in procedural.TASKS.items()}
        )

    def loss(self, pooled: Tensor, labels: list[Labels]) -> tuple[Tensor, dict[str, float]]:
        """Sum of the cross-entropies of all tasks, each over the images that it applies to."""
        total = pooled.new_zeros(())
        right: dict[str, float] = {}
        for name, head in self.heads.items():
            rows = [row for row, each in enumerate(labels) if name in each]
            if not rows:
                continue
            target = torch.tensor([labels[row][name] for row in rows])
            logits = head(pooled[rows])
            total = total + fn.cross_entropy(logits, target) * (len(rows) / len(labels)) ** 0.5
            right[name] = float((logits.argmax(1) == target).float().mean())
        return total, right


def pretrain(out: Path, images: int = DEFAULT_IMAGES, seed: int = 2024) -> dict[str, Any]:
    """Train the CNN on procedural images, compute the whitening and write the prior to ``out``."""
    torch.manual_seed(seed)
    net, tasks = EdgeNet(classes=1), Tasks()
    parameters = [*net.trunk.parameters(), *tasks.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=2e-3, weight_decay=0.02)
    steps = -(-images // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps, pct_start=0.1)
    running: dict[str, float] = {}
    with progress("procedural pretraining", steps) as advance:
        for number, (x, labels) in enumerate(_batches(seed, images, BATCH), start=1):
            loss, right = tasks.loss(EdgeNet.pooled(net.trunk(x)), labels)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(parameters, 5.0)
            optimizer.step()
            schedule.step()
            for name, value in right.items():
                running[name] = 0.95 * running.get(name, value) + 0.05 * value
            shown = " ".join(f"{k} {running[k]:.2f}" for k in ("head_lesion", "chest_lesion") if k in running)
            advance(f"loss {float(loss.detach()):.2f} {shown}")
            if number % 250 == 0:
                save_prior(out, net)
    with progress("whitening", 1) as advance:
        whiten(net, seed + 1)
        advance("")
    save_prior(out, net)
    return {"images": images, "accuracy_on_procedural_tasks": {k: round(v, 3) for k, v in running.items()}}


@torch.no_grad()
def whiten(net: EdgeNet, seed: int, images: int = WHITENING_IMAGES) -> None:
    """Set the network's projection: mean and leading directions of held-out procedural images."""
    pooled = torch.cat([net.pooled(net.maps(x)) for x, _ in _batches(seed, images, 50)]).double()
    mean = pooled.mean(0)
    values, vectors = torch.linalg.eigh(torch.cov(pooled.T))
    values, vectors = values.flip(0)[:FEATURES], vectors.flip(1)[:, :FEATURES]
    # Divided by sqrt(FEATURES) so that squared lengths are near one and half precision cannot overflow.
    project = (vectors / torch.sqrt((values + RIDGE * values.mean()) * FEATURES)).T
    net.set_whitening(project.float(), mean.float())


def save_prior(path: Path, net: EdgeNet) -> None:
    """Write CNN and whitening as half-precision arrays; no pickle."""
    state = {f"trunk.{k}": v for k, v in net.trunk.state_dict().items()}
    state |= {"project": net.project, "centre": net.centre}
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, NDArray[np.float16]] = {
        k: v.detach().numpy().astype(np.float16) for k, v in state.items()
    }
    np.savez(path, **arrays)  # type: ignore[arg-type]


def load_prior(path: Path, net: EdgeNet) -> None:
    """Read what `save_prior` wrote into ``net``; its head is left alone."""
    with np.load(path, allow_pickle=False) as arrays:
        state = {k: torch.from_numpy(arrays[k].astype(np.float32)) for k in arrays.files}
    net.trunk.load_state_dict(
        {k.removeprefix("trunk."): v for k, v in state.items() if k.startswith("trunk.")}
    )
    net.set_whitening(state["project"], state["centre"])
