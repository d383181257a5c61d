"""``trainer pretrain``: make a prior from phantoms."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from trainer.prior.plan import Plan


def add_commands(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the trainer's parser."""
    each = sub.add_parser(
        "pretrain",
        help="train the prior on procedural images; touches no private data",
        description="Draw phantoms and train both trunks on them. One trunk of 48,000 images took 56 minutes "
        "on two cores, so all of it takes about two hours; trainer fit has a prior that comes along and does "
        "not need this.",
    )
    each.add_argument(
        "--out", type=Path, default=Path("prior.npz"), help="npz file to write; default: prior.npz, here"
    )
    each.add_argument("--force", action="store_true", help="overwrite a file that is there already")
    each.add_argument(
        "--images",
        type=int,
        default=Plan.images,
        help=f"phantoms of each style, 66 KB each; default {Plan.images}",
    )
    each.add_argument(
        "--epochs",
        type=int,
        default=Plan.epochs,
        help=f"over the phantoms of each style; default {Plan.epochs}",
    )
    each.add_argument("--seed", type=int, default=Plan.seed)
    each.add_argument(
        "--cache",
        type=Path,
        default=Path(".cache/prior"),
        help="drawn images and checkpoint; a run that was broken off goes on from there",
    )
    each.set_defaults(run=_pretrain)


def _pretrain(args: argparse.Namespace) -> int:
    from trainer.prior.pretrain import pretrain

    if args.out.exists() and not args.force:
        raise ValueError(f"{args.out} is there already; give another --out, or --force to overwrite it")
    plan = Plan(images=args.images, epochs=args.epochs, seed=args.seed)
    print(json.dumps(pretrain(args.out, args.cache, plan), indent=2))
    return 0
