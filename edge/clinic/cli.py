"""``edge clinic``: the clinic's end, one group of commands a role."""

from __future__ import annotations

import argparse

from edge.clinic.arguments import Sub


def add_commands(sub: Sub[argparse.ArgumentParser]) -> None:
    """Add ``edge clinic`` and what is under it."""
    from edge.clinic import cli_command, cli_custody, cli_keys, cli_layout, cli_receipts, cli_results

    top = sub.add_parser("clinic", help="the clinic's end: keys, results, commands")
    clinic = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for add in (
        cli_keys.add_init,
        cli_keys.add_box,
        cli_keys.add_broker,
        cli_results.add_receive,
        cli_results.add_results,
        cli_results.add_reidentify,
        cli_custody.add_rotate,
        cli_custody.add_reseal,
        cli_custody.add_destroy,
        cli_custody.add_audit,
        cli_receipts.add_receipts,
        cli_receipts.add_verify,
        cli_command.add_command,
        cli_layout.add_sign_layout,
    ):
        add(clinic)
