"""Commands ``trainer evaluate`` and ``trainer cross-validate``."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.data.options import add_data, names
from trainer.evaluation.errors import EvaluationError
from trainer.evaluation.parts import PARTS
from trainer.privacy.cli import add_another, add_ledger
from trainer.privacy.options import check_budget

if TYPE_CHECKING:
    from edge.imaging.preprocess import Preprocessing
    from trainer.data.record import Record

FOLDED = ("train", "val")
"""Splits that folds are made of."""


def _evaluate(args: argparse.Namespace) -> int:
    from edge.imaging.bundle import Bundle
    from trainer.data import dataset, private_files
    from trainer.evaluation import evaluate, page

    skip = _known(args.skip)
    # The bundle's own root is good enough for judging figures; a box trusts only the root installed on it.
    root = args.root or args.bundle / "metadata" / "root.json"
    if not root.is_file():
        raise EvaluationError(
            f"{root} does not exist, so {args.bundle} cannot be judged; name the directory that trainer "
            "export --run RUN --keys KEYS --out BUNDLE made"
        )
    bundle = Bundle.load(args.bundle, root, datetime.now(timezone.utc), allow_research=True)
    if args.folds:
        _of_folds(args)  # Before a reading of the split is counted.
    result: dict[str, Any] = evaluate.evaluate(
        bundle,
        dataset.read(args.data, args.only, args.modality),
        args.split,
        whole=dataset.read(args.data, (), args.modality),
        skip=skip,
        strangers=_strangers(args),
        ledgers=args.ledger,
    )
    if args.folds:
        result["cross_validation"] = _cross_validation(
            args, result["epsilon"], result["delta"], bundle.preprocessing
        )
    if args.json:
        private_files.write(args.json, json.dumps(result, indent=2) + "\n")
    if args.html:
        private_files.write(args.html, page.page(result))
    print(evaluate.table(result))
    return 0


def _known(names: Collection[str]) -> Collection[str]:
    unknown = sorted(set(names) - set(PARTS))
    if unknown:
        raise EvaluationError(f"--skip names {', '.join(unknown)}; there are {', '.join(PARTS)}")
    return names


def _strangers(args: argparse.Namespace) -> Any:
    from trainer.evaluation.evaluate import Others

    if args.others is None:
        return None
    own = args.others if isinstance(args.others, Path) else None
    if own is not None and not own.exists():
        raise EvaluationError(f"--others {own} does not exist; give a folder or an index, or nothing")
    given = os.environ.get("EDGE_DATA")
    folder = Path(given) if given else args.data if args.data.is_dir() else args.data.parent
    return Others(data=folder, own=own)


def _cross_validation(
    args: argparse.Namespace, epsilon: float | None, delta: float | None, how: Preprocessing | None = None
) -> dict[str, Any]:
    from trainer.data import copies, uses
    from trainer.evaluation import fold_training
    from trainer.evaluation.folds import cross_validate
    from trainer.privacy.cli import data_name
    from trainer.privacy.marker import Index

    records, benchmark = _of_folds(args)
    recipe = fold_training.of_run(args.run_dir) if args.run_dir else fold_training.usual(args.depth)
    recipe = replace(recipe, preprocessing=how or recipe.preprocessing)
    name = data_name(argparse.Namespace(data=args.data, only=args.only, split="train and val, folds"))
    terms = fold_training.terms(name, benchmark, args.ledger, Index(args.data, args.another))
    train = fold_training.trainer(uses.read_uses(args.uses), recipe, epsilon, delta, terms)
    joined = copies.together(records)
    found = cross_validate(records, args.folds, train, joined.clusters)
    about = {"epsilon": epsilon, "delta": delta, "splits": list(FOLDED), "recipe": recipe.to_json()}
    about["kept_together"] = {"identical_images": joined.identical, "pairs_of_near_copies": joined.near}
    return {**about, **found}


def _of_folds(args: argparse.Namespace) -> tuple[list[Record], str]:
    """What is divided into folds, and the public benchmark that it is of."""
    from trainer.data import dataset, sources

    records = [r for r in dataset.read(args.data, args.only, args.modality) if r.split in FOLDED]
    benchmark = sources.benchmark(records, args.public)
    if not benchmark:
        raise EvaluationError(
            "folds are research runs, for public benchmarks, whose images need no protection: their figures "
            "come out without noise; say which benchmark it is with --public NAME, or leave the folds out"
        )
    absent = sum(not record.file.is_file() for record in records)
    if absent:
        raise EvaluationError(
            f"{absent} of {len(records)} files, which folds train on, are not here; "
            "leave the folds out, or run them where the files are"
        )
    return records, benchmark


def _cross_validate(args: argparse.Namespace) -> int:
    from trainer.data import private_files
    from trainer.evaluation.folds import HEADLINES

    check_budget(args)
    found = _cross_validation(args, args.epsilon, args.delta)
    if args.json:
        private_files.write(args.json, json.dumps(found, indent=2) + "\n")
    print(f"{args.folds} research runs at epsilon {args.epsilon}, delta {args.delta}, each on its own share:")
    print(f"{found['recipe']['words']}.")
    for key in HEADLINES:
        low, high = found["pooled"][f"{key}_interval"]
        print(
            f"{key:<42}{found[key]:.3f} +- {found[f'{key}_deviation']:.3f} over folds; "
            f"pooled {found['pooled'][key]:.3f} ({low:.3f} to {high:.3f})"
        )
    return 0


def _add_common(parser: argparse.ArgumentParser) -> None:
    add_data(parser)
    add_ledger(parser)
    add_another(parser)
    parser.add_argument("--json", type=Path, help="where to write all figures; for you alone (0600)")
    parser.add_argument(
        "--public",
        default="",
        metavar="NAME",
        help="for folds: the public benchmark that the images are of; your word, as in trainer fit",
    )
    parser.add_argument("--uses", type=Path, help="for folds: JSON, modality of the index -> intended use")
    parser.add_argument(
        "--depth",
        choices=("head", "last", "all"),
        default="head",
        help="for folds without --run: layers that are trained, with the usual settings, per image",
    )
    parser.add_argument(
        "--run",
        type=Path,
        dest="run_dir",
        metavar="RUN_DIR",
        help="for folds: a run of trainer fit, whose settings, unit of privacy and prior are taken",
    )


def add_commands(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add this room's commands."""
    each = sub.add_parser("evaluate", help="judge a bundle on a split")
    _add_common(each)
    each.add_argument("--bundle", type=Path, required=True)
    each.add_argument("--root", type=Path, help="trusted root; default: the bundle's own")
    each.add_argument("--split", default="test")
    each.add_argument(
        "--html", type=Path, help="the report for a doctor: one page, no images; for you alone (0600)"
    )
    each.add_argument(
        "--others",
        type=Path,
        nargs="?",
        const=True,  # a string would be taken for a path
        help="also show it images that it was not made for: drawn ones, EDGE_DATA's dicom and faces, "
        "and those of this folder or index",
    )
    each.add_argument("--skip", type=names, default=[], help=f"parts to leave out: {', '.join(PARTS)}")
    each.add_argument(
        "--folds", type=int, default=0, help="also cross-validate at the bundle's epsilon; see --run"
    )
    each.set_defaults(run=_evaluate)

    each = sub.add_parser(
        "cross-validate", help="train and judge over folds of train and val, as research runs"
    )
    _add_common(each)
    each.add_argument("--epsilon", type=float, required=True)
    each.add_argument("--delta", type=float, required=True)
    each.add_argument("--folds", type=int, default=5)
    each.set_defaults(run=_cross_validate)
