"""The custodian's keys: several at once, a new one beside the old, an old one destroyed by order.

A rotation has two halves, which may happen on two machines: the custodian makes a key, the root names it
in the next manifest, ahead of the old one. Boxes seal to the first key of the manifest that they have,
so results that were sealed before, in a spool even long before, still come under the old key: it is kept
until somebody orders its end, knowing what becomes unreadable.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from edge.clinic import keyring
from edge.clinic.places import ClinicError, read_manifest
from edge.clinic.resealed import Resealed, place_of
from edge.clinic.vault import identity_blocks
from edge.clinic.vault_file import connect
from edge.wire.keys import Kem, KeyFileError, PrivateKey, Recipient
from edge.wire.manifest import Custodian, Manifest, SealTo

_KEYS = "identity*.key"


def _named(kid: bytes) -> str:
    return f"identity-{kid.hex()}.key"


def key_files(place: Path) -> list[Path]:
    """Files of identity keys in the custodian's folder, the first one made first."""
    return sorted(place.glob(_KEYS), key=lambda path: (path.name != keyring.IDENTITY_KEY, path.name))


def load_keys(place: Path, passphrase: bytes | None) -> list[PrivateKey]:
    """All identity keys that this passphrase opens; keys of different times may have different ones.

    Raises:
        KeyFileError: it opens none.
    """
    keys: list[PrivateKey] = []
    trouble = KeyFileError(f"{place / keyring.IDENTITY_KEY}: expected the custodian's key")
    for path in key_files(place):
        try:
            keys.append(PrivateKey.load(path, passphrase))
        except KeyFileError as error:
            trouble = error
    if not keys:
        raise trouble
    return keys


def make_key(place: Path, passphrase: bytes | None, *, others_are_lost: bool = False) -> Recipient:
    """Make a new identity key beside the old ones and return its public half.

    Args:
        place: the custodian's folder.
        passphrase: encrypts the new key. It must open one of the old ones, too, so that a slip of the
            finger is noticed now and not when a patient has to be found.
        others_are_lost: there is no passphrase any more that opens an old key.

    Raises:
        KeyFileError: the passphrase opens no key that is there.
    """
    if not others_are_lost:
        load_keys(place, passphrase)
    key = PrivateKey.generate()
    key.save(place / _named(key.kid), passphrase)
    return key.recipient


def name_custodian(root: keyring.Root, recipient: Recipient, now: datetime) -> Manifest:
    """Sign the next manifest, in which boxes find this key ahead of all earlier ones."""
    manifest = read_manifest(root.folder, root.config, 0, None)
    if recipient.kem is not Kem.XWING:
        raise ClinicError("expected an X-Wing key (edge clinic rotate-custodian makes one)")
    if recipient.kid in manifest.revoked:
        raise ClinicError("this key was revoked; make another one")
    entry = Custodian(name="custodian", seal=SealTo(public=recipient.raw))
    others = [other for other in manifest.custodians if other.seal.recipient.kid != recipient.kid]
    return keyring.renew(root, manifest.model_copy(update={"custodians": [entry, *others]}), now)


# --- the end of a key -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Loss:
    """What is lost with a key: objects by device and handle, and boxes that may still send some."""

    objects: tuple[tuple[str, bytes], ...]
    unsettled: tuple[str, ...]

    @property
    def order(self) -> str:
        """Eight hex digits that stand for this very list; who repeats them has seen it."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:8]


def what_is_lost(place: Path, vault: Path, manifest: Manifest, kid: bytes) -> Loss:
    """What nobody can open once the key ``kid`` is gone.

    Raises:
        ClinicError: it is the key that boxes seal to now.
        VaultError: no vault there.
    """
    current = manifest.custodian()
    if current is None or current.kid == kid:
        raise ClinicError("boxes seal to this key now; first run: edge clinic rotate-custodian")
    kept = Resealed(place).kids()
    objects = tuple(
        (block.device, block.object)
        for block in identity_blocks(vault)
        if kid == kept.get(place_of(block), block.kid)
    )
    settled = _settled(vault, current.kid)
    boxes = sorted(box.device for box in manifest.boxes if manifest.box_keys(box.device))
    return Loss(objects, tuple(box for box in boxes if box not in settled))


def _settled(vault: Path, kid: bytes) -> set[str]:
    """Boxes all of whose later results are sealed to ``kid``: one is, and nothing before it is missing."""
    try:
        with closing(connect(vault, readonly=True)) as database:
            rows = database.execute(
                "SELECT DISTINCT i.device FROM identity i JOIN position p USING (device, stream, epoch)"
                " WHERE i.kid = ? AND i.seq <= p.upto AND i.epoch = (SELECT epoch FROM identity"
                " WHERE device = i.device ORDER BY rowid DESC LIMIT 1)",
                (kid,),
            ).fetchall()
    except sqlite3.Error as error:
        raise ClinicError(f"{vault} cannot be read: {error}") from error
    return {str(device) for (device,) in rows}


def find_key(place: Path, kid: bytes, passphrase: bytes | None) -> Path:
    """The file of the key ``kid``.

    Raises:
        ClinicError: there is none, or none that this passphrase shows to be it.
    """
    named, first = place / _named(kid), place / keyring.IDENTITY_KEY
    if named.exists():
        return named
    # The clinic's first key is not named by its kid: it has to be opened to be known.
    with contextlib.suppress(KeyFileError):
        if PrivateKey.load(first, passphrase).kid == kid:
            return first
    raise ClinicError(f"no key {kid.hex()} in {place}, or the passphrase does not open it")


def destroy(path: Path) -> None:
    """Overwrite and remove the file of a key.

    On flash the old bytes may survive out of reach; the disk's encryption makes that harmless.
    """
    with path.open("r+b") as file:
        file.write(os.urandom(path.stat().st_size))
        file.flush()
        os.fsync(file.fileno())
    path.unlink()
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
