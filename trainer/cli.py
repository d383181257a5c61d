"""The command ``trainer``: its rooms' commands in one parser."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from edge.imaging.bundle import BundleError
from trainer.audit import cli as audit
from trainer.comparison import cli as comparison
from trainer.data import cli as data
from trainer.detectors import cli as detectors
from trainer.evaluation import cli as evaluation
from trainer.prior import cli as prior
from trainer.privacy import cli as ledger
from trainer.training import cli as training


def _export(args: argparse.Namespace) -> int:
    from trainer.data import dataset
    from trainer.privacy.ledger import default_folder
    from trainer.release import likeness
    from trainer.release.export import export

    ledgers = args.ledger or default_folder()
    judged = dataset.read(args.data, (), args.modality) if args.data else None
    summary = export(
        args.run_dir,
        args.keys,
        args.out,
        args.figures,
        ledgers=ledgers,
        research=args.research,
        judged=judged,
        split=args.split,
        least=likeness.LEAST if args.least_likeness is None else args.least_likeness,
    )
    print(json.dumps(summary, indent=2))
    if not summary["evaluated"]:
        print(
            "trainer export: the model card holds no figures and says so; with --data INDEX the bundle is "
            "judged on the test split of INDEX, and the card tells how",
            file=sys.stderr,
        )
    if not summary["audits"]:
        print(
            "trainer export: the model card says that the run was not audited; run trainer audit --run "
            f"{args.run_dir} --data INDEX and export again",
            file=sys.stderr,
        )
    if summary["least_likeness"] is None:
        print(
            "trainer export: this training released no means to know other kinds of image by; such an image "
            "under a header of the right kind may get a label (--depth head releases them)",
            file=sys.stderr,
        )
    return 0


def build_parser() -> argparse.ArgumentParser:
    """The parser of the command."""
    parser = argparse.ArgumentParser(prog="trainer", description="Private training on the workstation.")
    sub = parser.add_subparsers(required=True)

    prior.add_commands(sub)
    detectors.add_commands(sub)
    data.add_commands(sub)
    training.add_commands(sub)
    ledger.add_commands(sub)

    each = sub.add_parser("export", help="make a signed bundle of a run")
    each.add_argument("--run", type=Path, required=True, dest="run_dir", help="run directory of trainer fit")
    each.add_argument(
        "--keys", type=Path, required=True, help="key directory of the releaser; made on first use"
    )
    each.add_argument("--out", type=Path, required=True, help="directory of the bundle; replaces a bundle")
    each.add_argument("--figures", type=Path, help="JSON of trainer evaluate, instead of judging now")
    each.add_argument(
        "--data",
        type=Path,
        metavar="INDEX",
        help="judge the bundle on a split of this index, for the model card; with --figures: the index that "
        "those were read from. No image that was trained on may be in the split",
    )
    each.add_argument("--split", default="test", help="with --data: what is judged on (default test)")
    each.add_argument("--modality", default="", help="for a folder: what its images are, for example MRI")
    each.add_argument(
        "--research", action="store_true", help="allow a research run; boxes refuse what comes of it"
    )
    each.add_argument(
        "--least-likeness",
        type=float,
        dest="least_likeness",
        metavar="SHARE",
        help="no label below this share of what the mean image of the group scores; trainer evaluate "
        "--others shows what each share holds back",
    )
    ledger.add_ledger(each)
    each.set_defaults(run=_export)

    audit.add_commands(sub)
    evaluation.add_commands(sub)
    comparison.add_commands(sub)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; errors that a user can mend are one line on stderr and exit code 2."""
    from trainer.data.dataset import DataError
    from trainer.data.uses import UseError

    args = build_parser().parse_args(argv)
    try:
        return int(args.run(args))
    except OSError as error:
        print(f"trainer: {_in_words(error)}", file=sys.stderr)
        return 2
    except (DataError, UseError, BundleError, ValueError) as error:
        print(f"trainer: {error}", file=sys.stderr)
        return 2


def _in_words(error: OSError) -> str:
    """A file that cannot be used, without the system's numbers."""
    if error.filename is None:
        return error.strerror or str(error) or type(error).__name__
    if isinstance(error, FileNotFoundError):
        return f"{error.filename} does not exist; check the path"
    reason = error.strerror or type(error).__name__
    return f"{error.filename} cannot be used ({reason}); check the path and who may use it"


if __name__ == "__main__":
    raise SystemExit(main())
