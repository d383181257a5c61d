"""The authority's certificates, judged by the verifier of `cryptography` and by TLS itself."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from edge.clinic import pki
from tests.clinic.demo_clinic import NOW


def request(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, *names: str) -> bytes:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name) for name in names])
    made = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM)


def test_the_brokers_certificate_is_good_for_its_names_and_no_others() -> None:
    authority = pki.make_authority("demo", NOW)
    server = pki.issue_server(authority, pki.make_key().public_key(), ["localhost", "127.0.0.1"], NOW)
    policy = PolicyBuilder().store(Store([authority.certificate])).time(NOW)
    policy.build_server_verifier(x509.DNSName("localhost")).verify(server, [])
    with pytest.raises(VerificationError):
        policy.build_server_verifier(x509.DNSName("elsewhere")).verify(server, [])
    with pytest.raises(VerificationError):
        policy.build_client_verifier().verify(server, [])
    after = NOW + pki.LEAF_LIFETIME + timedelta(days=1)
    late = PolicyBuilder().store(Store([authority.certificate])).time(after)
    with pytest.raises(VerificationError):
        late.build_server_verifier(x509.DNSName("localhost")).verify(server, [])


def test_another_authority_is_not_believed() -> None:
    rogue = pki.make_authority("demo", NOW)
    server = pki.issue_server(rogue, pki.make_key().public_key(), ["localhost"], NOW)
    policy = PolicyBuilder().store(Store([pki.make_authority("demo", NOW).certificate])).time(NOW)
    with pytest.raises(VerificationError):
        policy.build_server_verifier(x509.DNSName("localhost")).verify(server, [])


def test_of_a_request_only_the_key_is_believed() -> None:
    key = pki.make_key()
    assert pki.check_request(request(key, "box-1"), "box-1") == key.public_key()


@pytest.mark.parametrize("bad", ["other name", "two names", "no name", "rsa", "p384", "flipped", "garbage"])
def test_a_bad_request_is_refused(bad: str) -> None:
    key = pki.make_key()
    pem = {
        "other name": lambda: request(key, "box-2"),
        "two names": lambda: request(key, "box-1", "box-2"),
        "no name": lambda: request(key),
        "rsa": lambda: request(rsa.generate_private_key(65537, 2048), "box-1"),
        "p384": lambda: request(ec.generate_private_key(ec.SECP384R1()), "box-1"),
        "flipped": lambda: _flip(request(key, "box-1")),
        "garbage": lambda: b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
    }[bad]()
    with pytest.raises(pki.PkiError):
        pki.check_request(pem, "box-1")


def _flip(pem: bytes) -> bytes:
    der = bytearray(x509.load_pem_x509_csr(pem).public_bytes(serialization.Encoding.DER))
    der[-1] ^= 1
    return x509.load_der_x509_csr(bytes(der)).public_bytes(serialization.Encoding.PEM)


def test_a_role_can_never_have_a_boxs_name() -> None:
    assert pki.role_name("operator", "anna") == "clinic:operator:anna"
    with pytest.raises(pki.PkiError):
        pki.check_device_name(pki.role_name("receiver"))
    with pytest.raises(pki.PkiError):
        pki.role_name("operator", "an+na")


def test_the_revocation_list_names_what_was_revoked() -> None:
    authority = pki.make_authority("demo", NOW)
    box = pki.issue_client(authority, pki.make_key().public_key(), "box-1", NOW)
    listed = x509.load_pem_x509_crl(pki.make_revocation_list(authority, [box.serial_number], NOW))
    assert listed.is_signature_valid(authority.certificate.public_key())  # type: ignore[arg-type]
    assert listed.get_revoked_certificate_by_serial_number(box.serial_number) is not None
    assert len(x509.load_pem_x509_crl(pki.make_revocation_list(authority, [], NOW))) == 0
