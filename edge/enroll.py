"""How a box joins a clinic: keys are made on the box, and no private key ever leaves it.

``edge init-box`` makes the box's keys and writes a request file; ``edge clinic add-box`` answers it
with a package file; ``edge init-box --accept`` checks and installs the package. Both files are text
and hold nothing secret. The box believes the clinic root of its first package, so that one must come
by hand; later packages must bear the same root.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from edge.messages import Message
from edge.settings import Settings
from edge.wire import pem
from edge.wire.codec import CodecError, decode_as, encode
from edge.wire.keys import KeyFileError, SigningKey, VerifyKey
from edge.wire.manifest import Manifest, ManifestError

SIGNING_KEY = "signing.key"
"""File in ``settings.box.keys``: the Ed25519 key that signs results and statuses."""

_REQUEST, _PACKAGE = "EDGE ENROLMENT REQUEST", "EDGE ENROLMENT PACKAGE"
_PROOF = b"edge enrolment request 1\0"

M = TypeVar("M", bound=Message)


class EnrolError(Exception):
    """The box cannot join with what it was given; the message says what to do."""


class EnrolmentRequest(Message):
    """What the box asks to be certified. ``proof`` shows that it holds the signing key."""

    v: Literal[1] = 1
    kind: Literal["enrolment-request"] = "enrolment-request"
    site: str
    device: str
    public: bytes
    csr: bytes
    proof: bytes = b""

    @property
    def fingerprint(self) -> str:
        """A short text that two people can compare: 80 bits of SHA-256 over the box's two keys."""
        return fingerprint(self.public + self.csr)


class EnrolmentPackage(Message):
    """The clinic's answer: certificate, whom to trust, and where the broker is."""

    v: Literal[1] = 1
    kind: Literal["enrolment-package"] = "enrolment-package"
    root: str
    site: str
    device: str
    host: str
    port: int
    broker_ca: bytes
    certificate: bytes
    root_key: bytes
    manifest: bytes


@dataclass(frozen=True)
class Accepted:
    """What `accept` installed. ``notes`` say which settings differ from the package."""

    root_fingerprint: str
    manifest_version: int
    notes: tuple[str, ...]


def fingerprint(data: bytes) -> str:
    """80 bits of SHA-256 as five groups of four hex digits."""
    digits = hashlib.sha256(data).hexdigest()[:20]
    return "-".join(digits[i : i + 4] for i in range(0, 20, 4))


def write_request(request: EnrolmentRequest) -> bytes:
    """Return the request file's text."""
    return pem.armour(_REQUEST, encode(request))


def read_request(data: bytes) -> EnrolmentRequest:
    """Read a request file and check that its box holds the signing key.

    Raises:
        EnrolError: not a request, or its proof is wrong.
    """
    request = _read(EnrolmentRequest, _REQUEST, data, "an enrolment request (edge init-box writes it)")
    try:
        proven = VerifyKey(request.public).verify(request.proof, _proof_of(request))
    except ValueError:
        proven = False
    if not proven:
        raise EnrolError("the request is not signed by the key it names; make it again: edge init-box")
    return request


def write_package(package: EnrolmentPackage) -> bytes:
    """Return the package file's text."""
    return pem.armour(_PACKAGE, encode(package))


def init_box(settings: Settings) -> EnrolmentRequest:
    """Make the keys that are missing and return the request. Keys that exist are kept.

    Raises:
        KeyFileError: a key file exists and cannot be read.
        OSError: a directory cannot be written.
    """
    from edge.store.inbox_crypto import make_disk_key  # noqa: PLC0415 - a box without scanner needs no inbox

    for folder in (settings.box.keys, settings.box.state, settings.broker.key.parent):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    signing_path = settings.box.keys / SIGNING_KEY
    if not signing_path.exists():
        SigningKey.generate().save(signing_path)
        _give_to_owner_of_folder(signing_path)
    signing = SigningKey.load(signing_path)
    if not settings.broker.key.exists():
        # P-256, because that is what the TPMs of the field can hold.
        key = ec.generate_private_key(ec.SECP256R1())
        encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        pem.write_new(settings.broker.key, key.private_bytes(encoding, form, serialization.NoEncryption()))
        _give_to_owner_of_folder(settings.broker.key)
    if not (settings.box.state / "disk.pub").exists():
        make_disk_key(settings.box.state)
    tls = _load_tls_key(settings.broker.key)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, settings.box.device)])
    csr = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(tls, hashes.SHA256())
    request = EnrolmentRequest(
        site=settings.box.site,
        device=settings.box.device,
        public=signing.public.raw,
        csr=csr.public_bytes(serialization.Encoding.PEM),
    )
    return request.model_copy(update={"proof": signing.sign(_proof_of(request))})


def accept(settings: Settings, data: bytes, now_ms: int | None) -> Accepted:
    """Check a package file and install it: certificate, authority, manifest, root key.

    Nothing is installed unless everything fits. Each file is replaced in one step, the certificate
    last, so that a power cut leaves a box that can accept the same package again.

    Args:
        settings: where things go, and who this box is.
        data: the package file's text.
        now_ms: Unix milliseconds, or None if the clock is not to be believed.

    Raises:
        EnrolError: the package is not for this box, or does not hang together.
    """
    package = _read(EnrolmentPackage, _PACKAGE, data, "an enrolment package (edge clinic add-box writes it)")
    for name, ours, theirs in (
        ("device", settings.box.device, package.device),
        ("site", settings.box.site, package.site),
        ("root", settings.box.root, package.root),
    ):
        if ours != theirs:
            raise EnrolError(
                f"the package is for {name} {theirs!r}, but box.{name} is {ours!r} in the settings"
            )
    _check_certificate(package, _load_tls_key(settings.broker.key))
    manifest = _check_manifest(settings, package, now_ms)
    _replace(settings.clinic.root_key, VerifyKey(package.root_key).save)
    _replace(settings.clinic.manifest, lambda path: _write(path, package.manifest))
    _replace(settings.broker.ca, lambda path: _write(path, package.broker_ca))
    _replace(settings.broker.certificate, lambda path: _write(path, package.certificate))
    notes = [
        f"set broker.{name} = {theirs!r} in the settings (it is {ours!r})"
        for name, ours, theirs in (
            ("host", settings.broker.host, package.host),
            ("port", settings.broker.port, package.port),
        )
        if ours != theirs
    ]
    return Accepted(fingerprint(package.root_key), manifest.version, tuple(notes))


def _check_certificate(package: EnrolmentPackage, tls: ec.EllipticCurvePrivateKey) -> None:
    try:
        certificate = x509.load_pem_x509_certificate(package.certificate)
        authority = x509.load_pem_x509_certificate(package.broker_ca)
        certificate.verify_directly_issued_by(authority)
        names = [item.value for item in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    except (ValueError, TypeError, InvalidSignature) as error:
        raise EnrolError(
            "the package's certificate and authority do not fit together; ask for another"
        ) from error
    if certificate.public_key() != tls.public_key():
        raise EnrolError(
            "the package's certificate is for another key: it answers an older request; send a new one"
        )
    if names != [package.device]:
        raise EnrolError(f"the package's certificate is not for {package.device!r}")


def _check_manifest(settings: Settings, package: EnrolmentPackage, now_ms: int | None) -> Manifest:
    known = 0
    try:
        root_key = VerifyKey(package.root_key)
        if settings.clinic.root_key.exists():
            if VerifyKey.load(settings.clinic.root_key) != root_key:
                raise EnrolError(
                    "this box belongs to another clinic root already; to give it away, remove "
                    f"{settings.clinic.root_key} and {settings.clinic.manifest} by hand first"
                )
            if settings.clinic.manifest.exists():
                old = settings.clinic.manifest.read_bytes()
                known = Manifest.verify(old, root_key, 0, None, package.site).version
        manifest = Manifest.verify(package.manifest, root_key, known, now_ms, package.site)
        ours = SigningKey.load(settings.box.keys / SIGNING_KEY).kid
    except (ManifestError, ValueError) as error:
        raise EnrolError(f"the package's manifest is refused: {error}") from error
    if ours not in [key.kid for key in manifest.box_keys(package.device)]:
        raise EnrolError("the manifest does not name this box's signing key; send a new request")
    return manifest


def _proof_of(request: EnrolmentRequest) -> bytes:
    return _PROOF + encode(request.model_copy(update={"proof": b""}))


def _read(model: type[M], label: str, data: bytes, expected: str) -> M:
    try:
        found, body = pem.unarmour(data)
        if found != label:
            raise EnrolError(f"expected {expected}")
        return decode_as(model, body)
    except (ValueError, CodecError) as error:
        raise EnrolError(f"expected {expected}") from error


def _load_tls_key(path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(pem.read_private(path), None)
    except (OSError, ValueError, TypeError) as error:
        raise KeyFileError(f"{path}: expected the box's TLS key (edge init-box makes it)") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise KeyFileError(f"{path}: expected a P-256 key")
    return key


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def _replace(path: Path, write: Callable[[Path], None]) -> None:
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    new = path.with_name(path.name + ".new")
    write(new)
    with new.open("rb") as file:
        os.fsync(file.fileno())
    new.chmod(0o644)  # nothing in a package is secret
    _give_to_owner_of_folder(new)
    new.replace(path)


def _give_to_owner_of_folder(path: Path) -> None:
    """Run as root on a box, the daemon's user must be able to read what was made."""
    if os.geteuid() == 0:
        folder = path.parent.stat()
        os.chown(path, folder.st_uid, folder.st_gid)
