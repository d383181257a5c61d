"""Command ``trainer compare``."""

from __future__ import annotations

import argparse
from pathlib import Path

from trainer.data.options import names
from trainer.prior import SHIPPED
from trainer.privacy.cli import add_another, add_ledger


def add_commands(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``compare``."""
    each = sub.add_parser(
        "compare",
        help="other recipes on the same split: the table with intervals, time and memory",
        description="Train and judge every recipe of the table on the same images, from cheap to dear. What "
        "is done is on disk at once; a second call goes on where the first one ended. All of it is research "
        "on a public benchmark, counted in the ledger, and every look at a split is counted.",
    )
    each.add_argument("--data", type=Path, help="CSV index with the splits")
    each.add_argument("--only", type=names, default=[], help="sets or sources to take, comma-separated")
    each.add_argument("--out", type=Path, help="folder of results and tables")
    each.add_argument("--rows", type=names, default=[], help="rows to run, comma-separated; default: all")
    each.add_argument("--list", action="store_true", help="name the rows, and do nothing")
    each.add_argument("--seeds", type=int, default=3, help="repetitions of each row (default 3)")
    each.add_argument("--split", choices=("test", "val"), default="test", help="what is judged on")
    each.add_argument("--device", default="auto", help="auto, cpu, cuda")
    each.add_argument(
        "--time-limit", type=float, metavar="MIN", help="begin nothing that would not end in time"
    )
    each.add_argument("--delta", type=float, default=1e-5)
    each.add_argument("--prior", type=Path, default=SHIPPED, help="npz of trainer pretrain")
    each.add_argument("--uses", type=Path, help="JSON: modality of the index -> intended use")
    each.add_argument(
        "--public",
        default="",
        metavar="NAME",
        help="the public benchmark of the images; your word, as in trainer fit",
    )
    each.add_argument("--html", action="store_true", help="also write the table as a page with plots")
    each.add_argument("--quick", action="store_true", help="seconds a row, to try the command; shows nothing")
    add_ledger(each)
    add_another(each)
    each.set_defaults(run=_compare)


def _compare(args: argparse.Namespace) -> int:
    from trainer.comparison import machine, material, recipes, report, results, run
    from trainer.comparison.plan import Plan
    from trainer.data import dataset, uses
    from trainer.privacy.cli import data_name
    from trainer.privacy.ledger import default_folder
    from trainer.privacy.marker import Index

    chosen = recipes.choose(args.rows)
    if args.list:
        for recipe in chosen:
            print(f"{recipe.row:<26}{recipe.title}; {recipe.source}")
        return 0
    if args.data is None or args.out is None:
        raise recipes.ComparisonError("say on what to compare and where to write: --data INDEX --out FOLDER")
    if args.seeds < 1:
        raise recipes.ComparisonError(f"--seeds {args.seeds}: expected at least 1")
    where = machine.device(args.device)
    effort: recipes.Effort = "quick" if args.quick else "gpu" if where.type == "cuda" else "cpu"
    records = dataset.read(args.data, args.only)
    args.split, judged = "train", args.split  # The ledger knows what is trained on.
    index = Index(args.data, args.another)
    terms = material.research(args.ledger or default_folder(), data_name(args), args.public, records, index)
    images = material.load(records, judged, terms, uses.read_uses(args.uses))
    plan = Plan(chosen, args.seeds, args.out, where, effort, args.delta, args.prior, args.time_limit)
    missing = run.compare(plan, images)
    whole = Plan(recipes.RECIPES, args.seeds, args.out, where, effort, args.delta, args.prior)
    found = run.current(whole, images, results.load(args.out))
    written = report.write(args.out, found, missing, args.seeds, html=args.html)
    print(written)
    failed = [each for each in missing.values() if each.startswith("failed")]
    return 1 if failed else 0


__all__ = ["add_commands"]
