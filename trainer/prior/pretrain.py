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
from torch import Tensor, nn

from trainer.network.edge_net import EdgeNet
from trainer.network.standardise import standardise
from trainer.prior import chunks, weights
from trainer.prior.plan import Plan
from trainer.prior.tasks import Tasks
from trainer.prior.views import another_view
from trainer.prior.whitening import whiten
from trainer.progress import progress

BATCH = 64
PEAK_RATE = 4e-3
CHECKPOINT_STEPS = 200
VIEWED = 0.6
"""Share of the batches after the first epoch that are shown changed; the others keep what acquisition did."""


class PretrainError(ValueError):
    """Pretraining cannot go on; the message says what to do."""


def _steps(plan: Plan, files: list[Path], start: int) -> Iterator[tuple[int, Tensor, Tensor, Tensor]]:
    """All batches of a run from step ``start`` on: step, images (B, 1, 224, 224), labels, parts."""
    step = 0
    for epoch in range(plan.epochs):
        order = np.random.default_rng((plan.seed, 1, epoch)).permutation(len(files))
        for number in order:
            rng = np.random.default_rng((plan.seed, 2, epoch, int(number)))
            size = min(chunks.CHUNK, plan.images - int(number) * chunks.CHUNK)
            if step + size // BATCH <= start:
                step += size // BATCH
                continue
            chunk = chunks.load(files[number])
            for rows in chunks.batches(chunk, BATCH, rng):
                images = torch.from_numpy(chunk.images[rows][:, None]).float()
                labels = torch.from_numpy(chunk.labels[rows]).long()
                parts = torch.from_numpy(chunk.parts[rows]).float() / 255
                if epoch and rng.uniform() < VIEWED:
                    images, labels, parts = another_view(images, labels, parts, rng)
                if step >= start:
                    yield step, images, labels, parts
                step += 1


def _total(plan: Plan) -> int:
    whole, rest = divmod(plan.images, chunks.CHUNK)
    return plan.epochs * (whole * (chunks.CHUNK // BATCH) + rest // BATCH)


def pretrain(out: Path, cache: Path, plan: Plan | None = None) -> dict[str, Any]:
    """Draw phantoms, train the CNN on them, compute the whitening and write the prior to ``out``.

    A run that was broken off goes on from the last checkpoint in ``cache``.

    Args:
        out: npz file of the prior.
        cache: directory of drawn images and of the checkpoint; may be deleted afterwards.
        plan: how much of what.

    Raises:
        PretrainError: too few images for a single batch, or the checkpoint is of another plan.
    """
    plan = plan or Plan()
    total = _total(plan)
    if not total:
        raise PretrainError(f"{plan.images} images do not fill one batch of {BATCH}; take more with --images")
    files = chunks.ensure(cache, plan.seed, plan.images)
    torch.manual_seed(plan.seed)
    net, tasks = EdgeNet(classes=1), Tasks()
    parameters = [*net.trunk.parameters(), *tasks.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=3e-3, weight_decay=0.03)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK_RATE, total_steps=total, pct_start=0.1)
    keeper = _Checkpoint(
        cache / "checkpoint.pt", plan, {"net": net, "tasks": tasks, "rate": schedule, "step": optimizer}
    )
    done = keeper.restore()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    # Convolutions of the CPU are nearly twice as fast when channels come last in memory.
    net.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    tasks.to(device)
    running: dict[str, float] = {}
    with progress("procedural pretraining", total - done) as advance:
        for step, images, labels, parts in _steps(plan, files, done):
            x = standardise(images.to(device)).contiguous(memory_format=torch.channels_last)
            with torch.autocast(device.type, torch.bfloat16):
                loss, right = tasks.loss(net.trunk.stages(x), labels.to(device), parts.to(device))
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(parameters, 5.0)
            optimizer.step()
            schedule.step()
            for name, value in right.items():
                running[name] = 0.95 * running.get(name, value) + 0.05 * value
            shown = " ".join(f"{k} {running[k]:.2f}" for k in running if k.endswith("_lesion"))
            advance(f"loss {float(loss.detach()):.2f} {shown}")
            if (step + 1) % CHECKPOINT_STEPS == 0:
                keeper.save(step + 1)
    whiten(net.cpu(), plan.seed, plan.whitening)
    weights.save_prior(out, net, weights.provenance(plan))
    return {
        "images": plan.images,
        "epochs": plan.epochs,
        "right": {k: round(v, 3) for k, v in running.items()},
    }


class _Checkpoint:
    """Everything a run needs to go on, in one file that is replaced whole."""

    def __init__(self, path: Path, plan: Plan, parts: dict[str, Any]) -> None:
        self._path, self._parts = path, parts
        self._plan = f"{plan}, phantoms of version {chunks.VERSION}"

    def save(self, step: int) -> None:
        state = {name: part.state_dict() for name, part in self._parts.items()}
        partial = self._path.with_suffix(".partial")
        torch.save({"plan": self._plan, "step": step, "state": state}, partial)
        partial.replace(self._path)

    def restore(self) -> int:
        """Load the last checkpoint if there is one; return the number of steps already done."""
        if not self._path.is_file():
            return 0
        kept = torch.load(self._path, weights_only=True)
        if kept["plan"] != self._plan:
            raise PretrainError(f"{self._path} is of another run ({kept['plan']}); delete it to start anew")
        for name, part in self._parts.items():
            part.load_state_dict(kept["state"][name])
        return int(kept["step"])
