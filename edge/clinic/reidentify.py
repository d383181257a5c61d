"""The custodian's work: from a handle back to the patient. Each opening leaves an audit line first."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge.clinic import keyring
from edge.clinic.places import read_config, role_folder
from edge.clinic.vault import IdentityBlock, identity_blocks
from edge.imaging.frames import Identity
from edge.wire.errors import EnvelopeError
from edge.wire.identity import IdentityContext, open_identity
from edge.wire.keys import PrivateKey

AUDIT = "reidentified.jsonl"


@dataclass(frozen=True)
class Opened:
    """One block and who it names; ``identity`` is None if the block did not open (``reason``)."""

    block: IdentityBlock
    identity: Identity | None
    reason: str = ""


def reidentify(
    folder: Path, vault: Path, handle: bytes | None, *, passphrase: bytes | None = None, by: str
) -> Iterator[Opened]:
    """Open the identity block of one object, or of all, with the custodian's key.

    Args:
        folder: the clinic's folder or the custodian's.
        vault: the receiver's vault, or a copy; its key is not needed.
        handle: the object's handle, None for all.
        passphrase: of the custodian's key.
        by: who asks; goes into the audit line.

    Raises:
        ClinicError: no custodian here.
        KeyFileError: the key is missing, or its passphrase is missing or wrong.
        VaultError: no vault there.
    """
    place = role_folder(folder, "custodian")
    site = read_config(place).site
    key = PrivateKey.load(place / keyring.IDENTITY_KEY, passphrase)
    for block in identity_blocks(vault, handle):
        context = IdentityContext(site=site, device=block.device, study=block.study, object=block.object)
        try:
            opened = Opened(block, open_identity(block.block, [key], context))
        except EnvelopeError as error:
            opened = Opened(block, None, error.reason)
        # Written and flushed before anybody sees the name.
        _audit(place / AUDIT, opened, by)
        yield opened


def _audit(path: Path, opened: Opened, by: str) -> None:
    """Append who opened which handle, and when; never whom it names."""
    line = {
        "at_ms": time.time_ns() // 1_000_000,
        "by": by,
        "device": opened.block.device,
        "study": opened.block.study.hex(),
        "object": opened.block.object.hex(),
        "result": opened.reason or "opened",
    }
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(handle, json.dumps(line).encode() + b"\n")
        os.fsync(handle)
    finally:
        os.close(handle)
