"""The clinic's folders: one for each role, each able to move to a machine of its own.

::

    DIR/root/       offline: signs manifests, certifies boxes
    DIR/receiver/   always on: opens results, holds the vault
    DIR/custodian/  offline or the reporter: opens identity blocks
    DIR/operator/   a person: signs commands
    DIR/broker/     what Mosquitto reads: configuration, ACL, certificates

Each role's folder also holds what is public: ``clinic.json``, ``manifest.cose``, ``clinic-root.pub``,
``broker-ca.pem``. A command that is given DIR looks for its role's folder in it; given a role's
folder, moved or not, it takes that.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge.wire.keys import KeyFileError, VerifyKey
from edge.wire.manifest import Manifest, ManifestError

Role = Literal["root", "receiver", "custodian", "operator", "broker"]
ROLES: tuple[Role, ...] = ("root", "receiver", "custodian", "operator", "broker")

CONFIG, MANIFEST, ROOT_KEY, BROKER_CA = "clinic.json", "manifest.cose", "clinic-root.pub", "broker-ca.pem"
KNOWN = "manifest.known"
"""Beside the manifest: the highest version that this role accepted, and of which root."""


class ClinicError(Exception):
    """A clinic's folder is not as expected; the message says what to do."""


class ClinicConfig(BaseModel):
    """What every role of one clinic agrees on. Public."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    root: str
    """First level of every topic."""
    site: str
    hosts: tuple[str, ...] = Field(min_length=1)
    """Names and addresses of the broker; the first is the one that clients use."""
    port: int = Field(ge=1, le=65535)
    operator: str
    """Name of the person whose key is in the operator's folder."""


def role_folder(folder: Path, role: Role) -> Path:
    """Return the folder of ``role``: ``folder/role``, or ``folder`` itself if it is that role's.

    Raises:
        ClinicError: it is neither.
    """
    for candidate in (folder / role, folder):
        if (candidate / f".{role}").exists():
            return candidate
    raise ClinicError(f"{folder} holds no {role}; expected a folder made by: edge clinic init {folder}")


def any_role_folder(folder: Path) -> Path:
    """Return a folder that holds the manifest: ``folder`` itself, or that of a role in it.

    Raises:
        ClinicError: there is none.
    """
    for candidate in (folder, *(folder / role for role in ROLES)):
        if (candidate / MANIFEST).exists():
            return candidate
    raise ClinicError(
        f"{folder} holds no clinic's manifest; expected a folder made by: edge clinic init {folder}"
    )


def read_config(folder: Path) -> ClinicConfig:
    """Read ``clinic.json`` of a role's folder.

    Raises:
        ClinicError: missing or not as expected.
    """
    path = folder / CONFIG
    try:
        return ClinicConfig.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise ClinicError(
            f"{path}: expected the clinic's configuration (edge clinic init writes it)"
        ) from error


def read_manifest(folder: Path, config: ClinicConfig, known_version: int, now_ms: int | None) -> Manifest:
    """Read and verify the manifest of a role's folder.

    Raises:
        ClinicError: missing, expired, rolled back, or not signed by the clinic's root.
    """
    path = folder / MANIFEST
    try:
        root = VerifyKey.load(folder / ROOT_KEY)
        return Manifest.verify(path.read_bytes(), root, known_version, now_ms, config.site)
    except (OSError, KeyFileError, ManifestError) as error:
        raise ClinicError(f"{path}: {error}; ask the clinic's root for the current manifest") from error


class _Known(BaseModel):
    model_config = ConfigDict(extra="forbid")

    root: str
    version: int = Field(ge=1)


def current_manifest(folder: Path, config: ClinicConfig, now_ms: int | None) -> Manifest:
    """Read and verify the manifest, never a lower version than this role accepted before.

    The highest version lies in a file of its own, so that an old manifest, which would bring a
    revoked key back, is refused after a restart, too. It counts for the root that signed it: a role
    that joins another clinic starts anew.

    Raises:
        ClinicError: as `read_manifest`; or the file of the version is damaged or cannot be written.
    """
    path = folder / KNOWN
    try:
        root = VerifyKey.load(folder / ROOT_KEY).kid.hex()
        known = _Known.model_validate_json(path.read_bytes()) if path.exists() else None
    except (OSError, KeyFileError, ValidationError) as error:
        raise ClinicError(
            f"{path}: expected the version of the last manifest; if the file is damaged, remove it once"
            " the clinic's root has given you its current manifest"
        ) from error
    version = known.version if known and known.root == root else 0
    manifest = read_manifest(folder, config, version, now_ms)
    if manifest.version > version:
        try:
            write(path, _Known(root=root, version=manifest.version).model_dump_json().encode(), private=True)
        except OSError as error:
            raise ClinicError(f"{path} cannot be written: {error.strerror}") from error
    return manifest


def write(path: Path, data: bytes, *, private: bool = False) -> None:
    """Replace ``path`` in one step, through fsync; owner-only if ``private``."""
    new = path.with_name(path.name + ".new")
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600 if private else 0o644)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
