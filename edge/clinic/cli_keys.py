"""``edge clinic init``, ``add-box`` and ``broker``: the root's work."""

# ruff: noqa: PLC0415, T201 - imports wait until they are needed; this is a command's output

from __future__ import annotations

import argparse
import getpass
from datetime import datetime, timezone
from pathlib import Path

from edge.clinic.arguments import Sub, add_passphrase, errors, new_parser, passphrase, usage_error


def add_init(sub: Sub[argparse.ArgumentParser]) -> None:
    """Add ``edge clinic init``."""
    parser = new_parser(
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
    add_passphrase(parser, "encrypts the keys of root, custodian and operator")
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

    with errors():
        try:
            config = ClinicConfig(
                root=args.root,
                site=args.site,
                hosts=tuple(args.host or ("localhost", "127.0.0.1")),
                port=args.port,
                operator=args.operator or _person(getpass.getuser()),
            )
        except ValueError as error:
            raise usage_error("expected a port from 1 to 65535") from error
        keyring.init(
            args.dir,
            config,
            now=datetime.now(timezone.utc),
            passphrase=passphrase(args),
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


def add_box(sub: Sub[argparse.ArgumentParser]) -> None:
    """Add ``edge clinic add-box``."""
    parser = new_parser(sub, "add-box", "certify a box and name it in manifest and ACL", " or its root's")
    parser.add_argument("device", metavar="DEVICE", help="the box's name")
    parser.add_argument("request", type=Path, metavar="REQUEST", help="file that `edge init-box` wrote")
    parser.add_argument("--out", type=Path, help="package file to write (default: DEVICE.package)")
    add_passphrase(parser, "opens the root's keys")
    parser.set_defaults(run=_add_box_run)


def _add_box_run(args: argparse.Namespace) -> int:
    from edge.clinic import keyring
    from edge.enroll import fingerprint, read_request

    out = args.out or Path(f"{args.device}.package")
    with errors():
        root = keyring.open_root(args.dir, passphrase(args))
        request = read_request(args.request.read_bytes())
        out.write_bytes(keyring.add_box(root, args.device, request, datetime.now(timezone.utc)))
    print(f"box {args.device} {request.fingerprint}: compare it with what the box shows")
    print(f"clinic root {fingerprint(root.signing.public.raw)}")
    print(f"package written to {out}; on the box: edge init-box --accept {out.name}")
    print("tell the broker to read its ACL again (SIGHUP), and take manifest.cose to roles that moved away")
    return 0


def add_broker(sub: Sub[argparse.ArgumentParser]) -> None:
    """Add ``edge clinic broker``."""
    parser = new_parser(
        sub, "broker", "write mosquitto.conf for where the broker's folder lies now", " or the broker's"
    )
    _add_broker_options(parser)
    parser.set_defaults(run=_broker)


def _broker(args: argparse.Namespace) -> int:
    from edge.clinic.keyring import configure_broker
    from edge.clinic.places import role_folder

    with errors():
        configure_broker(args.dir, user=args.broker_user, bind=args.bind, data=args.broker_data)
        folder = role_folder(args.dir, "broker")
    print(f"mosquitto -c {folder}/mosquitto.conf")
    return 0
