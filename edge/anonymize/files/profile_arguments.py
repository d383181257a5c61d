"""Arguments of the command for options of the header profile (PS3.15 E.3). Imports nothing heavy."""

from __future__ import annotations

import argparse


def add(parser: argparse.ArgumentParser) -> None:
    """Add the options of the profile to the command."""
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME",
        help="an option of PS3.15 E.3 to switch on, such as retain-uids, or off with no- before it; can be "
        "repeated, and a name that is none lists them all",
    )
    parser.add_argument(
        "--remove-dates",
        dest="option",
        action="append_const",
        const="no-retain-modified-dates",
        help="remove dates instead of shifting them",
    )


def chosen(args: argparse.Namespace) -> tuple[str, ...]:
    """Names of the options that ``args`` ask for: they go into the report."""
    return tuple(args.option)
