"""The custodian's work: from a handle back to the patient. Each opening leaves an audit line first.

A block is not signed by itself; it travels in a result that the box signed. Where the vault's key is
at hand too (the reporter's place), that signature is checked again, so that nobody who can write to the
vault's file can hang a finding on another patient.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge.clinic.custody import load_keys
from edge.clinic.examine import check_evidence, read_evidence
from edge.clinic.places import ClinicError, current_manifest, read_config, role_folder
from edge.clinic.resealed import Resealed, place_of
from edge.clinic.vault import IdentityBlock, Vault, identity_blocks
from edge.imaging.frames import Identity
from edge.messages import ObjectResult
from edge.store import audit
from edge.wire.errors import EnvelopeError
from edge.wire.identity import IdentityContext, open_identity
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
    desk = _Desk(folder, passphrase, by)
    opened_vault = Vault(vault, vault_key, readonly=True) if vault_key else None
    try:
        for block in identity_blocks(vault, handle):
            signed = _signed(opened_vault, block, desk.manifest) if opened_vault else None
            yield desk.open(block, signed)
    finally:
        if opened_vault:
            opened_vault.close()


def reseal(
    folder: Path, vault: Path, *, passphrase: bytes | None = None, by: str
) -> Iterator[tuple[IdentityBlock, str]]:
    """Seal every identity of the vault that is under an older key to the present one, beside the vault.

    Yields each block that was under an older key, and why it was left so; empty: it was sealed anew.

    Raises:
        ClinicError: no custodian here, or the present key is not.
        KeyFileError: the passphrase opens no key.
        VaultError: no vault there, or the custodian's file cannot be written.
    """
    desk = _Desk(folder, passphrase, by)
    current = desk.manifest.custodian()
    target = next((key for key in desk.keys if current and key.kid == current.kid), None)
    if target is None:
        raise ClinicError(
            f"{desk.place} holds no key that boxes seal to now and that this passphrase opens; bring the"
            " current manifest here, or run: edge clinic rotate-custodian"
        )
    kids = desk.resealed.kids()
    for block in identity_blocks(vault):
        if kids.get(place_of(block), block.kid) == target.kid:
            continue
        opened = desk.open(block, None, done="resealed")
        if opened.identity is not None:
            desk.resealed.put(block, opened.identity, target)
        yield block, opened.reason


class _Desk:
    """The custodian at work: keys, manifest, audit log."""

    def __init__(self, folder: Path, passphrase: bytes | None, by: str) -> None:
        self.place = role_folder(folder, "custodian")
        config = read_config(self.place)
        self._site, self._by = config.site, by
        self.manifest = current_manifest(self.place, config, None)
        self.keys = load_keys(self.place, passphrase)
        self.resealed = Resealed(self.place)

    def open(self, block: IdentityBlock, signed: bool | None, done: str = "opened") -> Opened:
        """Open one block; its line in the audit log is on the disk before anybody sees the name."""
        try:
            opened = Opened(block, self._open(block), signed=signed)
        except EnvelopeError as error:
            opened = Opened(block, None, error.reason, signed)
        _audit(self.place / AUDIT, opened, self._by, done)
        return opened

    def _open(self, block: IdentityBlock) -> Identity:
        context = IdentityContext(
            site=self._site, device=block.device, study=block.study, object=block.object
        )
        try:
            return open_identity(block.block, self.keys, context)
        except EnvelopeError as error:
            # Its key is gone; it may have been sealed anew before.
            again = self.resealed.open(block, self.keys) if error.reason == "wrong_recipient" else None
            if again is None:
                raise
            return again


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


def _audit(path: Path, opened: Opened, by: str, done: str) -> None:
    """Append who opened which handle, and when; never whom it names."""
    block = opened.block
    fields = {"device": block.device, "study": block.study.hex(), "object": block.object.hex()}
    note(path, by, opened.reason or done, **fields, signed=opened.signed)


def note(path: Path, by: str, result: str, **fields: str | int | bool | None) -> None:
    """Append one line to the custodian's audit log."""
    audit.append(path, {"at_ms": time.time_ns() // 1_000_000, "by": by, **fields, "result": result})
