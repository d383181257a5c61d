"""The rules of TUF for a bundle that lies in a directory: bytes and a clock in, a decision out.

python-tuf parses and verifies; what stands here is the order of the checks (TUF specification 1.0,
section 5.3 to 5.7) with one difference. A box in a clinic may be months without a network, or without
a right clock, and must still start: so metadata is judged at the earlier of now and its expiry, that is,
expiry is reported and does not stop. Freshness and rollback are judged where a bundle is *replaced*.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import (  # type: ignore[attr-defined]  # public by documentation, not by __all__
    Metadata,
    Root,
    Snapshot,
    Targets,
    Timestamp,
)

MAX_METADATA = 1 << 20
MAX_TARGET = 64 << 20
_T = TypeVar("_T", Root, Timestamp, Snapshot, Targets)


class ChainError(Exception):
    """The chain of trust is broken; the message names the file and the fault."""


@dataclass(frozen=True)
class Chain:
    """A verified directory: every target's bytes, and what vouches for them."""

    targets: Mapping[str, bytes]
    digest: bytes
    version: int
    expired: tuple[str, ...]


def _parse(kind: type[_T], data: bytes) -> Metadata[_T]:
    name = f"{kind.type}.json"
    try:
        parsed: Metadata[_T] = Metadata.from_bytes(data)
    except (RepositoryError, ValueError, TypeError, KeyError, AttributeError):
        raise ChainError(f"{name} is no TUF metadata") from None
    if not isinstance(parsed.signed, kind):
        raise ChainError(f"{name} holds metadata of another role")
    return parsed


def _verify(by: Metadata[Root], role: str, what: Metadata[_T]) -> None:
    try:
        by.signed.verify_delegate(role, what.signed_bytes, what.signatures)
    except (RepositoryError, ValueError):
        raise ChainError(
            f"{role}.json is not signed by the keys that the trusted root names; wrong root or forged bundle"
        ) from None


def trusted_root(start: bytes, successors: Sequence[bytes]) -> Metadata[Root]:
    """Follow root rotations: each successor is one version on, signed by its predecessor and itself.

    Raises:
        ChainError: the start is no root, or a successor is not properly signed.
    """
    current = _parse(Root, start)
    _verify(current, Root.type, current)
    for data in successors:
        following = _parse(Root, data)
        _verify(current, Root.type, following)
        _verify(following, Root.type, following)
        if following.signed.version != current.signed.version + 1:
            raise ChainError("root versions do not follow one another")
        current = following
    return current


def verify_metadata(
    root: Metadata[Root], timestamp: bytes, snapshot: bytes, targets: bytes, now: datetime | None
) -> tuple[Metadata[Targets], tuple[str, ...]]:
    """Verify timestamp, snapshot and targets from the root down; also tell which roles have expired.

    Raises:
        ChainError: a signature, digest or version does not fit (mix-and-match included).
    """
    stamp, snap, targ = _parse(Timestamp, timestamp), _parse(Snapshot, snapshot), _parse(Targets, targets)
    _verify(root, Timestamp.type, stamp)
    _verify(root, Snapshot.type, snap)
    _verify(root, Targets.type, targ)
    listed = snap.signed.meta.get("targets.json")
    if listed is None:
        raise ChainError("snapshot.json does not list targets.json")
    for said, name, data, version in (
        (stamp.signed.snapshot_meta, "snapshot.json", snapshot, snap.signed.version),
        (listed, "targets.json", targets, targ.signed.version),
    ):
        try:
            said.verify_length_and_hashes(data)
        except RepositoryError:
            raise ChainError(f"{name} does not belong to this bundle (digest differs)") from None
        if said.version != version:
            raise ChainError(f"{name} does not belong to this bundle (version differs)")
    expired: tuple[str, ...] = ()
    if now is not None:
        moment = now.astimezone(timezone.utc)
        roles = (root.signed, stamp.signed, snap.signed, targ.signed)
        expired = tuple(each.type for each in roles if each.is_expired(moment))
    return targ, expired


def verify_target(targets: Metadata[Targets], name: str, data: bytes) -> None:
    """Check one file against its signed length and digest.

    Raises:
        ChainError: it differs.
    """
    try:
        targets.signed.targets[name].verify_length_and_hashes(data)
    except RepositoryError:
        raise ChainError(f"{name} is not the file that was signed (length or digest differs)") from None
    if "sha256" not in targets.signed.targets[name].hashes:
        raise ChainError(f"{name} is signed without a SHA-256 digest")


def _read(path: Path, limit: int) -> bytes:
    try:
        if path.stat().st_size > limit:
            raise ChainError(f"{path.name} is larger than {limit} bytes")
        return path.read_bytes()
    except OSError as error:
        raise ChainError(f"{path} cannot be read: {error.strerror}") from None


def verify_directory(path: Path, root: Path, now: datetime | None) -> Chain:
    """Verify a bundle's directory from a trusted root file and read all its targets.

    Raises:
        ChainError: anything does not fit.
    """
    metadata = path / "metadata"
    start = _read(root, MAX_METADATA)
    successors: list[bytes] = []
    version = _parse(Root, start).signed.version + 1
    while (metadata / f"{version}.root.json").is_file():
        successors.append(_read(metadata / f"{version}.root.json", MAX_METADATA))
        version += 1
    timestamp, snapshot, targets = (
        _read(metadata / f"{role}.json", MAX_METADATA) for role in ("timestamp", "snapshot", "targets")
    )
    signed, expired = verify_metadata(trusted_root(start, successors), timestamp, snapshot, targets, now)
    contents: dict[str, bytes] = {}
    for name in signed.signed.targets:
        if "/" in name or name.startswith("."):
            raise ChainError(f"target name {name!r} is not a plain file name")
        contents[name] = _read(path / "targets" / name, MAX_TARGET)
        verify_target(signed, name, contents[name])
    return Chain(contents, sha256(targets).digest(), signed.signed.version, expired)
