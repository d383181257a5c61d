"""The command ``trainer``: pretrain, fit, export, evaluate."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from edge.imaging.bundle import BundleError
from trainer.audit import cli as audit
from trainer.evaluation import cli as evaluation

PRIOR = Path(__file__).parent / "prior" / "prior.npz"
"""The prior that comes with the trainer; ``trainer pretrain`` makes it again."""


def _pretrain(args: argparse.Namespace) -> int:
    from trainer.prior.pretrain import pretrain

    print(json.dumps(pretrain(args.out, args.images, args.seed), indent=2))
    return 0


def _fit(args: argparse.Namespace) -> int:
    from dataclasses import replace

    from trainer.data import dataset, sources, uses
    from trainer.training import fit
    from trainer.training.task import prepare

    known = uses.read_uses(args.uses)
    records = [r for r in dataset.read(args.data, args.only, args.modality) if r.split == args.split]
    if not records:
        raise dataset.DataError(f"no image is in split {args.split!r}")
    engine = fit.ENGINES[args.depth]()
    given = {"steps": args.steps, "sampling_rate": args.sampling_rate, "clip": args.clip, "views": args.views}
    engine = replace(engine, **{name: value for name, value in given.items() if value is not None})
    prior = None if args.prior == "none" else Path(args.prior) if args.prior else PRIOR
    record = fit.fit(
        prepare(records, known),
        engine,
        epsilon=args.epsilon,
        delta=args.delta,
        prior=prior,
        out=args.out,
        data_note=sources.describe(records),
    )
    print(
        f"trained on {record.privacy.records} images: epsilon {record.privacy.epsilon:.4f} (PLD), "
        f"{record.privacy.epsilon_cross_check:.4f} (PRV) at delta {record.privacy.delta}, "
        f"per {record.privacy.unit}, {record.privacy.adjacency}"
    )
    return 0


def _export(args: argparse.Namespace) -> int:
    from trainer.release.export import export

    print(json.dumps(export(args.run_dir, args.keys, args.out, args.figures), indent=2))
    return 0


def _names(text: str) -> list[str]:
    return [name for name in text.split(",") if name]


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data", type=Path, required=True, help="CSV index, or a folder with one folder per class"
    )
    parser.add_argument("--only", type=_names, default=[], help="sets or sources to take, comma-separated")
    parser.add_argument("--modality", default="", help="for a folder: what its images are, for example MRI")


def build_parser() -> argparse.ArgumentParser:
    """The parser of the command."""
    parser = argparse.ArgumentParser(prog="trainer", description="Private training on the workstation.")
    sub = parser.add_subparsers(required=True)

    each = sub.add_parser("pretrain", help="train the prior on procedural images; touches no private data")
    each.add_argument("--out", type=Path, default=PRIOR)
    each.add_argument("--images", type=int, default=56_000)
    each.add_argument("--seed", type=int, default=2024)
    each.set_defaults(run=_pretrain)

    each = sub.add_parser("fit", help="train under differential privacy")
    _add_data(each)
    each.add_argument("--split", default="train")
    each.add_argument("--uses", type=Path, help="JSON: modality of the index -> intended use")
    each.add_argument("--epsilon", type=float, required=True)
    each.add_argument("--delta", type=float, required=True, help="below 1/n")
    each.add_argument("--out", type=Path, required=True, help="run directory")
    each.add_argument(
        "--depth", choices=("head", "all"), default="head", help="layers trained on private data"
    )
    each.add_argument(
        "--prior", default="", help="npz of trainer pretrain, or none; default: the one that comes along"
    )
    each.add_argument("--steps", type=int)
    each.add_argument("--sampling-rate", type=float, dest="sampling_rate")
    each.add_argument("--clip", type=float)
    each.add_argument("--views", type=int)
    each.set_defaults(run=_fit)

    each = sub.add_parser("export", help="make a signed bundle of a run")
    each.add_argument("--run", type=Path, required=True, dest="run_dir", help="run directory of trainer fit")
    each.add_argument(
        "--keys", type=Path, required=True, help="key directory of the releaser; made on first use"
    )
    each.add_argument("--out", type=Path, required=True, help="directory of the bundle")
    each.add_argument("--figures", type=Path, help="JSON of trainer evaluate, for the model card")
    each.set_defaults(run=_export)

    audit.add_commands(sub)
    evaluation.add_commands(sub)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; errors that a user can mend are one line on stderr and exit code 2."""
    from trainer.data.dataset import DataError
    from trainer.data.uses import UseError

    args = build_parser().parse_args(argv)
    try:
        return int(args.run(args))
    except (DataError, UseError, BundleError, ValueError, OSError) as error:
        print(f"trainer: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    raise SystemExit(main())
