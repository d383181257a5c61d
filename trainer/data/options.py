"""Options of the command line that name data and what is done to it, the same in every command."""

from __future__ import annotations

import argparse
from pathlib import Path

from edge.imaging.preprocess import Preprocessing


def names(text: str) -> list[str]:
    """A comma-separated list."""
    return [name for name in text.split(",") if name]


def add_data(
    parser: argparse.ArgumentParser, text: str = "CSV index, or a folder with one folder per class"
) -> None:
    """``--data`` and what is taken of it."""
    parser.add_argument("--data", type=Path, required=True, metavar="INDEX", help=text)
    add_selection(parser)


def add_selection(parser: argparse.ArgumentParser) -> None:
    """``--only`` and ``--modality``."""
    parser.add_argument("--only", type=names, default=[], help="sets or sources to take, comma-separated")
    parser.add_argument("--modality", default="", help="for a folder: what its images are, for example MRI")


def add_preprocessing(parser: argparse.ArgumentParser) -> None:
    """The optional steps of preprocessing, off by default; read them with `preprocessing`."""
    parser.add_argument(
        "--denoise", action="store_true", help="a 3x3 median at 224 x 224; the box will do the same"
    )
    parser.add_argument(
        "--perspective",
        action="store_true",
        help="rectify a film photographed at an angle; the box will do the same",
    )


def preprocessing(args: argparse.Namespace) -> Preprocessing:
    """What the options of `add_preprocessing` ask for."""
    return Preprocessing(perspective=args.perspective, denoise=args.denoise)
