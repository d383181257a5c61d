"""The custodian's work: from a handle back to the patient. Each opening leaves an audit line first.

A block is not signed by itself; it travels in a result that the box signed. Where the vault's key is
at hand too (the reporter's place), that signature is checked again, so that nobody who can write to the
vault's file can hang a finding on another patient.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge.clinic import keyring
from edge.clinic.examine import check_evidence, read_evidence
from edge.clinic.places import current_manifest, read_config, role_folder
from edge.clinic.vault import IdentityBlock, Vault, identity_blocks
from edge.imaging.frames import Identity
from edge.messages import ObjectResult
from edge.wire.errors import EnvelopeError
from edge.wire.identity import IdentityContext, open_identity
from edge.wire.keys import PrivateKey
from edge.wire.manifest import Manifest

AUDIT = "reidentified.jsonl"


@dataclass(frozen=True)
class Opened:
    """One block and who it names.

    ``identity`` is None if the block did not open (``reason``). ``signed`` says whether a box of the
    manifest signed this block into its result; None if that could not be checked here.
    """

    block: IdentityBlock
    identity: Identity | None
    reason: str = ""
    signed: bool | None = None


def reidentify(
    folder: Path,
    vault: Path,
    handle: bytes,
    *,
    vault_key: bytes | None = None,
    passphrase: bytes | None = None,
    by: str,
) -> Iterator[Opened]:
    """Open identity blocks with the custodian's key.

    Args:
        folder: the clinic's folder or the custodian's.
        vault: the receiver's vault, or a copy.
        handle: the first bytes of an object's, series' or study's handle; empty for all.
        vault_key: if given, the box's signature is checked.
        passphrase: of the custodian's key.
        by: who asks; goes into the audit line.

    Raises:
        ClinicError: no custodian here.
        KeyFileError: the key is missing, or its passphrase is missing or wrong.
        VaultError: no vault there, or another vault's key.
    """
    place = role_folder(folder, "custodian")
    config = read_config(place)
    manifest = current_manifest(place, config, None)
    key = PrivateKey.load(place / keyring.IDENTITY_KEY, passphrase)
    opened_vault = Vault(vault, vault_key, readonly=True) if vault_key else None
    try:
        for block in identity_blocks(vault, handle):
            context = IdentityContext(
                site=config.site, device=block.device, study=block.study, object=block.object
            )
            signed = _signed(opened_vault, block, manifest) if opened_vault else None
            try:
                opened = Opened(block, open_identity(block.block, [key], context), signed=signed)
            except EnvelopeError as error:
                opened = Opened(block, None, error.reason, signed)
            # Written and flushed before anybody sees the name.
            _audit(place / AUDIT, opened, by)
            yield opened
    finally:
        if opened_vault:
            opened_vault.close()


def _signed(vault: Vault, block: IdentityBlock, manifest: Manifest) -> bool:
    row = vault.result_of(block)
    if row is None or not check_evidence(row.payload, manifest):
        return False
    body = read_evidence(row.payload)
    return isinstance(body, ObjectResult) and (body.identity, body.study, body.series, body.object) == (
        block.block,
        block.study,
        block.series,
        block.object,
    )


def _audit(path: Path, opened: Opened, by: str) -> None:
    """Append who opened which handle, and when; never whom it names."""
    line = {
        "at_ms": time.time_ns() // 1_000_000,
        "by": by,
        "device": opened.block.device,
        "study": opened.block.study.hex(),
        "object": opened.block.object.hex(),
        "result": opened.reason or "opened",
        "signed": opened.signed,
    }
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(handle, json.dumps(line).encode() + b"\n")
        os.fsync(handle)
    finally:
        os.close(handle)
