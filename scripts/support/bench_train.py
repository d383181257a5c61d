"""scripts/bench train: one epoch of private training against one without, at three depths, in one run.

Each line is a process of its own, so that its peak resident memory is its own. All train the network that
ships, on the same noise images with the same physical batches; inputs stand ready, so that neither reading
nor augmentation hides what privacy costs. An epoch is one step on all images, cut into the physical
batches below: a sample as large as a private step needs, whose noise is drawn once.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RATE = 1.0
IMAGES = 192
KEPT = {"head": 8192, "last": 768}
"""Images where what the frozen layers say is kept, and steps are short."""
PHYSICAL = {"head": 64, "last": 64, "all": 32}
WAYS = {
    "none": "no privacy",
    "samples": "per-record gradients",
    "opacus": "ghost clipping of Opacus",
    "ghost": "ghost clipping",
}
CASES = (
    *(("head", way, False) for way in ("none", "samples", "ghost")),
    *(("head", way, True) for way in ("none", "samples", "ghost")),
    *(("last", way, False) for way in ("none", "samples", "opacus", "ghost")),
    *(("last", way, True) for way in ("none", "ghost")),
    *(("all", way, False) for way in ("none", "samples", "opacus", "ghost")),
)
"""Depth, way, whether what the frozen layers say is kept."""


def _mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _prepare(depth: str, way: str, kept: bool) -> tuple[Callable[[], int], int]:
    """One epoch, which returns how many images it saw, and the number of images."""
    import torch
    from torch.nn import functional as fn

    from trainer.network.edge_net import EdgeNet
    from trainer.training.depth import split

    torch.manual_seed(0)
    net = EdgeNet(9)
    torch.nn.init.normal_(net.head.weight, std=0.1)
    count = KEPT[depth] if kept else IMAGES
    physical = 4096 if kept and depth == "head" else PHYSICAL[depth]
    parts = split(net, depth)
    labels = torch.arange(count) % 9
    data = torch.randn(min(count, IMAGES), 1, 224, 224)
    if kept:
        with torch.no_grad():
            data = torch.cat([parts.lower(chunk).to(parts.kind) for chunk in data.split(16)])
        data = data.repeat(-(-count // len(data)), *[1] * (data.dim() - 1))[:count]
    seen = [0]

    def loss(model: Any, rows: Any) -> Any:
        seen[0] += len(rows)
        x = data[rows].float()
        if not kept:
            with torch.no_grad():
                x = torch.cat([parts.lower(chunk) for chunk in x.split(16)])
        return fn.cross_entropy(model(x), labels[rows], reduction="none")

    trained = [p for p in parts.upper.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=0.1, momentum=0.9)
    step = _step_without(parts.upper, optimizer, loss, physical, count)
    if way in ("samples", "ghost"):
        from trainer.privacy.private_step import PrivateStepper

        step = PrivateStepper(
            parts.upper,
            optimizer,
            loss,
            noise_multiplier=1.0,
            clip=1.0,
            records=count,
            rate=RATE,
            physical=physical,
            method=way,  # type: ignore[arg-type]
        ).step
    elif way == "opacus":
        step = _step_opacus(parts.upper, optimizer, loss, physical, count)

    def epoch() -> int:
        seen[0] = 0
        for _ in range(round(1 / RATE)):
            step()
        return seen[0]

    return epoch, count


def _step_without(model: Any, optimizer: Any, loss: Any, physical: int, count: int) -> Callable[[], None]:
    import numpy as np

    rng = np.random.default_rng(0)

    def step() -> None:
        rows = rng.permutation(count)[: int(RATE * count)]
        optimizer.zero_grad()
        for start in range(0, len(rows), physical):
            (loss(model, rows[start : start + physical]).sum() / len(rows)).backward()
        optimizer.step()

    return step


def _step_opacus(model: Any, optimizer: Any, loss: Any, physical: int, count: int) -> Callable[[], None]:
    from opacus.grad_sample import GradSampleModuleFastGradientClipping
    from opacus.optimizers.optimizer_fast_gradient_clipping import DPOptimizerFastGradientClipping
    from opacus.utils.fast_gradient_clipping_utils import DPTensorFastGradientClipping

    from trainer.privacy import noise

    module = GradSampleModuleFastGradientClipping(model, max_grad_norm=1.0, loss_reduction="sum")
    private = DPOptimizerFastGradientClipping(
        optimizer,
        noise_multiplier=1.0,
        max_grad_norm=1.0,
        expected_batch_size=None,
        loss_reduction="sum",
    )

    def step() -> None:
        rows = noise.poisson_sample(count, RATE)
        pieces = [rows[start : start + physical] for start in range(0, len(rows), physical)]
        private.zero_grad()
        for number, piece in enumerate(pieces, start=1):
            DPTensorFastGradientClipping(module, private, loss(module, piece), "sum").backward()
            private.signal_skip_step(do_skip=number < len(pieces))
            private.step()
            private.zero_grad()

    return step


def _child(depth: str, way: str, kept: bool, epochs: int) -> dict[str, Any]:
    import opacus  # noqa: F401  # Both sides have it in memory, as in the trainer.
    import torch

    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", message="Full backward hook is firing")
    epoch, count = _prepare(depth, way, kept)
    before = _mib()
    epoch()
    seconds = []
    many = 20 if kept and depth == "head" else 1
    for _ in range(epochs):
        # One core's time, so that other load does not count.
        start, seen = time.process_time(), 0
        for _ in range(many):
            seen += epoch()
        seconds.append((time.process_time() - start) / seen * count)
    return {
        "depth": depth,
        "way": way,
        "kept": kept,
        "images": count,
        "seconds": statistics.median(seconds),
        "images_per_second": count / statistics.median(seconds),
        "peak_mib": _mib(),
        "training_mib": _mib() - before,
    }


def table(rows: list[dict[str, Any]]) -> str:
    """All lines, each against the one without privacy of its depth."""
    lines = [
        "| trained | way | s an epoch | images/s | time | peak MiB | memory | of it training | ratio |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        name = row["depth"] + (", rest kept" if row["kept"] else "")
        lines.append(
            f"| {name} | {WAYS[row['way']]} | {row['seconds']:.3g} | {row['images_per_second']:,.0f} "
            f"| {row['time_ratio']:.2f} x | {row['peak_mib']:.0f} | {row['memory_ratio']:.2f} x "
            f"| {row['training_mib']:.0f} | {row['training_ratio']:.2f} x |"
        )
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Measure every case in turn and print the table."""
    parser = argparse.ArgumentParser(prog="scripts/bench train", description=__doc__)
    parser.add_argument("--json", type=Path, help="write all figures here")
    parser.add_argument("--epochs", type=int, default=3, help="measured in each case, after one to warm up")
    parser.add_argument("--case", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    if args.case:
        depth, way, kept = args.case
        print(json.dumps(_child(depth, way, kept == "kept", args.epochs)))
        return 0
    rows: list[dict[str, Any]] = []
    start = time.monotonic()
    for number, (depth, way, kept) in enumerate(CASES, start=1):
        print(f"{number}/{len(CASES)}: {depth}, {WAYS[way]}", file=sys.stderr, flush=True)
        command = [sys.executable, "-m", "support.bench_train", "--epochs", str(args.epochs)]
        command += ["--case", depth, way, "kept" if kept else "new"]
        environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'scripts'}"}
        done = subprocess.run(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=False
        )
        if done.returncode:
            raise SystemExit(
                f"scripts/bench train: {depth}, {WAYS[way]} failed (exit code {done.returncode})"
            )
        row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        rows.append(row)
        base = next(r for r in rows if (r["depth"], r["kept"], r["way"]) == (depth, kept, "none"))
        row["time_ratio"] = row["seconds"] / base["seconds"]
        row["memory_ratio"] = row["peak_mib"] / base["peak_mib"]
        # Without what stands on both sides, such as torch itself and kept maps.
        row["training_ratio"] = row["training_mib"] / max(base["training_mib"], 1.0)
    print(table(rows))
    print(
        f"\n{platform.machine()}, one core, {IMAGES} images "
        f"(kept: {KEPT['head']:,} and {KEPT['last']}), median of {args.epochs} epochs; "
        f"{time.monotonic() - start:.0f} s in all"
    )
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
