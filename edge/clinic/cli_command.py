"""``edge clinic command``: the operator's work."""

# ruff: noqa: PLC0415, T201 - imports wait until they are needed; this is a command's output

from __future__ import annotations

import argparse
import sys
from datetime import datetime, timezone
from typing import TYPE_CHECKING, get_args

from edge.clinic.arguments import Sub, add_passphrase, errors, new_parser, passphrase
from edge.messages import CommandType

if TYPE_CHECKING:
    from edge.messages import CommandStatus


def add_command(sub: Sub[argparse.ArgumentParser]) -> None:
    """Add ``edge clinic command``."""
    parser = new_parser(sub, "command", "send a signed command to a box", " or the operator's")
    parser.add_argument("device", metavar="DEVICE", help="the box's name")
    parser.add_argument("type", choices=get_args(CommandType), help="what it shall do")
    parser.add_argument(
        "--wait",
        type=float,
        nargs="?",
        const=30.0,
        metavar="S",
        help="follow its life for S seconds (30 if not said); exit code: 0 succeeded, 1 failed, 3 rejected, "
        "4 timed out, 5 cancelled, 6 no end in time",
    )
    parser.add_argument(
        "--deadline", type=float, default=60.0, metavar="S", help="seconds it has (default: 60)"
    )
    add_passphrase(parser, "opens the operator's keys")
    parser.set_defaults(run=_command)


def _command(args: argparse.Namespace) -> int:
    from edge.clinic.command import EXIT_CODES, send
    from edge.commands.rules import terminal

    with errors():
        last = send(
            args.dir,
            args.device,
            args.type,
            wait=args.wait,
            life=args.deadline,
            passphrase=passphrase(args),
            show=_show,
        )
    if args.wait is None:
        print("published; it stays until its deadline")
        return 0
    if last is None or not terminal(last.state):
        print(f"no end within {args.wait:.0f} s; the command stays until its deadline", file=sys.stderr)
        return EXIT_CODES[None]
    return EXIT_CODES[last.state]


def _show(status: CommandStatus) -> None:
    moment = datetime.fromtimestamp(status.made_ms / 1000, timezone.utc).astimezone()
    reason = f"  {status.reason.replace('_', ' ')}" if status.reason else ""
    print(f"{moment:%H:%M:%S}.{status.made_ms % 1000:03d}  {status.state}{reason}", flush=True)
    for name, value in (status.result or {}).items():
        print(f"              {name}: {value}")
