"""Making a clinic, and adding boxes to it: the root's and the authority's work.

`init` makes each role's keys in that role's folder and nowhere else. What only the root may do,
signing the manifest and certifying a client, happens in ``DIR/root``; what it changes is written to
those role folders that are still beside it. The others are copied by hand: they hold nothing secret.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import get_args

from cryptography import x509

from edge.clinic import broker, pki
from edge.clinic.places import (
    BROKER_CA,
    CONFIG,
    MANIFEST,
    ROLES,
    ROOT_KEY,
    ClinicConfig,
    ClinicError,
    Role,
    read_config,
    read_manifest,
    role_folder,
    write,
)
from edge.enroll import EnrolmentPackage, EnrolmentRequest, write_package
from edge.messages import CommandType
from edge.wire import pem
from edge.wire.keys import PrivateKey, SigningKey, VerifyKey
from edge.wire.manifest import LAYOUT, BoxEntry, Custodian, Manifest, Operator, Receiver, SealTo

MANIFEST_LIFETIME = timedelta(days=365)

OPEN_KEY, ACK_KEY, VAULT_KEY = "open.key", "ack.key", "vault.key"
IDENTITY_KEY = "identity.key"
COMMAND_KEY = "command.key"
TLS_KEY, TLS_CERTIFICATE = "tls.key", "tls.pem"
_ROOT_SIGNING, _CA_KEY, _CA, _ISSUED = "root.key", "ca.key", "ca.pem", "issued.json"


@dataclass(frozen=True)
class Root:
    """The root's folder, unlocked."""

    folder: Path
    config: ClinicConfig
    signing: SigningKey
    authority: pki.Authority


def init(
    folder: Path,
    config: ClinicConfig,
    *,
    now: datetime,
    passphrase: bytes | None = None,
    broker_user: str = "mosquitto",
    bind: str = "0.0.0.0",  # noqa: S104 - the broker serves the site; a firewall narrows it
    data: Path | None = None,
) -> Manifest:
    """Make a clinic in ``folder``, which must be empty or absent, and return its first manifest.

    Args:
        folder: gets one sub-folder a role.
        config: names of the clinic, addresses of its broker.
        now: the clock, with its time zone.
        passphrase: encrypts the keys of root, authority, custodian and operator.
        broker_user: whom Mosquitto runs as.
        bind: address that the broker listens on.
        data: the broker's own storage; default ``folder/broker/data``.

    Raises:
        ClinicError: the folder is in use, or the broker's user or templates are missing.
        PkiError: a name is not acceptable.
    """
    for name in (config.root, config.site, config.operator):
        pki.check_device_name(name)
    if folder.exists() and any(folder.iterdir()):
        raise ClinicError(f"{folder} is not empty; a clinic is made once (choose an empty folder)")
    broker.check_installed()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for role in ROLES:
        (folder / role).mkdir(mode=0o700)
        (folder / role / f".{role}").touch(mode=0o600)
    signing = SigningKey.generate()
    signing.save(folder / "root" / _ROOT_SIGNING, passphrase)
    authority = pki.make_authority(config.site, now)
    pem.write_new(folder / "root" / _CA_KEY, pki.key_pem(authority.key, passphrase))
    write(folder / "root" / _CA, pki.certificate_pem(authority.certificate))
    root = Root(folder / "root", config, signing, authority)
    manifest = Manifest(
        version=1,
        site=config.site,
        issued_ms=_ms(now),
        expires_ms=_ms(now + MANIFEST_LIFETIME),
        receivers=[_make_receiver(root, folder / "receiver", now)],
        custodians=[_make_custodian(folder / "custodian", passphrase)],
        operators=[_make_operator(root, folder / "operator", now, passphrase)],
    )
    _certify_broker(root, folder / "broker", now)
    _publish(root, manifest)
    configure_broker(folder / "broker", user=broker_user, bind=bind, data=data)
    return manifest


def open_root(folder: Path, passphrase: bytes | None) -> Root:
    """Unlock the root's folder.

    Raises:
        ClinicError: no root here.
        KeyFileError: the passphrase is missing or wrong.
        PkiError: likewise, for the authority's key.
    """
    place = role_folder(folder, "root")
    signing = SigningKey.load(place / _ROOT_SIGNING, passphrase)
    key = pki.load_key(pem.read_private(place / _CA_KEY), passphrase)
    certificate = x509.load_pem_x509_certificate((place / _CA).read_bytes())
    return Root(place, read_config(place), signing, pki.Authority(key, certificate))


def add_box(root: Root, device: str, request: EnrolmentRequest, now: datetime) -> bytes:
    """Certify a box, name it in the manifest and the ACL, and return its package file.

    A box that is there already gets a new certificate; its signing key may not change this way.

    Raises:
        ClinicError: the request is for another clinic or box, or the box is known by another key.
        PkiError: the name or the certificate request is not acceptable.
    """
    pki.check_device_name(device)
    if (request.device, request.site) != (device, root.config.site):
        raise ClinicError(
            f"the request is for box {request.device!r} of site {request.site!r}, "
            f"not for {device!r} of {root.config.site!r}"
        )
    manifest = read_manifest(root.folder, root.config, 0, None)
    known = {box.device: box.public for box in manifest.boxes}
    if known.get(device, request.public) != request.public:
        raise ClinicError(
            f"{device} is enrolled with another signing key; revoke it first, or choose another name"
        )
    if VerifyKey(request.public).kid in manifest.revoked:
        raise ClinicError("this box's signing key was revoked; make new keys on the box")
    certificate = pki.issue_client(root.authority, pki.check_request(request.csr, device), device, now)
    _note_issued(root, device, certificate)
    joined = {box.device: box.since_ms for box in manifest.boxes}
    entry = BoxEntry(device=device, public=request.public, since_ms=joined.get(device, _ms(now)))
    boxes = [*(box for box in manifest.boxes if box.device != device), entry]
    manifest = renew(root, manifest.model_copy(update={"boxes": boxes}), now)
    return write_package(
        EnrolmentPackage(
            root=root.config.root,
            site=root.config.site,
            device=device,
            host=root.config.hosts[0],
            port=root.config.port,
            broker_ca=pki.certificate_pem(root.authority.certificate),
            certificate=pki.certificate_pem(certificate),
            root_key=root.signing.public.raw,
            manifest=manifest.sign(root.signing),
        )
    )


def renew(root: Root, manifest: Manifest, now: datetime) -> Manifest:
    """Sign ``manifest`` under the next version, write it and the ACL to the folders, and return it."""
    current = read_manifest(root.folder, root.config, 0, None)
    new = manifest.model_copy(
        update={
            "version": current.version + 1,
            "issued_ms": _ms(now),
            "expires_ms": _ms(now + MANIFEST_LIFETIME),
        }
    )
    _publish(root, new)
    return new


def _publish(root: Root, manifest: Manifest) -> None:
    """Write what is public to every role's folder beside the root's, and the ACL to the broker's."""
    signed = manifest.sign(root.signing)
    for folder in beside(root.folder, ROLES):
        write(folder / CONFIG, root.config.model_dump_json(indent=2).encode())
    for folder in beside(root.folder, ("root", "receiver", "custodian", "operator")):
        write(folder / BROKER_CA, pki.certificate_pem(root.authority.certificate))
        _write_root_key(root, folder)
        write(folder / MANIFEST, signed)
    for folder in beside(root.folder, ("broker",)):
        boxes = [box.device for box in manifest.boxes if manifest.box_keys(box.device)]
        broker.install(folder, "acl", broker.render_acl(root.config, boxes))


def beside(root_folder: Path, roles: Sequence[Role]) -> list[Path]:
    """Return the folders of ``roles`` that lie beside the root's (itself among them)."""
    folders = [root_folder if role == "root" else root_folder.parent / role for role in roles]
    return [folder for folder, role in zip(folders, roles, strict=True) if (folder / f".{role}").exists()]


def _write_root_key(root: Root, folder: Path) -> None:
    new = folder / (ROOT_KEY + ".made")
    root.signing.public.save(new)
    new.replace(folder / ROOT_KEY)


def _make_receiver(root: Root, folder: Path, now: datetime) -> Receiver:
    opening, acknowledging = PrivateKey.generate(), SigningKey.generate()
    # No passphrase: the receiver starts by itself after a power cut. Its disk is to be encrypted.
    opening.save(folder / OPEN_KEY)
    acknowledging.save(folder / ACK_KEY)
    pem.write_new(folder / VAULT_KEY, pem.armour("EDGE VAULT KEY", os.urandom(32)))
    _make_client(root, folder, pki.role_name("receiver"), now, None)
    return Receiver(name="receiver", seal=SealTo(public=opening.recipient.raw), ack=acknowledging.public.raw)


def _make_custodian(folder: Path, passphrase: bytes | None) -> Custodian:
    key = PrivateKey.generate()
    key.save(folder / IDENTITY_KEY, passphrase)
    return Custodian(name="custodian", seal=SealTo(public=key.recipient.raw))


def _make_operator(root: Root, folder: Path, now: datetime, passphrase: bytes | None) -> Operator:
    key = SigningKey.generate()
    key.save(folder / COMMAND_KEY, passphrase)
    name = root.config.operator
    _make_client(root, folder, pki.role_name("operator", name), now, passphrase)
    return Operator(name=name, public=key.public.raw, commands=[*get_args(CommandType), LAYOUT])


def _make_client(root: Root, folder: Path, name: str, now: datetime, passphrase: bytes | None) -> None:
    key = pki.make_key()
    certificate = pki.issue_client(root.authority, key.public_key(), name, now)
    pem.write_new(folder / TLS_KEY, pki.key_pem(key, passphrase))
    write(folder / TLS_CERTIFICATE, pki.certificate_pem(certificate))
    _note_issued(root, name, certificate)


def _certify_broker(root: Root, folder: Path, now: datetime) -> None:
    key = pki.make_key()
    certificate = pki.issue_server(root.authority, key.public_key(), root.config.hosts, now)
    pem.write_new(folder / "server.key", pki.key_pem(key))
    write(folder / "server.pem", pki.certificate_pem(certificate))
    write(folder / "ca.pem", pki.certificate_pem(root.authority.certificate))
    write(folder / "revoked.pem", pki.make_revocation_list(root.authority, [], now))
    _note_issued(root, "broker", certificate)


def configure_broker(folder: Path, *, user: str, bind: str, data: Path | None) -> None:
    """Write ``mosquitto.conf`` for the place where the broker's folder lies now.

    Run by root, the folder is given to ``user``, since Mosquitto reads its keys as that user.

    Raises:
        ClinicError: not a broker's folder, or no such user.
    """
    place = role_folder(folder, "broker")
    if data is None:
        (place / "data").mkdir(mode=0o700, exist_ok=True)
    text = broker.render_config(place, read_config(place), user=user, bind=bind, data=data)
    broker.install(place, "mosquitto.conf", text)
    if os.geteuid() == 0:
        broker.give_to(place, user)


def _note_issued(root: Root, name: str, certificate: x509.Certificate) -> None:
    """Keep the serial numbers by name, so that a lost box's certificates can be revoked."""
    path = root.folder / _ISSUED
    issued = json.loads(path.read_bytes()) if path.exists() else {}
    issued.setdefault(name, []).append(f"{certificate.serial_number:x}")
    write(path, json.dumps(issued, indent=2).encode(), private=True)


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
