"""``edge clinic receive``, ``results`` and ``reidentify``: the receiver's and the custodian's work."""

# ruff: noqa: PLC0415, T201 - imports wait until they are needed; this is a command's output

from __future__ import annotations

import argparse
import contextlib
import getpass
import json
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from edge.clinic.arguments import Sub, add_passphrase, errors, new_parser, passphrase, usage_error

if TYPE_CHECKING:
    from edge.clinic.receive import Receiver
    from edge.clinic.screen import Screen


def add_receive(sub: Sub[argparse.ArgumentParser]) -> None:
    """Add ``edge clinic receive``."""
    parser = new_parser(
        sub, "receive", "open, verify, store and acknowledge results until stopped", " or the receiver's"
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--table", action="store_true", help="show a live table (default on a terminal)")
    how.add_argument(
        "--json", action="store_true", help="print each result as one JSON line, without identity"
    )
    how.add_argument("--quiet", action="store_true", help="show nothing")
    parser.add_argument(
        "--json-file", type=Path, metavar="FILE", help="append the JSON lines to FILE as well"
    )
    parser.add_argument(
        "--exit-after-idle",
        type=float,
        metavar="S",
        help="end once nothing came for S seconds while connected",
    )
    parser.set_defaults(run=_receive)


def _receive(args: argparse.Namespace) -> int:
    from edge.clinic.observers import Both, Lines
    from edge.clinic.receive import Observer, Receiver
    from edge.flag import Flag

    stop = Flag()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    table = args.table or not (args.json or args.quiet or not sys.stdout.isatty())
    with errors(), contextlib.ExitStack() as stack:
        receiver = Receiver(args.dir)
        stack.callback(receiver.close)
        observers: list[Observer] = []
        if args.json_file:
            out = args.json_file.open("a", encoding="utf-8")
            observers.append(Lines(stack.enter_context(out)))
        if args.json:
            observers.append(Lines(sys.stdout))
        if table:
            observers.append(stack.enter_context(_screen(receiver)))
        receiver.run(Both(*observers), stop=stop, exit_after_idle=args.exit_after_idle)
        tally = receiver.tally
    if not args.json:
        refused = ", ".join(f"{count} {reason}" for reason, count in tally.refused.most_common())
        print(
            f"stored {tally.stored}, duplicates {tally.duplicates}, refused {refused or 'none'}",
            file=sys.stderr,
        )
    return 0


def _screen(receiver: Receiver) -> Screen:
    """The live table, which knows already what the vault holds."""
    from edge.clinic.receive import replay

    try:
        from edge.clinic.screen import Screen
    except ImportError as error:
        raise usage_error(
            f"the table needs {error.name}: install the extra `clinic`, or use --json"
        ) from error
    from edge.clinic.view import View

    view = View()
    replay(receiver.vault, view.result)
    return Screen(view, receiver.site)


def add_results(sub: Sub[argparse.ArgumentParser]) -> None:
    """Add ``edge clinic results``."""
    parser = new_parser(
        sub, "results", "print all results of the vault as JSON lines, without identity", " or the receiver's"
    )
    parser.set_defaults(run=_results)


def _results(args: argparse.Namespace) -> int:
    from edge.clinic.lines import line
    from edge.clinic.places import role_folder
    from edge.clinic.receive import VAULT, replay, vault_key
    from edge.clinic.vault import Vault

    with errors():
        folder = role_folder(args.dir, "receiver")
        with Vault(folder / VAULT, vault_key(folder), readonly=True) as vault:
            replay(vault, lambda body, arrived_ms: print(line(body, arrived_ms)))
    return 0


def add_reidentify(sub: Sub[argparse.ArgumentParser]) -> None:
    """Add ``edge clinic reidentify``."""
    parser = new_parser(
        sub, "reidentify", "say whom a result belongs to; each opening is audited", " or the custodian's"
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "handle", nargs="?", metavar="OBJECT_HANDLE", help="handle of the object, 32 hex digits"
    )
    what.add_argument("--all", action="store_true", help="every object of the vault")
    parser.add_argument("--vault", type=Path, metavar="FILE", help="the receiver's vault, or a copy of it")
    add_passphrase(parser, "opens the custodian's key")
    parser.set_defaults(run=_reidentify)


def _reidentify(args: argparse.Namespace) -> int:
    from edge.clinic.keyring import VAULT_KEY
    from edge.clinic.receive import VAULT, vault_key
    from edge.clinic.reidentify import reidentify

    found = opened = 0
    with errors():
        vault: Path = args.vault or args.dir / "receiver" / VAULT
        rows = reidentify(
            args.dir,
            vault,
            b"" if args.all else _handle(args.handle),
            vault_key=vault_key(vault.parent) if (vault.parent / VAULT_KEY).exists() else None,
            passphrase=passphrase(args),
            by=getpass.getuser(),
        )
        for row in rows:
            found += 1
            answer = {"study": row.block.study.hex(), "object": row.block.object.hex(), "signed": row.signed}
            if row.identity is None:
                answer["refused"] = row.reason
            else:
                opened += row.signed is not False
                names = ("patient_id", "issuer", "accession_number", "study_uid", "series_uid", "sop_uid")
                answer |= {name: getattr(row.identity, name) for name in names}
            print(json.dumps(answer, ensure_ascii=False))
    if not found:
        print("no identity block for that handle in this vault", file=sys.stderr)
    return 0 if found and opened == found else 1


def _handle(text: str) -> bytes:
    try:
        handle = bytes.fromhex(text)
    except ValueError:
        handle = b""
    if not 4 <= len(handle) <= 16:
        raise usage_error(f"{text!r} is no handle; expected 8 to 32 hex digits, or --all")
    return handle
