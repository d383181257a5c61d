"""What the clinic's subcommands share: arguments, passphrases, errors as one line."""

# ruff: noqa: PLC0415, T201 - imports wait until they are needed; this is a command's output

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

Sub = argparse._SubParsersAction  # noqa: SLF001 - argparse has no public name for it


def new_parser(sub: Sub[argparse.ArgumentParser], name: str, text: str, role: str) -> argparse.ArgumentParser:
    """Add a subcommand that works on a folder; ``text`` is its help, ``role`` says which folder will do."""
    parser = sub.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    parser.add_argument("dir", type=Path, metavar="DIR", help=f"the clinic's folder{role}")
    return parser


def add_passphrase(parser: argparse.ArgumentParser, what: str) -> None:
    """Add ``--passphrase-file``; ``what`` ends the sentence of its help."""
    parser.add_argument("--passphrase-file", type=Path, metavar="FILE", help=f"file whose first line {what}")


def passphrase(args: argparse.Namespace) -> bytes | None:
    """Return the passphrase that was asked for, None if none was.

    Raises:
        ClinicError: the file is empty.
        OSError: it cannot be read.
    """
    path: Path | None = args.passphrase_file
    if path is None:
        return None
    lines = path.read_bytes().splitlines()
    if not lines or not lines[0]:
        raise usage_error(f"{path}: expected a passphrase in its first line")
    return lines[0]


def usage_error(message: str) -> Exception:
    """Return the error that `errors` prints as one line."""
    from edge.clinic.places import ClinicError

    return ClinicError(message)


@contextlib.contextmanager
def errors() -> Iterator[None]:
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
