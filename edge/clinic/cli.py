"""``edge clinic``: the clinic's end, one command a role."""

from __future__ import annotations

import argparse
import contextlib
import getpass
import signal
import sys
import threading
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from edge.messages import CommandType

if TYPE_CHECKING:
    from edge.messages import CommandStatus

Sub = argparse._SubParsersAction  # noqa: SLF001 - argparse has no public name for it


def add_commands(sub: Sub[argparse.ArgumentParser]) -> None:
    """Add ``edge clinic`` and what is under it."""
    top = sub.add_parser("clinic", help="the clinic's end: keys, results, commands")
    clinic = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_init(clinic)
    _add_box(clinic)
    _add_broker(clinic)
    _add_receive(clinic)
    _add_results(clinic)
    _add_command(clinic)
    _add_reidentify(clinic)


def _parser(sub: Sub[argparse.ArgumentParser], name: str, text: str, role: str) -> argparse.ArgumentParser:
    parser = sub.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    parser.add_argument("dir", type=Path, metavar="DIR", help=f"the clinic's folder{role}")
    return parser


def _add_passphrase(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument("--passphrase-file", type=Path, metavar="FILE", help=f"file whose first line {what}")


def _passphrase(args: argparse.Namespace) -> bytes | None:
    path: Path | None = args.passphrase_file
    if path is None:
        return None
    lines = path.read_bytes().splitlines()
    if not lines or not lines[0]:
        raise _usage_error(f"{path}: expected a passphrase in its first line")
    return lines[0]


def _usage_error(message: str) -> Exception:
    from edge.clinic.places import ClinicError

    return ClinicError(message)


@contextlib.contextmanager
def _errors() -> Iterator[None]:
    """Turn what a user can put right into one line and exit code 2."""
    from edge.clinic.pki import PkiError
    from edge.clinic.places import ClinicError
    from edge.clinic.vault import VaultError
    from edge.enroll import EnrolError
    from edge.wire.keys import KeyFileError

    try:
        yield
    except (ClinicError, EnrolError, KeyFileError, PkiError, VaultError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None


# --- init and add-box ---------------------------------------------------------------------------------


def _add_init(sub: Sub[argparse.ArgumentParser]) -> None:
    parser = _parser(
        sub, "init", "make a clinic's keys by role, and its broker's configuration", ", made anew"
    )
    parser.add_argument("--site", default="demo-clinic", help="name of the site (default: %(default)s)")
    parser.add_argument("--root", default="edge", help="first level of every topic (default: %(default)s)")
    parser.add_argument(
        "--host", action="append", metavar="NAME", help="name or address of the broker; repeat it for more"
    )
    parser.add_argument("--port", type=int, default=8883, help="the broker's port (default: %(default)s)")
    _add_broker_options(parser)
    parser.add_argument(
        "--operator", default=None, metavar="PERSON", help="who may send commands (default: your user name)"
    )
    _add_passphrase(parser, "encrypts the keys of root, custodian and operator")
    parser.set_defaults(run=_init)


def _add_broker_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--bind",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="address that the broker listens on; 0.0.0.0 for boxes on the network (default: %(default)s)",
    )
    parser.add_argument(
        "--broker-user",
        default=getpass.getuser(),
        metavar="USER",
        help="whom Mosquitto runs as (default: you)",
    )
    parser.add_argument("--broker-data", type=Path, metavar="DIR", help="the broker's own storage")


def _init(args: argparse.Namespace) -> int:
    from edge.clinic import keyring
    from edge.clinic.places import ClinicConfig
    from edge.enroll import fingerprint
    from edge.wire.keys import VerifyKey

    with _errors():
        config = ClinicConfig(
            root=args.root,
            site=args.site,
            hosts=tuple(args.host or ("localhost", "127.0.0.1")),
            port=args.port,
            operator=args.operator or _person(getpass.getuser()),
        )
        keyring.init(
            args.dir,
            config,
            now=datetime.now(timezone.utc),
            passphrase=_passphrase(args),
            broker_user=args.broker_user,
            bind=args.bind,
            data=args.broker_data,
        )
        root_key = VerifyKey.load(args.dir / "root" / "clinic-root.pub").raw
    print(f"clinic {config.site} made in {args.dir}; its root is {fingerprint(root_key)}")
    print("root/       take it offline; it signs the manifest and certifies boxes")
    print("custodian/  take it offline, or to the reporter; it alone leads back to patients")
    print("operator/   to the person who sends commands")
    print("receiver/   edge clinic receive")
    print(f"broker/     mosquitto -c {args.dir}/broker/mosquitto.conf")
    return 0


def _person(name: str) -> str:
    """A user name as a topic-safe name."""
    safe = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in name.lower())
    return safe.strip("-")[:40] or "operator"


def _add_box(sub: Sub[argparse.ArgumentParser]) -> None:
    parser = _parser(sub, "add-box", "certify a box and name it in manifest and ACL", " or its root's")
    parser.add_argument("device", metavar="DEVICE", help="the box's name")
    parser.add_argument("request", type=Path, metavar="REQUEST", help="file that `edge init-box` wrote")
    parser.add_argument("--out", type=Path, help="package file to write (default: DEVICE.package)")
    _add_passphrase(parser, "opens the root's keys")
    parser.set_defaults(run=_add_box_run)


def _add_box_run(args: argparse.Namespace) -> int:
    from edge.clinic import keyring
    from edge.enroll import fingerprint, read_request

    out = args.out or Path(f"{args.device}.package")
    with _errors():
        root = keyring.open_root(args.dir, _passphrase(args))
        request = read_request(args.request.read_bytes())
        out.write_bytes(keyring.add_box(root, args.device, request, datetime.now(timezone.utc)))
    print(f"box {args.device} {request.fingerprint}: compare it with what the box shows")
    print(f"clinic root {fingerprint(root.signing.public.raw)}")
    print(f"package written to {out}; on the box: edge init-box --accept {out.name}")
    print("tell the broker to read its ACL again (SIGHUP), and take manifest.cose to roles that moved away")
    return 0


def _add_broker(sub: Sub[argparse.ArgumentParser]) -> None:
    parser = _parser(
        sub, "broker", "write mosquitto.conf for where the broker's folder lies now", " or the broker's"
    )
    _add_broker_options(parser)
    parser.set_defaults(run=_broker)


def _broker(args: argparse.Namespace) -> int:
    from edge.clinic.keyring import configure_broker
    from edge.clinic.places import role_folder

    with _errors():
        configure_broker(args.dir, user=args.broker_user, bind=args.bind, data=args.broker_data)
        folder = role_folder(args.dir, "broker")
    print(f"mosquitto -c {folder}/mosquitto.conf")
    return 0


# --- receive and results ------------------------------------------------------------------------------


def _add_receive(sub: Sub[argparse.ArgumentParser]) -> None:
    parser = _parser(
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
    from edge.clinic.places import read_config, role_folder
    from edge.clinic.receive import Observer, Receiver, replay
    from edge.clinic.screen import Both, Lines, Screen
    from edge.clinic.view import View

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    table = args.table or not (args.json or args.quiet or not sys.stdout.isatty())
    with _errors(), contextlib.ExitStack() as stack:
        receiver = Receiver(args.dir)
        stack.callback(receiver.close)
        observers: list[Observer] = []
        if args.json_file:
            out = args.json_file.open("a", encoding="utf-8")
            observers.append(Lines(stack.enter_context(out)))
        if args.json:
            observers.append(Lines(sys.stdout))
        if table:
            view = View()
            replay(receiver.vault, view.result)
            site = read_config(role_folder(args.dir, "receiver")).site
            observers.append(stack.enter_context(Screen(view, site)))
        receiver.run(Both(*observers), stop=stop, exit_after_idle=args.exit_after_idle)
        tally = receiver.tally
    if not args.json:
        refused = ", ".join(f"{count} {reason}" for reason, count in tally.refused.most_common())
        print(
            f"stored {tally.stored}, duplicates {tally.duplicates}, refused {refused or 'none'}",
            file=sys.stderr,
        )
    return 0


def _add_results(sub: Sub[argparse.ArgumentParser]) -> None:
    parser = _parser(
        sub, "results", "print all results of the vault as JSON lines, without identity", " or the receiver's"
    )
    parser.set_defaults(run=_results)


def _results(args: argparse.Namespace) -> int:
    from edge.clinic.lines import line
    from edge.clinic.places import role_folder
    from edge.clinic.receive import VAULT, replay, vault_key
    from edge.clinic.vault import Vault

    with _errors():
        folder = role_folder(args.dir, "receiver")
        with Vault(folder / VAULT, vault_key(folder), readonly=True) as vault:
            replay(vault, lambda body, arrived_ms: print(line(body, arrived_ms)))
    return 0


# --- command and reidentify ---------------------------------------------------------------------------


def _add_command(sub: Sub[argparse.ArgumentParser]) -> None:
    parser = _parser(sub, "command", "send a signed command to a box", " or the operator's")
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
    _add_passphrase(parser, "opens the operator's keys")
    parser.set_defaults(run=_command)


def _command(args: argparse.Namespace) -> int:
    from edge.clinic.command import EXIT_CODES, send
    from edge.commands.rules import terminal

    with _errors():
        last = send(
            args.dir,
            args.device,
            args.type,
            wait=args.wait,
            life=args.deadline,
            passphrase=_passphrase(args),
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


def _add_reidentify(sub: Sub[argparse.ArgumentParser]) -> None:
    parser = _parser(
        sub, "reidentify", "say whom a result belongs to; each opening is audited", " or the custodian's"
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "handle", nargs="?", metavar="OBJECT_HANDLE", help="handle of the object, 32 hex digits"
    )
    what.add_argument("--all", action="store_true", help="every object of the vault")
    parser.add_argument("--vault", type=Path, metavar="FILE", help="the receiver's vault, or a copy of it")
    _add_passphrase(parser, "opens the custodian's key")
    parser.set_defaults(run=_reidentify)


def _reidentify(args: argparse.Namespace) -> int:
    import json

    from edge.clinic.keyring import VAULT_KEY
    from edge.clinic.receive import VAULT, vault_key
    from edge.clinic.reidentify import reidentify

    found = opened = 0
    with _errors():
        vault: Path = args.vault or args.dir / "receiver" / VAULT
        rows = reidentify(
            args.dir,
            vault,
            b"" if args.all else _handle(args.handle),
            vault_key=vault_key(vault.parent) if (vault.parent / VAULT_KEY).exists() else None,
            passphrase=_passphrase(args),
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
        raise _usage_error(f"{text!r} is no handle; expected 8 to 32 hex digits, or --all")
    return handle
