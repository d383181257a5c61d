"""Procedural pretraining: the network learns to see before any private image is opened.

Costs no privacy budget, since no private image is read. Each trunk learns from phantoms of a style of its
own. The result is the *prior*: the CNN's weights and a whitening computed on further procedural images,
in one npz file.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from trainer.network.edge_net import EdgeNet
from trainer.network.standardise import standardise
from trainer.phantoms import procedural
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


@dataclass(frozen=True)
class _Part:
    """What one trunk learns from."""

    style: str
    images: int
    epochs: int
    seed: int

    @property
    def total(self) -> int:
        """Steps."""
        whole, rest = divmod(self.images, chunks.CHUNK)
        return self.epochs * (whole * (chunks.CHUNK // BATCH) + rest // BATCH)

    def steps(self, files: list[Path], start: int) -> Iterator[tuple[int, Tensor, Tensor, Tensor]]:
        """All batches from step ``start`` on: step, images (B, 1, 224, 224), labels, parts."""
        step = 0
        for epoch in range(self.epochs):
            order = np.random.default_rng((self.seed, 1, epoch)).permutation(len(files))
            for number in order:
                rng = np.random.default_rng((self.seed, 2, epoch, int(number)))
                size = min(chunks.CHUNK, self.images - int(number) * chunks.CHUNK)
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


def pretrain(out: Path, cache: Path, plan: Plan | None = None) -> dict[str, Any]:
    """Draw phantoms, train the CNN on them, compute the whitening and write the prior to ``out``.

    A run that was broken off goes on from the last checkpoint in ``cache``.

    Args:
        out: npz file of the prior.
        cache: directory of drawn images and of the checkpoints; may be deleted afterwards.
        plan: how much of what.

    Raises:
        PretrainError: too few images for a single batch, a checkpoint is of another plan or other code, or
            the disk is too small for the phantoms.
    """
    plan = plan or Plan()
    # Of what runs now: the files may change before the last step.
    about = weights.provenance(plan)
    torch.manual_seed(plan.seed)
    net = EdgeNet(classes=1)
    parts = [_Part(style, plan.images, plan.epochs, plan.seed) for style in procedural.STYLES]
    for part in parts:
        if not part.epochs > 0:
            raise PretrainError(f"--epochs {part.epochs}: expected at least 1")
        if not part.total:
            raise PretrainError(
                f"{part.images} {part.style} images do not fill one batch of {BATCH}; take more with --images"
            )
    keepers = [_Checkpoint(cache, part, about["code"]) for part in parts]
    strange = [f"{each.path} is of another run ({each.strange})" for each in keepers if each.strange]
    if strange:
        raise PretrainError(f"{'; '.join(strange)}; delete to start anew, or choose another --cache")
    _refuse_full_disk(cache, [part for part, keeper in zip(parts, keepers, strict=True) if not keeper.ended])
    told = {
        part.style: _train(trunk, part, cache, keeper)
        for trunk, part, keeper in zip(net.trunks, parts, keepers, strict=True)
    }
    whiten(net, plan.seed, plan.whitening)
    weights.save_prior(out, net, about)
    return {"images": plan.images, "epochs": plan.epochs, "right": told}


def _refuse_full_disk(cache: Path, parts: list[_Part]) -> None:
    """Now rather than when the first trunk is trained and the phantoms of the second are to be drawn."""
    wanted = sum(chunks.to_draw(cache, part.style, part.seed, part.images) for part in parts)
    cache.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(cache).free
    if wanted > free:
        raise PretrainError(
            f"{cache}: the phantoms that are still to be drawn need {wanted / 1e9:.1f} GB, and "
            f"{free / 1e9:.1f} GB are free; choose another --cache, or take fewer with --images"
        )


def _train(trunk: nn.Module, part: _Part, cache: Path, keeper: _Checkpoint) -> dict[str, float]:
    """Train one trunk; return the share of right answers to each question at the end."""
    torch.manual_seed(part.seed)
    tasks = Tasks()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    # Convolutions of the CPU are nearly twice as fast when channels come last in memory.
    trunk.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    tasks.to(device)
    parameters = [*trunk.parameters(), *tasks.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=3e-3, weight_decay=0.03)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, PEAK_RATE, total_steps=part.total, pct_start=0.1
    )
    parts = {"trunk": trunk, "tasks": tasks, "rate": schedule, "step": optimizer}
    done, running = keeper.restore(parts)
    if done == part.total:
        return _shares(running, trunk)
    files = chunks.ensure(cache, part.style, part.seed, part.images)
    with progress(f"pretraining on {part.style} phantoms", part.total - done) as advance:
        for step, images, labels, masks in part.steps(files, done):
            x = standardise(images.to(device)).contiguous(memory_format=torch.channels_last)
            with torch.autocast(device.type, torch.bfloat16):
                loss, right = tasks.loss(trunk.stages(x), labels.to(device), masks.to(device))  # type: ignore[operator]
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(parameters, 5.0)
            optimizer.step()
            schedule.step()
            for name, value in right.items():
                running[name] = 0.95 * running.get(name, value) + 0.05 * value
            shown = " ".join(f"{k} {running[k]:.2f}" for k in running if k.endswith("_lesion"))
            advance(f"loss {float(loss.detach()):.2f} {shown}")
            if (step + 1) % CHECKPOINT_STEPS == 0 or step + 1 == part.total:
                keeper.save(step + 1, running, parts)
    return _shares(running, trunk)


def _shares(running: dict[str, float], trunk: nn.Module) -> dict[str, float]:
    trunk.cpu()
    return {name: round(value, 3) for name, value in running.items()}


class _Checkpoint:
    """Everything the training of a trunk needs to go on, in one file that is replaced whole."""

    def __init__(self, cache: Path, part: _Part, code: str) -> None:
        self.path = cache / f"checkpoint-{part.style}.pt"
        self._total = part.total
        self._plan = f"{part}, phantoms of version {chunks.VERSION}, code {code}"

    @property
    def strange(self) -> str:
        """What the file is of, if it is of something else."""
        kept = self._read()
        return "" if kept is None or kept["plan"] == self._plan else str(kept["plan"])

    @property
    def ended(self) -> bool:
        """Whether there is nothing left to train."""
        kept = self._read()
        return kept is not None and int(kept["step"]) == self._total

    def save(self, step: int, running: dict[str, float], parts: dict[str, Any]) -> None:
        state = {name: part.state_dict() for name, part in parts.items()}
        partial = self.path.with_suffix(".partial")
        with partial.open("wb") as file:
            torch.save({"plan": self._plan, "step": step, "right": running, "state": state}, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self.path)

    def restore(self, parts: dict[str, Any]) -> tuple[int, dict[str, float]]:
        """Load the checkpoint if there is one; return steps already done, and the shares of right answers."""
        kept = self._read()
        if kept is None:
            return 0, {}
        for name, part in parts.items():
            part.load_state_dict(kept["state"][name])
        return int(kept["step"]), dict(kept["right"])

    def _read(self) -> dict[str, Any] | None:
        if not self.path.is_file():
            return None
        return dict(torch.load(self.path, weights_only=True, map_location="cpu"))
