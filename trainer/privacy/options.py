"""Options of the command line that say what is promised and to whom, the same in every command."""

from __future__ import annotations

import argparse
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trainer.privacy.units import UnitName

UNITS = ("image", "patient")
CHOOSE = (
    "With --unit image each image is protected on its own, and a patient with several images is protected "
    "less; with --unit patient all images of a patient are protected together. Take patient where a patient "
    "may have several images and the index says whose they are (patient_id, or group_id; in a folder per "
    "class, a folder for each patient); take image where each patient has one image or nobody knows whose "
    "the images are"
)
"""What the units mean and how to choose one."""


class PromiseError(ValueError):
    """Nobody said what is promised, or it makes no sense; the message says what to give."""


def add_unit(parser: argparse.ArgumentParser) -> None:
    """``--unit``, read with `unit`. It has no default: what a guarantee protects is a person's decision."""
    parser.add_argument(
        "--unit",
        choices=UNITS,
        help="needed: what the guarantee protects, one image, or all images of a patient together",
    )


def unit(args: argparse.Namespace) -> UnitName:
    """The unit that was asked for.

    Raises:
        PromiseError: none was; how to choose.
    """
    if args.unit is None:
        raise PromiseError(f"say with --unit what the guarantee protects. {CHOOSE}")
    chosen: UnitName = args.unit
    return chosen


def check_budget(args: argparse.Namespace) -> None:
    """Refuse ``--epsilon`` and ``--delta`` that promise nothing, by their names.

    Raises:
        PromiseError: they do.
    """
    if not (args.epsilon > 0 and math.isfinite(args.epsilon)):
        raise PromiseError(f"--epsilon {args.epsilon:g}: expected a number above 0, for example 2")
    if not 0 < args.delta < 1:
        raise PromiseError(
            f"--delta {args.delta:g}: expected a number between 0 and 1, below one over the number of images "
            "or patients, for example 1e-5"
        )
