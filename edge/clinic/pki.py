"""The clinic's certificate authority for its broker (X.509, RFC 5280; CSRs, RFC 2986).

The authority signs for one broker alone: the broker's server certificate, and the client
certificates of boxes, receiver and operators. It says nothing about who may open a result or sign
a command; that is the manifest's business. Keys are P-256, because that is what TPMs and smart
cards of the field can hold.

All functions are pure: keys, names and a clock in, certificates out.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CA_LIFETIME = timedelta(days=3650)
LEAF_LIFETIME = timedelta(days=730)
# The list is rewritten whenever somebody is revoked. Were it to run out by itself, the broker would
# turn every box away, so it lives as long as the authority.
CRL_LIFETIME = CA_LIFETIME
# A peer whose clock is a little behind must not find a fresh certificate "not yet valid".
BACKDATE = timedelta(hours=1)

_DEVICE = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")
_CLIENT = re.compile(r"[a-z0-9][a-z0-9_.:-]{0,62}")


class PkiError(Exception):
    """A name, a request or a certificate is not acceptable; the message says what is wrong."""


def check_device_name(name: str) -> str:
    """Return ``name`` if a box may bear it.

    The name becomes a topic level, an MQTT user name and a client id, so it holds none of ``+``,
    ``#``, ``/``, ``:`` or white space. Without a colon it can never equal a role's name
    (`role_name`).

    Raises:
        PkiError: the name breaks the rule.
    """
    if not _DEVICE.fullmatch(name):
        raise PkiError(
            f"{name!r} cannot name a box: expected 1 to 63 of a-z, 0-9, '.', '_', '-', "
            "the first a letter or digit"
        )
    return name


def role_name(role: str, person: str | None = None) -> str:
    """Common name of a role's client certificate: ``clinic:receiver``, ``clinic:operator:anna``."""
    return ":".join(["clinic", role, *([check_device_name(person)] if person else [])])


@dataclass(frozen=True)
class Authority:
    """A certificate authority: its key and its self-signed certificate."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate


def make_key() -> ec.EllipticCurvePrivateKey:
    """Return a new P-256 key."""
    return ec.generate_private_key(ec.SECP256R1())


def certificate_pem(certificate: x509.Certificate | x509.CertificateRevocationList) -> bytes:
    """Return the PEM text of a certificate or a revocation list."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def key_pem(key: ec.EllipticCurvePrivateKey, passphrase: bytes | None = None) -> bytes:
    """Return the key as PKCS #8 PEM (RFC 5958), encrypted if a passphrase is given."""
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase:
        encryption = serialization.BestAvailableEncryption(passphrase)
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


def load_key(pem: bytes, passphrase: bytes | None = None) -> ec.EllipticCurvePrivateKey:
    """Read a key that `key_pem` wrote.

    Raises:
        PkiError: not a P-256 key, or the passphrase is missing or wrong.
    """
    try:
        key = serialization.load_pem_private_key(pem, passphrase)
    except (ValueError, TypeError) as error:
        raise PkiError(
            "cannot read the key: no PKCS #8 PEM, or its passphrase is missing or wrong"
        ) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise PkiError("expected a P-256 key")
    return key


def make_authority(site: str, now: datetime) -> Authority:
    """Make the broker authority of a site. It may sign leaves only (path length 0)."""
    key = make_key()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{check_device_name(site)} broker authority")])
    usage = _key_usage(signs_certificates=True)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(now + CA_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Authority(key, certificate)


def issue_server(
    authority: Authority, public_key: ec.EllipticCurvePublicKey, hosts: Sequence[str], now: datetime
) -> x509.Certificate:
    """Certify the broker for ``hosts``, each a DNS name or an IP address (subject alternative names)."""
    if not hosts:
        raise PkiError("the broker needs at least one host name or address")
    names = x509.SubjectAlternativeName([_general_name(host) for host in hosts])
    return _leaf(authority, public_key, "broker", ExtendedKeyUsageOID.SERVER_AUTH, now, names)


def issue_client(
    authority: Authority, public_key: ec.EllipticCurvePublicKey, name: str, now: datetime
) -> x509.Certificate:
    """Certify a client of the broker under ``name``, which becomes its MQTT user name and client id."""
    if not _CLIENT.fullmatch(name):
        raise PkiError(f"{name!r} cannot name a client of the broker")
    return _leaf(authority, public_key, name, ExtendedKeyUsageOID.CLIENT_AUTH, now, None)


def check_request(pem: bytes, device: str) -> ec.EllipticCurvePublicKey:
    """Return the public key of a box's request, of which nothing else is believed.

    Raises:
        PkiError: unreadable, not signed by its own key, not P-256, or for another name.
    """
    try:
        request = x509.load_pem_x509_csr(pem)
        signed = request.is_signature_valid
        public_key = request.public_key()
        names = [str(item.value) for item in request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    except (ValueError, TypeError, InvalidSignature) as error:
        raise PkiError("cannot read the certificate request") from error
    if not signed:
        raise PkiError("the certificate request is not signed by its own key")
    if not isinstance(public_key, ec.EllipticCurvePublicKey) or public_key.curve.name != "secp256r1":
        raise PkiError("the certificate request must be for a P-256 key")
    if names != [device]:
        raise PkiError(f"the certificate request is not for {device!r}")
    return public_key


def make_revocation_list(authority: Authority, serials: Iterable[int], now: datetime) -> bytes:
    """Return the list of revoked serial numbers (CRL, PEM); an empty one is valid too."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.certificate.subject)
        .last_update(now - BACKDATE)
        .next_update(now + CRL_LIFETIME)
        .add_extension(x509.CRLNumber(int(now.timestamp() * 1000)), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False
        )
    )
    for serial in sorted(set(serials)):
        revoked = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now).build()
        builder = builder.add_revoked_certificate(revoked)
    return certificate_pem(builder.sign(authority.key, hashes.SHA256()))


def common_name(certificate: x509.Certificate) -> str:
    """Return the one common name of a certificate.

    Raises:
        PkiError: it has none or several.
    """
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    if len(names) != 1:
        raise PkiError("expected a certificate with one common name")
    return str(names[0].value)


def _leaf(
    authority: Authority,
    public_key: ec.EllipticCurvePublicKey,
    name: str,
    purpose: x509.ObjectIdentifier,
    now: datetime,
    alternative_names: x509.SubjectAlternativeName | None,
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(authority.certificate.subject)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(min(now + LEAF_LIFETIME, authority.certificate.not_valid_after_utc))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False
        )
    )
    if alternative_names is not None:
        builder = builder.add_extension(alternative_names, critical=False)
    return builder.sign(authority.key, hashes.SHA256())


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
