"""``edge clinic sign-layout``: a person confirms what of a scanner's screen is kept."""

# ruff: noqa: PLC0415, T201 - imports wait until they are needed; this is a command's output

from __future__ import annotations

import argparse
from pathlib import Path

from edge.clinic.arguments import Sub, add_passphrase, errors, new_parser, passphrase, usage_error


def add_sign_layout(sub: Sub[argparse.ArgumentParser]) -> None:
    """Add ``edge clinic sign-layout``."""
    parser = new_parser(sub, "sign-layout", "sign a layout that you looked at", " or the operator's")
    parser.add_argument("draft", type=Path, metavar="DRAFT", help="file that `edge layout learn` wrote")
    parser.add_argument(
        "--confirm",
        required=True,
        metavar="DIGEST",
        help="the digest in the strip below the picture: you looked at that picture",
    )
    parser.add_argument("--out", type=Path, help="file to write (default: DRAFT.cose)")
    add_passphrase(parser, "opens the operator's keys")
    parser.set_defaults(run=_sign_layout)


def _sign_layout(args: argparse.Namespace) -> int:
    from edge.clinic import keyring
    from edge.clinic.places import read_config, role_folder, write
    from edge.clinic.receive import ManifestFile
    from edge.wire.keys import SigningKey
    from edge.wire.layouts import LayoutError, digest, read_unverified, sign, verify

    out = args.out or args.draft.with_name(args.draft.name + ".cose")
    with errors():
        place = role_folder(args.dir, "operator")
        site = read_config(place).site
        key = SigningKey.load(place / keyring.COMMAND_KEY, passphrase(args))
        try:
            template, _ = read_unverified(args.draft.read_bytes())
        except LayoutError as error:
            raise usage_error(f"{args.draft}: expected a draft of edge layout learn") from error
        if args.confirm != digest(template):
            raise usage_error(f"{args.draft} is not what the picture shows: its digest is another")
        signed = sign(template, site, key)
        try:
            verify(signed, site, ManifestFile(place).current())
        except LayoutError as error:
            raise usage_error(
                "the manifest does not list 'layout' among this operator's commands; ask the clinic's root"
            ) from error
        write(out, signed)
    print(f"layout {template.name} version {template.version} signed for {site}: {out}")
    return 0
