"""Sign a bundle with TUF. The key directory belongs to the releaser and never leaves the workstation.

The directory holds one Ed25519 key per role (PKCS8 PEM, owner-only), the root metadata that boxes
trust, and the version of the last release, so that versions only rise.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from securesystemslib.signer import CryptoSigner  # type: ignore[attr-defined]  # documented as public
from tuf.api.metadata import (  # type: ignore[attr-defined]  # public by documentation, not by __all__
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)
from tuf.api.serialization.json import JSONSerializer

ROLES = ("root", "targets", "snapshot", "timestamp")
LIFETIME = {"root": 3650, "targets": 1825, "snapshot": 1825, "timestamp": 365}
"""Days until metadata expires. A box reports expiry and goes on; it refuses it when *replacing* a bundle."""


class ReleaseError(ValueError):
    """The bundle cannot be signed; the message says what to do."""


def _signer(path: Path) -> CryptoSigner:
    key = load_pem_private_key(path.read_bytes(), None)
    if not isinstance(key, Ed25519PrivateKey):
        raise ReleaseError(f"{path} is no Ed25519 key; move it away and let the trainer make a new one")
    return CryptoSigner(key)


def _write_private(path: Path, data: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)


def _expiry(role: str, now: datetime) -> datetime:
    return (now + timedelta(days=LIFETIME[role])).replace(microsecond=0)


def signers(keys: Path, now: datetime | None = None) -> dict[str, CryptoSigner]:
    """The key of each role from directory ``keys``; makes keys and root metadata on first use.

    Raises:
        ReleaseError: the directory holds some of the keys but not all.
    """
    keys.mkdir(mode=0o700, parents=True, exist_ok=True)
    paths = {role: keys / f"{role}.pem" for role in ROLES}
    present = [role for role, path in paths.items() if path.is_file()]
    if present and len(present) != len(ROLES):
        raise ReleaseError(f"{keys} holds only the keys {', '.join(present)}; restore the others from backup")
    if not present:
        for path in paths.values():
            key = Ed25519PrivateKey.generate()
            _write_private(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    held = {role: _signer(path) for role, path in paths.items()}
    if not (keys / "root.json").is_file():
        root = Root(expires=_expiry("root", now or datetime.now(timezone.utc)), consistent_snapshot=False)
        for role, signer in held.items():
            root.add_key(signer.public_key, role)
        _save(keys / "root.json", Metadata(root), held["root"])
    return held


def _save(path: Path, metadata: Metadata[Any], signer: CryptoSigner) -> bytes:
    metadata.sign(signer)
    data = metadata.to_bytes(JSONSerializer(compact=False))
    path.write_bytes(data)
    return data


def sign_bundle(bundle: Path, keys: Path, now: datetime | None = None) -> int:
    """Sign all files of ``bundle/targets`` and write ``bundle/metadata``. Returns the release's version.

    Raises:
        ReleaseError: the keys are incomplete, or there is nothing to sign.
    """
    now = now or datetime.now(timezone.utc)
    held = signers(keys, now)
    files = sorted(path for path in (bundle / "targets").iterdir() if path.is_file())
    if not files:
        raise ReleaseError(f"{bundle}/targets is empty; export into it first")
    counter = keys / "version"
    version = int(counter.read_text("ascii")) + 1 if counter.is_file() else 1
    metadata = bundle / "metadata"
    metadata.mkdir(parents=True, exist_ok=True)
    targets = Targets(version=version, expires=_expiry("targets", now))
    targets.targets = {path.name: TargetFile.from_file(path.name, str(path), ["sha256"]) for path in files}
    signed = _save(metadata / "targets.json", Metadata(targets), held["targets"])
    snapshot = Snapshot(version=version, expires=_expiry("snapshot", now))
    snapshot.meta["targets.json"] = MetaFile.from_data(version, signed, ["sha256"])
    signed = _save(metadata / "snapshot.json", Metadata(snapshot), held["snapshot"])
    timestamp = Timestamp(version=version, expires=_expiry("timestamp", now))
    timestamp.snapshot_meta = MetaFile.from_data(version, signed, ["sha256"])
    _save(metadata / "timestamp.json", Metadata(timestamp), held["timestamp"])
    (metadata / "root.json").write_bytes((keys / "root.json").read_bytes())
    counter.write_text(str(version), "ascii")
    return version
