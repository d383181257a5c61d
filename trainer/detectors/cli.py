"""``trainer faces`` and ``trainer text``: train the detectors that boxes carry."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
from pathlib import Path
from typing import Any

from trainer.detectors.faces import portraits

STEPS = {"faces": 10000, "text": 7000}
_WEIGHTS = Path("edge/anonymize/data")


def add_commands(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add both commands to the trainer's parser."""
    faces = sub.add_parser(
        "faces",
        help="train the box's face detector from public portraits",
        description="Paste a part of the public portraits of EDGE_DATA/faces into drawn places, at all "
        f"rotations, sizes and lights, and train the detector on them: {portraits.TRAIN} identities train, "
        f"{portraits.TUNE} measure, all others are left to scripts/bench leak. No patient is in them. "
        "About two hours on two cores. Then put the digest that it prints into edge/anonymize/models.py.",
    )
    data = Path(os.environ.get("EDGE_DATA", "../shared/data")) / "faces"
    faces.add_argument("--data", type=Path, default=data, help=f"folder of the portraits; default {data}")
    _common(faces, "faces")
    faces.set_defaults(run=_faces)
    text = sub.add_parser(
        "text",
        help="train the box's own text detector from drawn lines",
        description="Draw lines in eight scripts, bar codes and matrix codes on drawn places, beside what "
        "only looks like strokes, and train the detector on them. Fonts are "
        "the machine's: Debian's fonts-noto-core, fonts-noto-cjk and fonts-dejavu. "
        "Less than an hour on two cores. Then put the digest that it prints into edge/anonymize/models.py.",
    )
    text.add_argument("--fonts", type=Path, default=Path("/usr/share/fonts"), help="folder of fonts")
    _common(text, "text")
    text.set_defaults(run=_text)


def _common(each: argparse.ArgumentParser, name: str) -> None:
    each.add_argument("--out", type=Path, default=_WEIGHTS / f"{name}.onnx", help="file to write")
    each.add_argument("--force", action="store_true", help="overwrite a file that is there already")
    steps = STEPS[name]
    each.add_argument("--steps", type=int, default=steps, help=f"steps of 32 pictures; default {steps}")
    each.add_argument("--seed", type=int, default=1)
    each.add_argument(
        "--checkpoint",
        type=Path,
        default=Path(f".cache/{name}.pt"),
        help="state of the training; one that was broken off goes on from there",
    )


def _faces(args: argparse.Namespace) -> int:
    from trainer.detectors.faces import material, recall, targets
    from trainer.detectors.training import Plan

    _free(args)
    plan = Plan(steps=args.steps, seed=args.seed)
    faces = material.Faces(args.data, plan.seed, plan.size)
    _train(args, plan, faces, targets.loss, targets.CHANNELS)
    _tell(args.out, recall.measure(args.out, args.data, plan.seed))
    return 0


def _text(args: argparse.Namespace) -> int:
    from trainer.detectors.text import material, recall, targets, writing
    from trainer.detectors.training import Plan

    _free(args)
    plan = Plan(steps=args.steps, seed=args.seed)
    words = writing.Writing(args.fonts)
    _train(args, plan, material.Lines(words, plan.seed, plan.size), targets.loss, targets.CHANNELS)
    _tell(args.out, recall.measure(args.out, words, plan.seed))
    return 0


def _free(args: argparse.Namespace) -> None:
    if args.out.exists() and not args.force:
        raise ValueError(f"{args.out} is there already; give another --out, or --force to overwrite it")


def _train(args: argparse.Namespace, plan: Any, material: Any, loss: Any, channels: int) -> None:
    from trainer.detectors import export, training

    export.export(training.train(material, loss, channels, args.checkpoint, plan), args.out)


def _tell(out: Path, found: dict[str, float]) -> None:
    digest = hashlib.sha256(out.read_bytes()).hexdigest()
    print(json.dumps({"file": str(out), "sha256": digest, "found": found}, indent=2))
