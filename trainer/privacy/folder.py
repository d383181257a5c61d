"""Where the ledgers of this machine are, and the key of such a directory."""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path

from trainer.privacy.account import LedgerError

KEY = "images.key"
_KEY_BYTES = 32
SITE = Path("/var/lib/edge-trainer/ledgers")
"""One directory for all users of a machine, where an administrator has made it."""


def default_folder() -> Path:
    """``EDGE_LEDGER``, else the site's directory if there is one, else the user's own state directory.

    A site's directory that this user may not write is named all the same: a run that cannot be put on record
    there is refused, and gets no fresh budget elsewhere. The user's own: XDG base directory specification.
    """
    named = os.environ.get("EDGE_LEDGER")
    if named:
        return Path(named)
    if SITE.is_dir():
        return SITE
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "edge-trainer" / "ledgers"


def read_key(folder: Path) -> bytes | None:
    """The key under which a directory digests images; None if it has none, or half of one.

    Raises:
        LedgerError: it is there and cannot be read.
    """
    path = folder / KEY
    try:
        key = path.read_bytes() if path.exists() else b""
    except OSError as error:
        raise LedgerError(f"{path} cannot be used ({error.strerror}); nothing was done") from None
    return key if len(key) == _KEY_BYTES else None


def new_key(folder: Path) -> bytes:
    """A key for a new directory, which is said loudly to be a new one; `write_key` puts it there."""
    print(
        f"NOTE: {folder} is a new directory of ledgers. What was spent on these images and stands in a "
        "ledger elsewhere is not known here, another user's included; if there is one, name it with --ledger",
        file=sys.stderr,
    )
    return secrets.token_bytes(_KEY_BYTES)


def write_key(folder: Path, key: bytes) -> None:
    """Put the key of a new directory on disk.

    Raises:
        LedgerError: it cannot be written.
    """
    path = folder / KEY
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(key)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise LedgerError(f"{path} cannot be used ({error.strerror}); nothing was done") from None


def the_key(folder: Path) -> bytes:
    """The key of a directory that has ledgers.

    Raises:
        LedgerError: it is not there, or cannot be read.
    """
    key = read_key(folder)
    if key is None:
        raise LedgerError(
            f"{folder / KEY} is missing or damaged; give the directory of the ledgers with --ledger"
        )
    return key
