"""Arguments of the command for options of the header profile (PS3.15 E.3). Imports nothing heavy."""

from __future__ import annotations

import argparse


def add(parser: argparse.ArgumentParser) -> None:
    """Add the options of the profile to the command."""
    parser.add_argument("--remove-dates", action="store_true", help="remove dates instead of shifting them")


def chosen(args: argparse.Namespace) -> tuple[str, ...]:
    """Names of the options that ``args`` ask for, in a fixed order: they go into the report."""
    return ("remove-dates",) if args.remove_dates else ()
