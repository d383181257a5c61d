"""The command ``trainer fit``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from trainer.data.options import add_data, add_preprocessing, preprocessing
from trainer.prior import SHIPPED
from trainer.privacy.cli import add_another, add_ledger, data_name
from trainer.privacy.options import add_unit, check_budget, unit

if TYPE_CHECKING:
    from trainer.data.record import Record

_SETTINGS = (
    "steps", "sampling_rate", "clip", "rate", "momentum", "averaging", "schedule", "warmup", "views",
    "fixed_views", "cache_mib", "physical", "method", "precision", "device",
)  # fmt: skip


def add_commands(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``fit``."""
    each = sub.add_parser(
        "fit",
        help="train under differential privacy",
        description="Train under differential privacy. Settings, device, memory and --out are tried first, "
        "and the images are decoded; then the run is put on record in the ledger of its data set, before "
        "anything is computed from an image, and refused where it would spend more than the ledger allows.",
    )
    add_data(each)
    each.add_argument("--split", default="train")
    each.add_argument(
        "--no-test",
        action="store_true",
        help="train though no image of the index is left to judge the network on",
    )
    each.add_argument("--uses", type=Path, help="JSON: modality of the index -> intended use")
    each.add_argument("--epsilon", type=float, required=True)
    each.add_argument("--delta", type=float, required=True, help="below 1/n")
    each.add_argument("--out", type=Path, required=True, help="run directory; new or empty")
    each.add_argument(
        "--depth",
        "--engine",
        choices=("head", "last", "all"),
        default="head",
        help="head: private head on fixed features; last, all: DP-SGD of the last stage, of every layer",
    )
    each.add_argument(
        "--prior", default="", help="npz of trainer pretrain, or none; default: the one that comes along"
    )
    each.add_argument(
        "--prior-origin",
        default="",
        metavar="TEXT",
        help="what the prior was made of, where its file does not say so; every statement repeats it",
    )
    add_preprocessing(each)
    each.add_argument("--steps", type=int)
    each.add_argument("--sampling-rate", type=float, dest="sampling_rate")
    each.add_argument("--clip", type=float)
    each.add_argument(
        "--rate",
        type=float,
        help="learning rate; left out, with --depth head, it follows from noise and number of units",
    )
    each.add_argument("--momentum", type=float)
    each.add_argument(
        "--averaging",
        type=float,
        metavar="SHARE",
        help="what the moving average of the weights keeps each step",
    )
    each.add_argument(
        "--schedule", choices=("constant", "cosine"), help="of the learning rate, with --depth last or all"
    )
    each.add_argument(
        "--warmup", type=int, metavar="STEPS", help="in which the learning rate rises to its value"
    )
    each.add_argument("--views", type=int)
    each.add_argument(
        "--fixed-views",
        type=int,
        dest="fixed_views",
        help="with --depth last: views that each image has for the whole run, so that frozen layers run once",
    )
    each.add_argument(
        "--cache-mib",
        type=int,
        dest="cache_mib",
        metavar="MIB",
        help="with --fixed-views: memory for what the frozen layers say of them",
    )
    each.add_argument("--physical", type=int, help="images in memory at once; changes nothing else")
    each.add_argument(
        "--method",
        choices=("ghost", "samples"),
        help="how gradients are clipped: in one pass, or from per-record gradients; the sums are the same",
    )
    each.add_argument(
        "--precision",
        choices=("float32", "bfloat16"),
        help="of the passes forward and backward; gradients are clipped and added up in float32",
    )
    each.add_argument(
        "--device",
        help="cpu or cuda; default: a GPU where there is one. With --depth head it computes the features",
    )
    add_unit(each)
    each.add_argument(
        "--per-patient",
        type=int,
        dest="cap",
        help="with --unit patient: images of a patient that are used, at most (default 8)",
    )
    each.add_argument(
        "--mode",
        choices=("release", "research"),
        default="release",
        help="release: held to the budget of the ledger; research: on a public benchmark, counted, "
        "and never exported as a release",
    )
    each.add_argument(
        "--public",
        default="",
        metavar="NAME",
        help="with --mode research: the public benchmark of the images, where the trainer does not know "
        "it; your word, which nothing checks and every statement repeats",
    )
    add_ledger(each)
    add_another(each)
    each.set_defaults(run=_fit)


def _fit(args: argparse.Namespace) -> int:
    from trainer.training import distributed

    try:
        return _train(args)
    finally:
        distributed.leave()


def _train(args: argparse.Namespace) -> int:
    from dataclasses import fields, replace

    from trainer.data import dataset, leaks, sources, uses
    from trainer.privacy.ledger import default_folder
    from trainer.privacy.marker import Index
    from trainer.privacy.units import group
    from trainer.training import distributed, fit
    from trainer.training.task import prepare

    chosen = unit(args)
    check_budget(args)
    known = uses.read_uses(args.uses)
    every = dataset.read(args.data, args.only, args.modality)
    records = dataset.of_split(every, args.split)
    uses.refuse_ambiguous(records, known)
    if len(records) == len(every) and not args.no_test:
        raise fit.FitError(
            f"every image is in split {args.split!r}: none would be left to judge the network on, and "
            "images that were trained on can never be. Make splits first, with trainer split INDEX --out "
            "INDEX2.csv, and train on INDEX2.csv; or give --no-test, if other images are kept to judge it on"
        )
    engine = fit.ENGINES[args.depth]()
    given = {name: getattr(args, name) for name in _SETTINGS if getattr(args, name) is not None}
    strange = sorted(set(given) - {each.name for each in fields(engine)})
    if strange:
        raise fit.FitError(f"{engine.name} has no setting {', '.join(strange)}")
    engine = replace(engine, **given)
    if distributed.size() > 1 and args.depth == "head":
        raise fit.FitError("--depth head takes one process, and minutes; start it without torchrun")
    if distributed.is_first():
        leaks.refuse(dataset.read(args.data, (), args.modality))
    prior = None if args.prior == "none" else Path(args.prior) if args.prior else SHIPPED
    terms = fit.Terms(
        mode=args.mode,
        ledgers=args.ledger or default_folder(),
        data=data_name(args),
        public=_benchmark(args, records) if distributed.is_first() else "",
        prior_origin=args.prior_origin,
        index=Index(args.data, args.another),
    )
    grouped = group(records, chosen, args.cap)
    task = prepare(grouped.records, known, grouped.units, preprocessing(args))
    if not distributed.is_first():
        fit.follow(task, engine, epsilon=args.epsilon, delta=args.delta, prior=prior)
        return 0
    privacy = fit.fit(
        task,
        engine,
        epsilon=args.epsilon,
        delta=args.delta,
        prior=prior,
        out=args.out,
        data_note=sources.describe(grouped.records, grouped.units.name),
        terms=terms,
    ).privacy
    print(
        f"trained on {len(grouped.records)} images: epsilon {privacy.epsilon:.4f} (PLD), "
        f"{privacy.epsilon_cross_check:.4f} (PRV) at delta {privacy.delta}, "
        f"per {privacy.unit}, {privacy.adjacency}"
    )
    if args.mode == "research":
        print("a research run: counted, not limited; no release can be made of it")
    return 0


def _benchmark(args: argparse.Namespace, records: list[Record]) -> str:
    from trainer.data import sources
    from trainer.training.fit import FitError

    if args.mode == "release":
        if args.public:
            raise FitError("--public is for research runs; add --mode research, or leave it out")
        return ""
    benchmark = sources.benchmark(records, args.public)
    if not benchmark:
        raise FitError(
            "--mode research is for public benchmarks, whose images need no protection; say which one "
            "with --public NAME, or train with --mode release"
        )
    return benchmark
